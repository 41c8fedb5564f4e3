//! Index runs: sorted, immutable, read page by page; docs/format.md, section 6.
//!
//! **Writing.** [`RunRows`] (rows in memory) or [`MergedRun`] (rows of older runs, out of a [`Merger`]) go into a
//! [`RunBuilder`], which gives the object part by part and writes the plain image beside it; [`BuiltRun::keep`] makes
//! that image the local file, once the storage has the object.
//!
//! **Opening.** [`RunReader::open_cached`] takes the local file; if there is none, the caller reads the object's end
//! ([`tail_guess`], [`find_tail`]) and calls [`RunReader::from_tail`]. [`RunReader::fill`] brings the rest here.
//!
//! **Asking.** An [`IndexSet`] of open runs answers [`IndexSet::contains`] and [`IndexSet::locate`]; [`Merge`] and
//! [`IndexSet::packs`] read runs through. Nothing here waits for a storage: an answer is either known, or names the
//! blocks to read ([`Need`]) and to hand to [`IndexSet::provide`] before asking again.
//!
//! **The local copy** is a file a run in the folder of an [`IndexCache`], in pages that carry checksums. A page that is
//! absent, damaged or half written is the same thing: its block is needed. Checked pages stay in a bounded cache that
//! all runs share; beside it a run takes 21 bytes of memory for each block of 64 KiB, and nothing for a row.

#[cfg(feature = "internals")]
pub mod bench_support;
mod bits;
mod blocks;
mod build;
mod cache;
mod cache_file;
mod fill;
mod filter;
mod footer;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod layout;
mod merge;
mod page;
mod page_cache;
mod reader;
mod record;
mod scan;
mod seal;
mod search;
mod set;
mod source;
mod split;
mod spool;

pub(crate) use bits::Bits;
pub(crate) use build::{BuiltRun, RunBuilder, RunParams};
pub(crate) use cache::IndexCache;
pub(crate) use footer::{TailEnd, find_tail, signer_of, tail_guess};
pub(crate) use layout::Section;
pub(crate) use reader::RunReader;
pub(crate) use record::{PackRecord, Record, Row, SegmentRecord};
pub(crate) use scan::Records;
pub(crate) use seal::{RunKeys, RunSeal};
pub(crate) use search::Location;
pub(crate) use set::{Answer, IndexSet, Need, RowPlace};
pub(crate) use source::{MAX_ROWS, RunRows, RunSource};
pub(crate) use split::Merger;
pub(crate) use spool::MergedRun;

#[cfg(test)]
pub(crate) mod tests;
