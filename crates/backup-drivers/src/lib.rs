//! Connections and sources of the backup framework.

mod connections;
#[cfg(feature = "local")]
mod journal;
#[cfg(any(feature = "files", feature = "command"))]
mod sources;

#[cfg(feature = "local")]
pub use connections::local::Local;
#[cfg(feature = "local")]
pub use journal::FileJournal;
#[cfg(feature = "command")]
pub use sources::command::{CommandOutput, OutputTarget, RunProgram};

#[cfg(feature = "files")]
pub use sources::files::{Files, FilesTarget, Overwrite, Ownership};
