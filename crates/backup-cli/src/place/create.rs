use super::archives::is_archives;
use super::identity::{self, MadeIdentity};
use super::key::named_passphrase;
use super::open::options;
use super::{Home, Location};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::settings::{Key, Settings};
use backup_core::ErrorKind;
use backup_repository::{OwnerRecipient, Repository};
use std::ffi::OsString;
use std::io;

/// A repository that was made just now.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) repository: Repository,
    /// The identity that opens it, when it was made for one.
    pub(crate) identity: Option<MadeIdentity>,
}

/// Makes a repository for these recipients, for the identity or passphrase that was named, or, without any of them,
/// for the default identity. Missing identity files are made.
pub(crate) async fn create(settings: &Settings, location: &Location, recipients: &[String]) -> Result<Created> {
    refuse_other_content(location)?;
    let storage = location.new_storage().await?;
    if is_archives(&storage).await? {
        return Err(Failure::new(Exit::Failed, format!("{location} is an archive folder"))
            .hint("name a new or an empty folder"));
    }
    let mut owners: Vec<_> = recipients.iter().cloned().map(OwnerRecipient::PublicKey).collect();
    let identity = match &settings.key {
        Some(Key::Identity(file)) => Some(identity::read_or_make(file, &settings.screen)?),
        Some(key) => {
            owners.push(OwnerRecipient::Passphrase(named_passphrase(key)?));
            None
        }
        None if owners.is_empty() => Some(identity::read_or_make(&Home::find()?.identity(), &settings.screen)?),
        None => None,
    };
    owners.extend(identity.iter().map(|identity| identity.recipient.clone()));
    let repository = Repository::create(storage, &owners, options(settings)).await.map_err(|error| {
        let exists = error.kind() == ErrorKind::AlreadyExists;
        let failure = Failure::from(error);
        if exists { failure.hint("it is ready for `backup push`") } else { failure }
    })?;
    Ok(Created { repository, identity })
}

/// What an `init` that was killed can leave behind, and what a file system puts into its root.
const HARMLESS: [&str; 3] = ["keys", "tmp", "lost+found"];

/// Whether nobody has put anything there, or only an `init` that was killed.
pub(super) fn is_untouched(location: &Location) -> Result<bool> {
    Ok(names(location)?.iter().all(|name| HARMLESS.iter().any(|other| name == other)))
}

/// A folder with other things in it is no place for a repository: a mistyped path, most of the time.
pub(super) fn refuse_other_content(location: &Location) -> Result<()> {
    let names = names(location)?;
    // With a config it is a repository: making it says so better than we could here.
    let is_repository = names.iter().any(|name| name == "config" || name == "archives.json");
    match names.iter().find(|name| !HARMLESS.iter().any(|other| name == other)) {
        Some(other) if !is_repository => {
            Err(Failure::new(Exit::Failed, format!("the folder {location} is not empty: it holds {}", other.display()))
                .hint("name a new or an empty folder"))
        }
        _ => Ok(()),
    }
}

/// The names in the folder of a repository. What is there of a repository elsewhere, making one finds out.
fn names(location: &Location) -> Result<Vec<OsString>> {
    let Some(folder) = location.path() else { return Ok(Vec::new()) };
    let names = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    match names {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|error| Failure::file("cannot look into the folder", folder, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_or_an_interrupted_init_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::directory(folder.path());
        assert!(refuse_other_content(&location).is_ok());
        assert!(refuse_other_content(&Location::directory(folder.path().join("missing"))).is_ok());
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        assert!(refuse_other_content(&location).is_ok());
        assert!(is_untouched(&location).unwrap());
        std::fs::write(folder.path().join("letter.txt"), "x").unwrap();
        assert!(!is_untouched(&location).unwrap());
        assert!(refuse_other_content(&location).unwrap_err().message.contains("letter.txt"));
    }
}
