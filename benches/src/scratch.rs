//! An empty folder in memory for one restore. A restore onto a disk file system that has just deleted the last restore
//! measures the deletion: ext4 creates files ten times slower for minutes after it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::measure::Program;

/// The folder; unmounted or removed when dropped.
pub(crate) struct Scratch {
    folder: PathBuf,
    mounted: bool,
}

impl Scratch {
    /// Mounts a tmpfs at `folder`; without the right to mount, makes a folder in /dev/shm, which is one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // A run that was killed leaves its mount behind.
        Program::new("umount").arg("--quiet").arg(folder).output().ok();
        // No limit on the number of files: the default is reached by a million small ones on a small machine.
        let options = "size=100%,nr_inodes=0,mode=0700";
        if Program::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output().is_ok() {
            return Ok(Self { folder: folder.to_owned(), mounted: true });
        }
        let folder = PathBuf::from(format!("/dev/shm/backup-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot mount a tmpfs, nor make {}", folder.display()))?;
        Ok(Self { folder, mounted: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.mounted {
            let unmounted = Program::new("umount").arg(&self.folder).output();
            if let Err(error) = unmounted {
                eprintln!("{error:#}");
            }
        } else {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}
