use super::key::{HINT, Way, ask, ways};
use super::{Location, cache};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::settings::Settings;
use backup_core::{Error, ErrorKind, StorageDriver};
use backup_repository::{OwnerIdentity, Repository, RepositoryOptions};
use backup_storage::Directory;
use std::sync::Arc;

/// Opens the one repository that a command works on.
pub(crate) async fn open_one(context: &Context) -> Result<Repository> {
    let location = match context.settings.only_repository()? {
        Some(named) => Location::parse(named)?,
        None => Location::by_default()?,
    };
    if location.is_default {
        context.screen().note(format_args!("using the default repository {location}"));
    }
    open(&context.settings, &location).await
}

/// Opens a repository.
pub(crate) async fn open(settings: &Settings, location: &Location) -> Result<Repository> {
    let hint = if location.is_default {
        "`backup push DIR` makes it".to_owned()
    } else {
        format!("`backup init --repo {location}` makes one")
    };
    let storage = Directory::open(&location.path).await.map_err(missing).map_err(|f| f.hint_on(Exit::NotFound, hint.clone()))?;
    let options = options(settings);
    let mut refused = None;
    for way in ways(settings)? {
        let identity = match way {
            Way::Open(identity) => identity,
            Way::Ask => OwnerIdentity::Passphrase(ask(&format!("Passphrase of {location}: "))?),
        };
        let storage: Arc<dyn StorageDriver> = Arc::new(storage.clone());
        match Repository::open(storage, &identity, options.clone()).await {
            Ok(repository) => return Ok(repository),
            Err(error) if error.kind() == ErrorKind::AccessDenied => refused = Some(error),
            Err(error) => return Err(missing(error).hint_on(Exit::NotFound, hint)),
        }
    }
    let refused = refused.unwrap_or_else(|| Error::new(ErrorKind::AccessDenied, "nothing opens the repository"));
    Err(Failure::from(refused).hint(HINT))
}

/// How this process uses repositories.
pub(crate) fn options(settings: &Settings) -> RepositoryOptions {
    let options = RepositoryOptions::default();
    match cache::folder(settings) {
        Some(folder) => options.with_cache_dir(folder),
        None => options,
    }
}

fn missing(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => {
            let failure = Failure::new(Exit::NotFound, "there is no repository here");
            failure.cause(&error)
        }
        _ => error.into(),
    }
}
