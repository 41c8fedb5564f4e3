//! The way of a backup into an archive folder.

mod draft;
mod failure;
mod ingest;
mod plain;
mod tape;
mod upload;

pub(crate) use draft::ArchiveDraft;
pub(crate) use ingest::Frames;
