//! The deduplicated, encrypted repository format of the backup framework. docs/format.md has the bytes.

mod crypto;
mod format;

pub use crypto::SignerId;
pub use format::ids::{ChunkId, Kind, PackName, RunName, SessionId, SessionObject};
