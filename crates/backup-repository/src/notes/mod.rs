//! What is said of snapshots after they were made: by owners (tags, holds, comments, that one is forgotten), by owners of
//! the storage's clock (receipts), and by this machine's memory. docs/format.md, sections 3 and 8.

mod folder;
mod forgotten;
mod listing;
mod note;
mod receipts;
mod seen;

pub(crate) use folder::{Folder, kind_of};
pub(crate) use forgotten::{forget, forgotten};
pub use listing::{Listing, Newer};
pub(crate) use listing::{look, summary};
pub use note::Note;
pub(crate) use receipts::{Receipts, record_beside};
pub use seen::Missing;
pub(crate) use seen::{Seen, remember_own};
