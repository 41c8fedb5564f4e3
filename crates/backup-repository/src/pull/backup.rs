use super::blocks::Blocks;
use super::entries::RepositoryEntries;
use super::pool::Pool;
use super::supply::{RepositorySupply, Store};
use crate::fetch::Fetcher;
use crate::format::ids::SessionId;
use crate::format::snapshot::{StoredComponent, read_body};
use crate::locate::Locator;
use crate::meta::{Ranges, Root, Walk};
use crate::notes;
use crate::repository::Inner;
use backup_core::{Backup, Component, Entries, Error, ErrorKind, Observer, Result, Selection, Spare, Summary};
use std::fmt;
use std::sync::Arc;

/// An open snapshot.
pub(crate) struct RepositoryBackup {
    summary: Summary,
    components: Vec<Component>,
    stored: Vec<StoredComponent>,
    store: Arc<Store>,
}

impl fmt::Debug for RepositoryBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryBackup").field("id", &self.summary.id).finish_non_exhaustive()
    }
}

impl RepositoryBackup {
    pub(crate) async fn open(inner: Arc<Inner>, id: SessionId, observer: Arc<dyn Observer>) -> Result<Self> {
        inner.need_owner("read a snapshot")?;
        let snapshot = inner.snapshot(&id).await?;
        let inner = inner.in_domain(snapshot.head.domain)?;
        let summary = notes::summary(&inner, &id, &snapshot.head).await?;
        let stored =
            read_body(&snapshot.key, &inner.identities, &snapshot.payload).map_err(|e| e.context("snapshot", id))?;
        let fetcher = Arc::new(Fetcher::new(inner.clone()));
        let locator = Arc::new(Locator::open(inner.clone(), observer).await?);
        let blocks = Arc::new(Blocks::new(inner.clone(), fetcher.clone(), locator.clone()));
        let spare = Spare::default();
        let pool = Pool::start(inner.options.thread_count(), inner.config.repository, &inner.keys.chunk, &spare)?;
        let store = Arc::new(Store { fetcher, locator, blocks, pool, in_flight: Store::budget(), spare });
        let components = stored.iter().map(|s| s.component.clone()).collect();
        Ok(RepositoryBackup { summary, components, stored, store })
    }
}

impl Backup for RepositoryBackup {
    fn summary(&self) -> &Summary {
        &self.summary
    }

    fn components(&self) -> &[Component] {
        &self.components
    }

    fn entries(&self, component: usize, selection: &Selection) -> Result<Box<dyn Entries>> {
        let stored = self.stored.get(component).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the snapshot has no such component").context("component", component)
        })?;
        let root = stored.tree.map(|tree| Root { id: tree.id, level: tree.level });
        let walk = Walk::new(root, Ranges::of(selection));
        Ok(Box::new(RepositoryEntries::new(walk, self.store.blocks.clone(), RepositorySupply::new(self.store.clone()))))
    }
}
