//! What can be backed up, a folder for each kind.

#[cfg(feature = "files")]
pub(crate) mod files;
#[cfg(feature = "command")]
pub(crate) mod command;
