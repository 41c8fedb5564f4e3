//! The deduplicated, encrypted repository format of the backup framework. docs/format.md has the bytes.

mod catalogue;
mod check;
mod crypto;
mod fetch;
mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod keys;
mod locate;
mod meta;
mod notes;
mod options;
mod pack;
mod probe;
pub mod protocol;
mod prune;
mod pull;
mod push;
mod reference;
mod remembered;
mod repair;
mod repository;
mod session;
#[cfg(test)]
mod tests;

#[cfg(feature = "internals")]
#[doc(hidden)]
pub use index::bench_support;

pub use crypto::SignerId;
pub use format::config::FORMAT;
pub use format::credential::WriterCredential;
pub use format::ids::{ChunkId, Kind, PackName, RepositoryId, RunName, SessionId, SessionObject};
pub use format::owner::{OwnerIdentity, OwnerRecipient, new_identity, recipient_of};
pub use keys::{Keys, OwnerInfo, Rotated, WriterInfo, WriterSpec};
pub use notes::{Listing, Missing, Newer, Note};
pub use options::RepositoryOptions;
pub use prune::{NoSnapshots, PruneOptions, PruneReport};
pub use reference::Names;
pub use repair::RepairReport;
pub use repository::Repository;
