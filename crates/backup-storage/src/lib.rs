//! Storages of the backup framework, a folder and a feature each.
//!
//! | storage | feature | objects are |
//! |---|---|---|
//! | [`Directory`] | `directory` | files below a folder |
//! | [`Memory`] | `memory` | kept in this process, for tests and for trying things out |
//!
//! All of them are [`StorageDriver`](backup_core::StorageDriver)s and pass the suite of `backup-testkit`.

#[cfg(feature = "directory")]
mod directory;
#[cfg(feature = "memory")]
mod memory;

#[cfg(feature = "directory")]
pub use directory::Directory;
#[cfg(feature = "memory")]
pub use memory::Memory;
