//! Pull: the metadata tree is walked in path order, contents are planned batch by batch, a few batches are under way at
//! once, each segment is fetched and unpacked once per batch, and verified chunks are written by worker threads in
//! whatever order they come.

mod backup;
mod blocks;
mod entries;
mod extents;
mod plan;
mod pool;
mod stream;
mod supply;

pub(crate) use backup::RepositoryBackup;
pub(crate) use blocks::Blocks;
