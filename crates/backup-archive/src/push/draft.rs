use super::ingest::{ArchiveIngest, Finished};
use crate::manifest::{Form, Manifest, Part, SUFFIX};
use crate::names::free_name;
use crate::settings::{ArchiveSettings, Packing};
use async_trait::async_trait;
use backup_core::{
    BackupId, Committed, Component, ComponentSpec, Draft, Error, ErrorKind, Ingest, Key, Layers, Observer, Outcome,
    PushStats, Result, Spec, Status, StorageDriver, StorageExt, Summary, Totals,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A push into an archive folder.
pub(crate) struct ArchiveDraft {
    storage: Arc<dyn StorageDriver>,
    settings: ArchiveSettings,
    packing: Packing,
    spec: Spec,
    observer: Arc<dyn Observer>,
    clock: Instant,
    /// Name and local date, from the first component on.
    name: Option<(String, String)>,
    parts: Vec<(Component, Option<Finished>)>,
    /// What stands in front of the extensions, by component: a second capture has that of the first.
    stems: BTreeMap<String, String>,
}

/// Where a component goes.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) storage: Arc<dyn StorageDriver>,
    pub(super) packing: Packing,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) archive: String,
    /// What stands in front of the extension.
    stem: String,
}

impl Place {
    pub(super) fn key(&self, extension: &str, layers: &Layers) -> Result<Key> {
        let mut key = format!("{}.{extension}", self.stem);
        for record in layers.records() {
            key.push('.');
            key.push_str(crate::layers::extension(&record)?);
        }
        Key::new(key)
    }
}

impl ArchiveDraft {
    pub(crate) fn new(
        storage: Arc<dyn StorageDriver>,
        settings: ArchiveSettings,
        packing: Packing,
        mut spec: Spec,
        observer: Arc<dyn Observer>,
    ) -> Self {
        spec.started.get_or_insert_with(SystemTime::now);
        let clock = Instant::now();
        ArchiveDraft {
            storage,
            settings,
            packing,
            spec,
            observer,
            clock,
            name: None,
            parts: Vec::new(),
            stems: BTreeMap::new(),
        }
    }

    async fn place(&mut self, component: &ComponentSpec) -> Result<Place> {
        if self.name.is_none() {
            let named = free_name(&*self.storage, &self.settings, &self.spec, &component.source.kind).await?;
            self.name = Some(named);
        }
        let (archive, _) = self.name.clone().unwrap_or_default();
        let number = self.stems.len() + 1;
        let stem = self.stems.entry(component.name.clone()).or_insert_with(|| match number {
            1 => archive.clone(),
            // Two components may come to the same name.
            number => format!("{archive}.{number}-{}", plain(&component.name)),
        });
        let stem = stem.clone();
        let (storage, packing) = (self.storage.clone(), self.packing.clone());
        Ok(Place { storage, packing, observer: self.observer.clone(), archive, stem })
    }

    fn summary(&self, name: &str) -> Summary {
        let started = self.spec.started.unwrap_or_else(SystemTime::now);
        let mut summary = Summary::new(BackupId(name.to_owned()), &self.spec.name, &self.spec.host, started);
        summary.duration = self.clock.elapsed();
        summary.tags.clone_from(&self.spec.tags);
        summary.status = self.parts.iter().fold(Status::Complete, |status, (component, _)| match component.status {
            // The whole stands without it.
            Status::Incomplete if !component.spec.required => status.and(Status::Partial),
            own => status.and(own),
        });
        summary.components = self.parts.iter().map(|(component, _)| component.spec.name.clone()).collect();
        for (component, _) in &self.parts {
            summary.totals += component.totals;
        }
        summary
    }
}

/// Makes an archive of the objects.
async fn show(storage: &dyn StorageDriver, name: &str, manifest: Bytes, objects: &[Key]) -> Result<()> {
    let key = Key::new(format!("{name}{SUFFIX}"))?;
    if let Err(error) = storage.create(&key, manifest.clone()).await {
        // The answer may be lost, and not the manifest: then its objects must not go.
        match storage.get_bytes(&key, manifest.len() as u64 + 1).await {
            Ok(there) if there == manifest => {}
            Err(no) if no.kind() != ErrorKind::NotFound => {
                return Err(error.context("unknown", "whether the archive is there: see what `check` says"));
            }
            _ => {
                let _ = storage.delete(objects).await;
                return Err(error);
            }
        }
    }
    for object in objects {
        // Before it had a manifest it looked like something to clean away.
        storage.stat(object).await.map_err(|e| e.context("archive", name).context("object", object))?;
    }
    Ok(())
}

/// A component's name as part of a key.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(24).collect()
}

#[async_trait]
impl Draft for ArchiveDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        let place = self.place(&component).await?;
        Ok(Box::new(ArchiveIngest::new(component, place)))
    }

    async fn accept(&mut self, ingest: Box<dyn Ingest>, mut outcome: Outcome) -> Result<Component> {
        let foreign = |_| Error::new(ErrorKind::InvalidInput, "this component belongs to another destination");
        let ingest = ingest.into_any().downcast::<ArchiveIngest>().map_err(foreign)?;
        let spec = ingest.spec.clone();
        let mut finished = None;
        if outcome.fatal.is_none() {
            finished = ingest.finish().await?;
        } else {
            // Half a capture is no component: nothing of it may be taken for data.
            ingest.give_up()?;
        }
        let mut totals = Totals::default();
        if let Some(finished) = &mut finished {
            totals = finished.totals;
            for failure in std::mem::take(&mut finished.outcome.failures) {
                outcome.fail(failure.path, failure.reason);
            }
            outcome.failures_unlisted += finished.outcome.failures_unlisted;
        }
        // Half a stream is none.
        if finished.as_ref().is_some_and(|finished| finished.content.form == Form::Stream && totals.files == 0)
            && let Some(broken) = finished.take()
        {
            broken.abort().await?;
        }
        let status = match (&outcome.fatal, outcome.failed()) {
            (Some(_), _) => Status::Incomplete,
            (None, 0) => Status::Complete,
            (None, _) => Status::Partial,
        };
        let component = Component::new(spec, status, outcome, totals);
        // A second capture of one name takes the place of the first.
        let earlier = self.parts.iter().position(|(other, _)| other.spec.name == component.spec.name);
        let replaced = earlier.and_then(|at| self.parts.remove(at).1);
        self.parts.push((component.clone(), finished));
        if let Some(replaced) = replaced {
            replaced.abort().await?;
        }
        Ok(component)
    }

    async fn commit(mut self: Box<Self>) -> Result<Committed> {
        let (name, date) = self
            .name
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "an archive of no component was to be written"))?;
        let summary = self.summary(&name);
        let mut stats = PushStats::default();
        let (mut parts, mut shown) = (Vec::new(), Vec::new());
        let published = async {
            for (component, finished) in std::mem::take(&mut self.parts) {
                stats.files_new += component.totals.files;
                stats.bytes_read += finished.as_ref().map_or(0, |finished| finished.read_bytes);
                let content = match finished {
                    Some(finished) => {
                        stats.bytes_added += finished.content.archive.plain.bytes;
                        stats.bytes_stored +=
                            finished.content.archive.stored.bytes + finished.content.index.stored.bytes;
                        Some(finished.publish(&mut shown).await?)
                    }
                    None => None,
                };
                parts.push(Part::new(&component, content)?);
            }
            let manifest = Bytes::from(Manifest::new(&summary, date, parts)?.to_bytes()?);
            stats.bytes_stored += manifest.len() as u64;
            Ok(manifest)
        };
        let manifest = match published.await {
            Ok(manifest) => manifest,
            Err(error) => {
                // Without a manifest they are no archive. What cannot be removed `check` names.
                let _ = self.storage.delete(&shown).await;
                return Err(error);
            }
        };
        show(&*self.storage, &name, manifest, &shown).await?;
        Ok(Committed::new(summary, stats))
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        for finished in std::mem::take(&mut self.parts).into_iter().filter_map(|(_, finished)| finished) {
            finished.abort().await?;
        }
        Ok(())
    }
}

impl Finished {
    /// Shows the objects; their keys go to `shown`.
    async fn publish(self, shown: &mut Vec<Key>) -> Result<crate::manifest::Content> {
        // What has an index is seen by `check`, and its name is taken.
        for ready in [self.index, self.archive] {
            let key = ready.key.clone();
            ready.publish().await?;
            shown.push(key);
        }
        Ok(self.content)
    }

    async fn abort(self) -> Result<()> {
        let archive = self.archive.abort().await;
        self.index.abort().await.and(archive)
    }
}
