//! Index runs: sorted, immutable, read page by page; docs/format.md, section 6.

mod blocks;
mod build;
mod cache;
mod cache_file;
mod filter;
mod footer;
mod layout;
mod page;
mod page_cache;
mod reader;
mod record;
mod seal;
mod search;
mod set;
mod source;

pub(crate) use build::{BuiltRun, MAX_PART, RunBuilder, RunParams};
pub(crate) use cache::IndexCache;
pub(crate) use footer::{MAX_FOOTER, TailEnd, find_tail, tail_guess};
pub(crate) use reader::{Filler, KeyOf, RunReader};
pub(crate) use record::{PackRecord, Row, SegmentRecord};
pub(crate) use seal::RunSeal;
pub(crate) use search::Location;
pub(crate) use set::{Answer, Candidates, IndexSet, Need};
pub(crate) use source::{MAX_ROWS, RunRows, RunSource};

#[cfg(test)]
mod tests;
