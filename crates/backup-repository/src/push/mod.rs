//! Push: content is read, cut, named, looked up, gathered, compressed and sealed on the engine's own threads; one more
//! thread builds the metadata tree in path order. `Draft` and `Ingest` are what the pipeline sees.

mod batch;
mod chunker;
mod content;
mod draft;
mod engine;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod hands;
mod ingest;
mod job;
mod known;
mod lineage;
mod listings;
mod metadata;
mod queue;
mod rows;
mod scan;
mod tree;
mod trust;

pub(crate) use draft::begin;
pub(crate) use rows::rows as run_rows;
