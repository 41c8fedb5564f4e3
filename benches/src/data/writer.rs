//! Writes the files of a data set and keeps count.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder that is being filled.
pub(crate) struct Tree {
    root: PathBuf,
    made: HashSet<PathBuf>,
    files: u64,
    bytes: u64,
}

impl Tree {
    /// Starts in a folder that may not exist yet.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), made: HashSet::new(), files: 0, bytes: 0 }
    }

    /// The number of files written, and of their bytes.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.files, self.bytes)
    }

    /// The place of a file below the root; its folders are there then.
    pub(crate) fn place(&mut self, path: &Path) -> Result<PathBuf> {
        let path = self.root.join(path);
        let folder = path.parent().context("a file needs a folder")?;
        if !self.made.contains(folder) {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            self.made.insert(folder.to_owned());
        }
        Ok(path)
    }

    /// Counts a file that somebody else wrote.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// Writes a file.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let place = self.place(Path::new(path))?;
        std::fs::write(&place, content).with_context(|| format!("cannot write {}", place.display()))?;
        self.count(content.len() as u64);
        Ok(())
    }

    /// Writes a file of exactly `bytes` bytes from endless parts.
    pub(crate) fn stream(&mut self, path: &str, bytes: u64, parts: impl Iterator<Item = Vec<u8>>) -> Result<()> {
        let place = self.place(Path::new(path))?;
        let mut file = std::fs::File::create(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let mut left = bytes;
        for mut part in parts {
            part.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&part).with_context(|| format!("cannot write {}", place.display()))?;
            left -= part.len() as u64;
            if left == 0 {
                break;
            }
        }
        self.count(bytes);
        Ok(())
    }
}
