use super::archives::{is_archives, no_repository};
use super::create::{Created, create, is_untouched};
use super::key::{HINT, Way, ask, ways};
use super::{Location, cache};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::settings::Settings;
use backup_core::{Error, ErrorKind, StorageDriver};
use backup_repository::{OwnerIdentity, Repository, RepositoryOptions};
use std::sync::Arc;

/// The one repository that a command works on. When it is the default one, that is said first of all.
pub(crate) fn chosen(context: &Context) -> Result<Location> {
    match context.settings.only_repository()? {
        Some(named) => Location::parse(named),
        None => {
            let location = Location::by_default()?;
            context.screen().note(format_args!("using the default repository {location}"));
            Ok(location)
        }
    }
}

/// Opens a repository.
pub(crate) async fn open(settings: &Settings, location: &Location) -> Result<Repository> {
    let storage = location.storage().await?;
    if is_archives(&storage).await? {
        return Err(no_repository(location));
    }
    open_repository(settings, location, storage).await
}

pub(super) async fn open_repository(
    settings: &Settings,
    location: &Location,
    storage: Arc<dyn StorageDriver>,
) -> Result<Repository> {
    let options = options(settings);
    let mut refused = Error::new(ErrorKind::AccessDenied, "nothing opens the repository");
    for way in ways(settings)? {
        let (identity, file) = match way {
            Way::Identity(identity, file) => (identity, Some(file)),
            Way::Writer(credential) => {
                let opened = Repository::open_as_writer(storage, &credential, options).await;
                return opened.map(|repository| told(settings, repository)).map_err(|error| location.missing(error));
            }
            Way::Passphrase(passphrase) => (passphrase, None),
            Way::Ask => (OwnerIdentity::Passphrase(ask(&format!("Passphrase of {location}: "))?), None),
        };
        match Repository::open(storage.clone(), &identity, options.clone()).await {
            Ok(repository) => return Ok(told(settings, repository)),
            Err(error) if error.kind() == ErrorKind::AccessDenied => refused = error,
            Err(error) => {
                let unclear = file.filter(|_| error.kind() == ErrorKind::InvalidInput);
                return Err(
                    location.missing(unclear.iter().fold(error, |e, file| e.context("identity", file.display())))
                );
            }
        }
    }
    Err(Failure::from(refused).hint(HINT))
}

/// Says so if the storage shows less of the owners' work than this machine has seen.
fn told(settings: &Settings, repository: Repository) -> Repository {
    let memory = repository.keys_memory().map(|file| file.display().to_string()).unwrap_or_default();
    for key in repository.missing_keys() {
        let what = "this machine has seen it, and it is not there any more";
        let advice = match key.as_str().starts_with("keys/cards/") {
            true => "unless an owner removed that owner, the storage shows an older state".to_owned(),
            false => format!(
                "the storage shows an older state, or has lost it; what it says goes on counting here; if you restored an older \
                 copy of the storage on purpose, delete {memory}"
            ),
        };
        settings.screen.warn(format_args!("{key}: {what}: {advice}"));
    }
    repository
}

/// Opens the default repository; where there is nothing yet, makes it.
pub(crate) async fn open_or_create(settings: &Settings, location: &Location) -> Result<(Repository, Option<Created>)> {
    if !is_untouched(location)? {
        return Ok((open(settings, location).await?, None));
    }
    match create(settings, location, &[]).await {
        Ok(created) => Ok((created.repository.clone(), Some(created))),
        // Another first push was faster.
        Err(_) if !is_untouched(location)? => Ok((open(settings, location).await?, None)),
        Err(failure) => Err(failure),
    }
}

/// How this process uses repositories.
pub(super) fn options(settings: &Settings) -> RepositoryOptions {
    let options = RepositoryOptions::default();
    match cache::folder(settings) {
        Some(folder) => options.with_cache_dir(folder),
        None => options,
    }
}
