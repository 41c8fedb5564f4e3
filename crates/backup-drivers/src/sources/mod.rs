//! What can be backed up, a folder for each kind.

#[cfg(feature = "command")]
pub(crate) mod command;
#[cfg(feature = "files")]
pub(crate) mod files;
