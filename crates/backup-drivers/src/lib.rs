//! Connections and sources of the backup framework.

mod connections;
#[cfg(any(feature = "files", feature = "command"))]
mod sources;

#[cfg(feature = "local")]
pub use connections::local::Local;
#[cfg(feature = "command")]
pub use sources::command::{CommandOutput, Into};

#[cfg(feature = "files")]
pub use sources::files::{Files, FilesTarget, Overwrite, Ownership};
