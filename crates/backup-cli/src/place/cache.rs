use super::Home;
use crate::settings::Settings;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What makes backup programs, ours too, leave out the content of a folder: <https://bford.info/cachedir/>.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Caches of backup repositories: may be deleted.\n";

/// Where caches are kept, whether it is there or not.
pub(crate) fn path(settings: &Settings) -> Option<PathBuf> {
    settings.cache_dir.clone().or_else(|| Home::find().ok().map(|home| home.cache()))
}

/// The folder for caches, marked as one. Where it cannot be made, work goes on without: a cache saves time only.
pub(super) fn folder(settings: &Settings) -> Option<PathBuf> {
    let folder = path(settings)?;
    match make(&folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            settings.screen.warn(format_args!("working without a cache: {}: {error}", folder.display()));
            None
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match OpenOptions::new().write(true).create_new(true).open(folder.join("CACHEDIR.TAG")) {
        Ok(mut tag) => tag.write_all(TAG.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A cache that can only be read is still of use.
        Err(error) if matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
