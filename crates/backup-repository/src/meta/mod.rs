//! The entries of a component as a tree of blocks, and the contents of large files as lists: docs/format.md, section 7.
//!
//! Everything here is synchronous and does no I/O. What writes hands finished blocks to a *sink* that names, deduplicates
//! and stores them; what reads asks for blocks by id and is given them.
//!
//! - [`encode_body`], [`Body`]: an entry without its path, as the scan cache keeps it.
//! - [`TreeBuilder`] cuts entries into leaves and nodes, [`ListBuilder`] chunk ids into content lists.
//! - [`Walk`] reads entries in order within [`Ranges`], [`ListReader`] expands a list.
//! - [`references`] tells a mark what a block holds on to.

mod attributes;
mod body;
mod content;
mod cursor;
mod cut;
mod extra;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod leaf_reader;
mod leaf_writer;
mod list_builder;
mod list_reader;
mod node;
mod ranges;
mod references;
mod row;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub(crate) use body::{Body, encode_body};
pub(crate) use content::{Content, Found, MAX_INLINE_CHUNKS, content_bytes};
pub(crate) use cursor::Damage;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzz::fuzz_block;
pub(crate) use list_builder::ListBuilder;
pub(crate) use list_reader::{ListReader, ListStep};
pub(crate) use ranges::Ranges;
pub(crate) use references::{Reference, references};
pub(crate) use tree::{Root, TreeBuilder};
pub(crate) use walk::{Step, Walk};

use backup_core::{Error, ErrorKind};

/// The most bytes a stored block may have.
pub(crate) const MAX_BLOCK_BYTES: usize = 2 << 20;

/// The most bytes one entry may have, its path included.
pub(crate) const MAX_ENTRY_BYTES: usize = 1 << 20;

/// The highest level a block of a tree may have.
const MAX_LEVEL: u8 = 32;

/// First bytes of blocks.
const LEAF: u8 = b'L';
const NODE: u8 = b'N';
const LIST: u8 = b'C';

fn damaged(because: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "a metadata block is malformed").context("because", because)
}
