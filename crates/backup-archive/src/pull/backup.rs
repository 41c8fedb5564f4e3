use super::Folder;
use super::entries::ArchiveEntries;
use super::listing::Listing;
use super::supply::ArchiveSupply;
use crate::layers::Keys;
use crate::manifest::Manifest;
use async_trait::async_trait;
use backup_core::{Backup, Component, Entries, Error, ErrorKind, Result, Selection, StorageDriver, Summary};
use std::sync::Arc;

/// An open archive.
#[derive(Debug)]
pub(crate) struct ArchiveBackup {
    summary: Summary,
    components: Vec<Component>,
    /// None for a component without content.
    listings: Vec<Option<Arc<Listing>>>,
    folder: Arc<Folder>,
}

impl ArchiveBackup {
    /// The archive of a manifest in this storage. Nothing is read before [`Backup::entries`].
    ///
    /// # Errors
    /// `Damaged` when the manifest makes no sense.
    pub(crate) fn new(storage: Arc<dyn StorageDriver>, manifest: &Manifest, keys: Keys) -> Result<Self> {
        let folder = Arc::new(Folder::new(storage, keys));
        let listing = |part: &crate::manifest::Part| {
            let content = part.content.clone()?;
            Some(Arc::new(Listing::new(folder.clone(), &manifest.archive, &part.name, content)))
        };
        let listings = manifest.components.iter().map(listing).collect();
        let components = manifest.components.iter().map(|part| part.component()).collect::<Result<_>>()?;
        Ok(ArchiveBackup { summary: manifest.summary()?, components, listings, folder })
    }

    /// Says whether it must not be dropped.
    pub(crate) fn with_held(mut self, is_held: bool) -> Self {
        self.summary.held = is_held;
        self
    }
}

#[async_trait]
impl Backup for ArchiveBackup {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn components(&self) -> &[Component] {
        &self.components
    }

    fn entries(&self, component: usize, selection: &Selection) -> Result<Box<dyn Entries>> {
        let listing = self.listings.get(component).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the archive has no such component").context("component", component)
        })?;
        let supply = ArchiveSupply::new(self.folder.clone());
        Ok(Box::new(ArchiveEntries::new(listing.clone(), selection, supply)))
    }
}
