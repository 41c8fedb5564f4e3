use crate::folder::{ArchiveFolder, held_archive, manifest_key};
use crate::manifest::{Manifest, SUFFIX, Stored};
use crate::names::{extension_of, objects_of, owner};
use crate::pull::ArchiveBackup;
use async_trait::async_trait;
use backup_core::{
    Backup, BackupId, Catalogue, CheckOptions, Error, ErrorKind, Event, Finding, Key, ObjectMeta, Observer, ReadData,
    Report, Result, StorageExt, Summary,
};
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::AsyncReadExt;

/// Manifests that are read at once.
const AT_ONCE: usize = 16;
const PART_BYTES: usize = 1 << 20;

#[async_trait]
impl Catalogue for ArchiveFolder {
    async fn list(&self) -> Result<Vec<Summary>> {
        let (objects, manifests) = self.manifests().await?;
        let held: BTreeSet<&str> = objects.keys().filter_map(held_archive).collect();
        let mut summaries = Vec::new();
        for (id, manifest) in &manifests {
            // `check` names those that cannot be read.
            let Ok(Ok(mut summary)) = manifest.as_ref().map(Manifest::summary) else { continue };
            summary.held = held.contains(id.0.as_str());
            summary.received = objects.get(&manifest_key(id)?).map(|meta| meta.modified);
            summaries.push(summary);
        }
        summaries.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(summaries)
    }

    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>> {
        let manifest = self.manifest(id).await?;
        let is_held = self.is_held(id).await?;
        Ok(Box::new(ArchiveBackup::new(self.storage.clone(), &manifest, self.keys.clone())?.with_held(is_held)))
    }

    async fn forget(&self, id: &BackupId) -> Result<()> {
        if self.is_held(id).await? {
            return Err(
                Error::new(ErrorKind::AccessDenied, "the archive is held: release it first").context("archive", id)
            );
        }
        let objects = match self.manifest(id).await {
            Ok(manifest) => objects_of(&manifest).map(|stored| Key::new(&stored.object)).collect::<Result<Vec<_>>>()?,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => {
                let left = self.leftovers(id).await?;
                if left.is_empty() {
                    return Err(error);
                }
                left
            }
            Err(error) => return Err(error),
        };
        // First what makes it an archive: whatever is left of it then is an incomplete one.
        self.storage.delete(&[manifest_key(id)?]).await?;
        self.storage.delete(&objects).await
    }

    async fn check(&self, options: CheckOptions, observer: Arc<dyn Observer>) -> Result<Report> {
        let (objects, manifests) = self.manifests().await?;
        let mut report = Report::default();
        let mut find = |object: &str, problem: String, affects: &[BackupId]| {
            report.findings.push(Finding { object: object.to_owned(), problem, affects: affects.to_vec() });
        };
        let known: BTreeSet<&str> =
            manifests.values().flatten().flat_map(objects_of).map(|stored| stored.object.as_str()).collect();
        for key in objects.keys().filter(|key| is_index(key) && !known.contains(key.as_str())) {
            let name = owner(key).unwrap_or_default();
            if !manifests.contains_key(&BackupId(name.to_owned())) {
                find(name, "an incomplete archive: it has no manifest; forget it".to_owned(), &[]);
            }
        }
        let (mut count, mut read) = (0, 0);
        for (number, (id, manifest)) in (0u32..).zip(&manifests) {
            let affects = [id.clone()];
            let manifest = match manifest {
                Ok(manifest) => manifest,
                Err(error) => {
                    find(manifest_key(id)?.as_str(), error.full_message(), &affects);
                    continue;
                }
            };
            for stored in objects_of(manifest) {
                count += 1;
                let told = objects.get(&Key::new(&stored.object)?).map(|meta| meta.size_bytes);
                match told {
                    None => find(&stored.object, "it is missing".to_owned(), &affects),
                    Some(bytes) if bytes != stored.stored.bytes => {
                        let problem = format!("it has {bytes} bytes instead of {}", stored.stored.bytes);
                        find(&stored.object, problem, &affects);
                    }
                    Some(_) if is_read(options.read, number, id) => {
                        read += 1;
                        if let Err(error) = self.verify(stored, &*observer).await {
                            if error.kind() != ErrorKind::Damaged {
                                return Err(error);
                            }
                            find(&stored.object, error.full_message(), &affects);
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        report.checked.insert("archives".to_owned(), manifests.len() as u64);
        report.checked.insert("objects".to_owned(), count);
        if options.read != ReadData::None {
            report.checked.insert("objects read".to_owned(), read);
        }
        Ok(report)
    }
}

/// Objects by key.
type Objects = BTreeMap<Key, ObjectMeta>;

impl ArchiveFolder {
    /// Everything in the folder, and every manifest or why it cannot be read.
    async fn manifests(&self) -> Result<(Objects, BTreeMap<BackupId, Result<Manifest>>)> {
        let objects: Objects = self.storage.list_all("").await?.into_iter().collect();
        let ids: Vec<BackupId> = objects
            .keys()
            .filter_map(|key| key.as_str().strip_suffix(SUFFIX))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(|name| BackupId(name.to_owned()))
            .collect();
        let mut read = stream::iter(ids)
            .map(async |id| {
                let manifest = self.manifest(&id).await;
                (id, manifest)
            })
            .buffer_unordered(AT_ONCE);
        let mut manifests = BTreeMap::new();
        while let Some((id, manifest)) = read.next().await {
            match manifest {
                // It went meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Cancelled) => {
                    return Err(error);
                }
                // Somebody else's.
                Err(_) if !objects.keys().any(|key| key.as_str().starts_with(&format!("{id}.index.zst"))) => {}
                manifest => drop(manifests.insert(id, manifest)),
            }
        }
        drop(read);
        Ok((objects, manifests))
    }

    /// What is left of an archive without a readable manifest: what is named as this folder names its objects, and no other
    /// archive's.
    async fn leftovers(&self, id: &BackupId) -> Result<Vec<Key>> {
        let packing = self.settings.extensions();
        let is_left = |key: &Key| {
            let Some(extension) = extension_of(key.as_str(), id) else { return false };
            let is_stream =
                extension.strip_suffix(&packing.archive).is_some_and(|name| !name.is_empty() && !name.contains('.'));
            extension == format!("index{}", packing.index)
                || extension == format!("tar{}", packing.archive)
                // Without anything behind it, it may be anybody's.
                || (is_stream && !packing.archive.is_empty())
        };
        let objects = self.storage.list_all(&format!("{id}.")).await?;
        let left: Vec<Key> = objects.into_iter().map(|(key, _)| key).filter(is_left).collect();
        Ok(if left.iter().any(is_index) { left } else { Vec::new() })
    }

    /// Reads an object whole.
    async fn verify(&self, stored: &Stored, observer: &dyn Observer) -> Result<()> {
        let key = Key::new(&stored.object)?;
        let mut reader = self.storage.get(&key, None).await?;
        let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; PART_BYTES]);
        loop {
            let got = reader
                .read(&mut buffer)
                .await
                .map_err(|e| Error::io("cannot read an object", e).context("object", &stored.object))?;
            if got == 0 {
                break;
            }
            hasher.update(buffer.get(..got).unwrap_or_default());
            observer.event(Event::Progress { files: 0, bytes: got as u64 });
        }
        if hasher.finalize().to_hex().as_str() == stored.stored.blake3 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Damaged, "its bytes are not those that were stored"))
    }
}

/// Whether this is the index of an archive, which no other has.
fn is_index(key: &Key) -> bool {
    owner(key).is_some_and(|name| key.as_str().starts_with(&format!("{name}.index.zst")))
}

/// Whether the share that is read has this archive, the `number`th.
fn is_read(read: ReadData, number: u32, id: &BackupId) -> bool {
    match read {
        ReadData::None => false,
        ReadData::All => true,
        ReadData::Part { part, of } => number % of.max(1) == part.saturating_sub(1) % of.max(1),
        ReadData::Percent(percent) => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
            let hash = blake3::hash(format!("{now}{id}").as_bytes());
            let number = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            number % 100 < u64::from(percent)
        }
    }
}
