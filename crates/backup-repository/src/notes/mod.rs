//! What owners say of snapshots after they were made: docs/format.md, section 3.

mod folder;
mod forgotten;
mod listing;
mod note;

pub(crate) use folder::Folder;
pub(crate) use forgotten::{forget, forgotten};
pub(crate) use listing::{list, summary};
pub use note::Note;
