//! Identity files: read, and made where there is none.

use crate::failure::{Failure, Result};
use crate::screen::Screen;
use backup_core::Secret;
use backup_repository::{OwnerRecipient, new_identity, recipient_of};
use rustix::fs::{Mode, OFlags, open};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// More than any identity file or passphrase has.
const MAX_BYTES: u64 = 64 << 10;

/// The identity that a repository is made for.
#[derive(Debug)]
pub(crate) struct MadeIdentity {
    pub(crate) file: PathBuf,
    pub(crate) recipient: OwnerRecipient,
    /// Whether it was not there before.
    pub(crate) is_new: bool,
}

/// Reads a file that holds a secret.
pub(super) fn read_secret(file: &Path, what: &str) -> Result<Secret> {
    let failed = |error| Failure::file(&format!("cannot read the {what}"), file, error);
    let mut content = Vec::new();
    File::open(file).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(failed)?;
    // From here on it is wiped whatever happens.
    let secret = Secret::new(content);
    if secret.expose().len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is too long to be one")));
    }
    Ok(secret)
}

/// Reads an identity file, and says so when others can read it too.
pub(super) fn read(file: &Path, screen: &Screen) -> Result<Secret> {
    let secret = read_secret(file, "identity")?;
    if std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0) {
        screen.warn(format_args!("other users can reach the identity: chmod 600 {}", file.display()));
    }
    Ok(secret)
}

/// The identity in this file, which is made if it is not there. One that is there is never changed.
pub(super) fn read_or_make(file: &Path, screen: &Screen) -> Result<MadeIdentity> {
    let is_new = match std::fs::symlink_metadata(file) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(file).map_err(|error| Failure::file("cannot make the identity", file, error))?
        }
        Err(error) => return Err(Failure::file("cannot look for the identity", file, error)),
    };
    // Also a new one is read back: what stands in the file is what must open the repository one day.
    let recipient = recipient_of(&read(file, screen)?).map_err(|error| {
        Failure::from(error.context("file", file.display()))
            .hint("an SSH key is named by its public half: --recipient \"$(cat KEY.pub)\"")
    })?;
    Ok(MadeIdentity { file: file.to_owned(), recipient, is_new })
}

/// Makes an identity file in one step, durable when this returns; `false` when somebody else was faster.
fn make(file: &Path) -> io::Result<bool> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Created with mode 0600.
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(new_identity().0.expose())?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(file) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error.error),
    }
    let folder = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::fsync(folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{Form, Volume};

    #[test]
    fn an_identity_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config/backup/identity.txt");
        let screen = Screen::new(Form::Text, Volume::Quiet);
        let made = read_or_make(&file, &screen).unwrap();
        assert!(made.is_new);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        let before = std::fs::read(&file).unwrap();
        assert!(!read_or_make(&file, &screen).unwrap().is_new);
        assert!(!make(&file).unwrap());
        assert_eq!(std::fs::read(&file).unwrap(), before);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_identity_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "dear diary").unwrap();
        let error = read_or_make(&file, &Screen::new(Form::Text, Volume::Quiet)).unwrap_err();
        assert!(error.message.contains("notes.txt"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), b"dear diary");
    }
}
