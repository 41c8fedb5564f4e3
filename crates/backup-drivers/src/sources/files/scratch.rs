use backup_core::{Error, Result};
use std::fs::File;
use std::path::PathBuf;

/// Where temporary files go: lists that are too long for memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch(pub(crate) Option<PathBuf>);

impl Scratch {
    /// A new file without a name; it is gone when it is closed.
    pub(crate) fn file(&self) -> Result<File> {
        match &self.0 {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        }
        .map_err(|e| Error::io("cannot make a temporary file", e))
    }
}
