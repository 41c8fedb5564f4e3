use super::sources::{Sources, same_disk};
use crate::commands::init::announce;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::place::{Location, Opened, open_any, open_or_create};
use backup_core::Target;
use std::path::PathBuf;

/// Where a push goes to.
#[derive(Debug)]
pub(super) struct Destinations {
    pub(super) locations: Vec<Location>,
    pub(super) targets: Vec<Target>,
    /// Those of several that could not be opened: the push goes on without them.
    pub(super) failed: Vec<(Location, Failure)>,
}

/// The repositories that were named, or the default one.
pub(super) fn locations(context: &Context) -> Result<Vec<Location>> {
    let named = &context.settings.repositories;
    if named.is_empty() {
        let location = Location::by_default()?;
        context.screen().note(format_args!("using the default repository {location}"));
        return Ok(vec![location]);
    }
    named.iter().map(|named| Location::parse(named)).collect()
}

impl Destinations {
    /// Opens them; the default one is made if it is not there.
    pub(super) async fn open(context: &Context, sources: &Sources) -> Result<Self> {
        let locations = locations(context)?;
        let mut destinations = Destinations { locations: locations.clone(), targets: Vec::new(), failed: Vec::new() };
        for location in locations {
            let opened = if location.is_default {
                default(context, &location, sources).await.map(Opened::Repository)
            } else {
                open_any(&context.settings, &location).await
            };
            match opened {
                Ok(opened) => destinations.targets.push(Target::new(location.to_string(), opened.destination())),
                Err(failure) => destinations.failed.push((location, failure)),
            }
        }
        match destinations.failed.pop() {
            Some((_, failure)) if destinations.targets.is_empty() => Err(failure),
            Some(failed) => {
                destinations.failed.push(failed);
                Ok(destinations)
            }
            None => Ok(destinations),
        }
    }
}

async fn default(context: &Context, location: &Location, sources: &Sources) -> Result<backup_repository::Repository> {
    let (repository, created) = open_or_create(&context.settings, location).await?;
    if let Some(created) = created {
        announce(context, &created);
    }
    let near = |root: &&PathBuf| location.path().is_some_and(|repository| same_disk(root, repository));
    if let Some(root) = sources.roots.iter().find(near) {
        context.screen().warn(format_args!(
            "the repository lies on the same disk as {}: a failure of that disk takes both",
            root.display()
        ));
    }
    Ok(repository)
}
