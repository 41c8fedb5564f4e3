//! Conformance suites and hostile doubles of the backup framework.

pub mod connections;
pub mod destination;
pub mod memory;
pub mod sources;
pub mod storage;
pub mod suite;
mod told;

pub use told::Told;
