//! Archive folders.

use super::key::{Way, ask, named_passphrase, ways};
use super::open::open_repository;
use super::{Home, Location, identity};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::settings::{Key, Settings};
use backup_archive::{AgeIdentities, ArchiveFolder, ArchiveSettings, Encryption, Keys};
use backup_core::{Catalogue, Destination, ErrorKind, StorageDriver};
use backup_repository::{OwnerIdentity, Repository};
use std::io::{self, IsTerminal};
use std::sync::Arc;

/// What a place holds.
#[derive(Clone, Debug)]
pub(crate) enum Opened {
    Repository(Repository),
    Archives(Arc<ArchiveFolder>),
}

impl Opened {
    pub(crate) fn catalogue(&self) -> &dyn Catalogue {
        match self {
            Opened::Repository(repository) => repository,
            Opened::Archives(folder) => &**folder,
        }
    }

    pub(crate) fn destination(self) -> Arc<dyn Destination> {
        match self {
            Opened::Repository(repository) => Arc::new(repository),
            Opened::Archives(folder) => folder,
        }
    }
}

/// Opens what is there.
pub(crate) async fn open_any(settings: &Settings, location: &Location) -> Result<Opened> {
    let storage = location.storage().await?;
    if is_archives(&storage).await? {
        return Ok(Opened::Archives(Arc::new(open_folder(settings, location, storage).await?)));
    }
    open_repository(settings, location, storage).await.map(Opened::Repository)
}

/// Whether it is archives. Nobody signs that it is: where a repository is, too, somebody has put one of them there.
pub(super) async fn is_archives(storage: &Arc<dyn StorageDriver>) -> Result<bool> {
    if !ArchiveFolder::is_one(&**storage).await? {
        return Ok(false);
    }
    if is_repository(&**storage).await? {
        let what = "there is a repository, and archives.json, which says that this is an archive folder";
        return Err(Failure::new(Exit::Damage, what).hint("take away what does not belong there"));
    }
    Ok(true)
}

async fn is_repository(storage: &dyn StorageDriver) -> Result<bool> {
    Ok(!storage.list("config/", None).await?.objects.is_empty())
}

/// What only a repository can do was asked of an archive folder.
pub(crate) fn no_repository(location: &Location) -> Failure {
    Failure::usage(format!("{location} is an archive folder: this command is for repositories"))
}

/// Archives are listed without any key.
async fn open_folder(
    settings: &Settings,
    location: &Location,
    storage: Arc<dyn StorageDriver>,
) -> Result<ArchiveFolder> {
    let folder = ArchiveFolder::open(storage, Keys::default()).await?;
    let usable = if settings.key.is_some() || Home::find()?.identity().exists() { ways(settings)? } else { Vec::new() };
    let mut age = AgeIdentities::default();
    let mut passphrase = None;
    for way in usable {
        match way {
            Way::Identity(OwnerIdentity::Key(secret), file) => match age.clone().with_key(&secret) {
                Ok(more) => age = more,
                Err(error) if settings.key.is_some() => return Err(error.context("file", file.display()).into()),
                Err(_) => {}
            },
            Way::Passphrase(OwnerIdentity::Passphrase(secret)) => passphrase = Some(secret),
            // A credential writes to a repository; an identity may be an owner's in another way.
            _ => {}
        }
    }
    if passphrase.is_none()
        && *folder.settings().encryption() == Encryption::Passphrase
        && settings.key.is_none()
        && io::stdin().is_terminal()
    {
        passphrase = Some(ask(&format!("Passphrase of {location}: "))?);
    }
    let folder = folder.with_keys(Keys::new().with_age(age));
    Ok(match passphrase {
        Some(passphrase) => folder.with_passphrase(passphrase)?,
        None => folder,
    })
}

/// An archive folder that was made just now.
#[derive(Debug)]
pub(crate) struct CreatedArchives {
    pub(crate) folder: ArchiveFolder,
    pub(crate) identity: Option<identity::MadeIdentity>,
}

/// Makes an archive folder, encrypted for whoever `create` makes a repository for; `settings_for` completes its settings.
pub(crate) async fn create_archives(
    settings: &Settings,
    location: &Location,
    recipients: &[String],
    is_plain: bool,
    settings_for: impl FnOnce(Encryption) -> Result<ArchiveSettings>,
) -> Result<CreatedArchives> {
    super::create::refuse_other_content(location)?;
    let storage = location.new_storage().await?;
    if is_repository(&*storage).await? {
        return Err(Failure::new(Exit::Failed, format!("there is a repository in {location}"))
            .hint("name a new or an empty folder"));
    }
    let (mut identity, mut passphrase) = (None, None);
    let encryption = match &settings.key {
        _ if is_plain => Encryption::None,
        Some(Key::Identity(file)) => to(recipients, identity.insert(identity::read_or_make(file, &settings.screen)?)),
        Some(key) if recipients.is_empty() => {
            passphrase = Some(named_passphrase(key)?);
            Encryption::Passphrase
        }
        Some(_) => return Err(Failure::usage("archives are encrypted with a passphrase or to recipients, not both")),
        None if recipients.is_empty() => {
            to(recipients, identity.insert(identity::read_or_make(&Home::find()?.identity(), &settings.screen)?))
        }
        None => Encryption::Recipients(recipients.to_vec()),
    };
    let folder = ArchiveFolder::create(storage, settings_for(encryption)?, passphrase.as_ref()).await;
    let folder = folder.map_err(|error| {
        let exists = error.kind() == ErrorKind::AlreadyExists;
        let failure = Failure::from(error);
        if exists { failure.hint("it is ready for `backup push`") } else { failure }
    })?;
    Ok(CreatedArchives { folder, identity })
}

fn to(recipients: &[String], identity: &identity::MadeIdentity) -> Encryption {
    let own = match &identity.recipient {
        backup_repository::OwnerRecipient::PublicKey(key) => Some(key.clone()),
        _ => None,
    };
    Encryption::Recipients(recipients.iter().cloned().chain(own).collect())
}
