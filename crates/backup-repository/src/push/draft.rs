use super::chunker::Chunker;
use super::engine::{Counters, Engine, Shared};
use super::failure::Failure;
use super::hands::SEGMENT_LEN;
use super::ingest::RepositoryIngest;
use super::known::Known;
use super::metadata::MetadataStore;
use super::queue::Queue;
use super::rows::Publisher;
use super::trust::Trust;
use crate::crypto::random;
use crate::format::ids::{Kind, SessionId};
use crate::format::record::{self, RecordKind, seal_json};
use crate::format::snapshot::{Head, StoredComponent, snapshot_key, to_ms, write_payload};
use crate::index::IndexSet;
use crate::locate::{load, open_cache};
use crate::pack::{PackWriter, PackWriterOptions};
use crate::repository::Inner;
use async_trait::async_trait;
use backup_core::{
    Committed, Component, ComponentSpec, Draft, Error, ErrorKind, Ingest, Key, Observer, Outcome, PushStats, Result, Spec,
    Status, StorageExt, Totals,
};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

#[derive(Serialize)]
struct SessionStart<'a> {
    name: &'a str,
    host: &'a str,
    domain: u32,
    started: i64,
}

#[derive(Serialize)]
struct SessionEnd {
    ended: i64,
}

/// A push into a repository.
pub(crate) struct RepositoryDraft {
    inner: Arc<Inner>,
    session: SessionId,
    spec: Spec,
    started: SystemTime,
    clock: Instant,
    engine: Engine,
    publisher: Arc<tokio::sync::Mutex<Publisher>>,
    /// Writes a run whenever many rows wait.
    checkpoints: JoinHandle<()>,
    components: Vec<StoredComponent>,
    trust: Trust,
    sequence: u64,
    previous: Option<SessionId>,
}

/// Starts a session: its start record stands before anything else of it.
pub(crate) async fn begin(inner: Arc<Inner>, spec: Spec, observer: Arc<dyn Observer>) -> Result<RepositoryDraft> {
    let started = spec.started.unwrap_or_else(SystemTime::now);
    let session = new_session(&inner, &spec.name)?;
    let start = SessionStart { name: &spec.name, host: &spec.host, domain: inner.domain, started: to_ms(started) };
    put_record(&inner, RecordKind::SessionStart, &Key::new(format!("sessions/{session}/0"))?, &start).await?;

    let cache = open_cache(&inner, observer.clone());
    let index = Arc::new(load(&inner, &cache, true).await?);
    let series = session.series();
    let own: Vec<SessionId> = inner.snapshot_ids().await?.into_iter().filter(|id| id.series() == series).collect();
    let trust = Trust::load(&inner, &series, &index);
    let shared = Arc::new(share(&inner, session, index.clone(), observer)?);
    let threads = inner.options.thread_count();
    let engine = Engine::start(shared.clone(), threads)?;
    let publisher = Arc::new(tokio::sync::Mutex::new(Publisher::new(inner.clone(), session, cache)));
    let checkpoints = tokio::spawn(checkpoints(shared, publisher.clone()));
    Ok(RepositoryDraft {
        session,
        spec,
        started,
        clock: Instant::now(),
        engine,
        publisher,
        checkpoints,
        components: Vec::new(),
        trust,
        sequence: own.len() as u64 + 1,
        previous: own.last().copied(),
        inner,
    })
}

fn new_session(inner: &Inner, name: &str) -> Result<SessionId> {
    let now = u64::try_from(to_ms(SystemTime::now())).unwrap_or(0).to_be_bytes();
    let parts: [&[u8]; 3] = [now.get(2..).unwrap_or_default(), &inner.series(name)?, &random::<6>()?];
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    Ok(SessionId(id))
}

async fn put_record<T: Serialize>(inner: &Inner, kind: RecordKind, key: &Key, value: &T) -> Result<()> {
    let payload = seal_json(&inner.keys.index, key, value)?;
    let record = record::write(kind, &inner.config.repository, key.as_str(), &inner.signing, &payload)?;
    inner.storage.create(key, record).await?;
    Ok(())
}

fn share(inner: &Arc<Inner>, session: SessionId, index: Arc<IndexSet>, observer: Arc<dyn Observer>) -> Result<Shared> {
    let threads = inner.options.thread_count();
    let stats = Counters::default();
    let next_number = Arc::new(AtomicU32::new(0));
    let packs = |kind| {
        let options = PackWriterOptions {
            storage: inner.storage.clone(),
            runtime: tokio::runtime::Handle::current(),
            repository: inner.config.repository,
            session,
            domain: inner.domain,
            identity: inner.identity_number(),
            recipient: inner.config.recipient.clone(),
            index_key: inner.keys.index.clone(),
            pack_len: inner.options.pack_bytes,
            next_number: next_number.clone(),
            stored_bytes: stats.bytes_stored.clone(),
        };
        PackWriter::new(kind, options)
    };
    let (data, metadata) = (packs(Kind::Data), packs(Kind::Metadata));
    let known = Arc::new(Known::new(index, HashSet::new()));
    Ok(Shared {
        level: inner.options.level,
        keys: inner.keys.clone(),
        chunker: Chunker::new(inner.config.chunks, inner.keys.seed),
        known: known.clone(),
        queue: Queue::new(2 * threads),
        data,
        metadata: MetadataStore::new(inner.keys.clone(), known, metadata, inner.options.level)?,
        failure: Failure::default(),
        stats,
        observer,
        jobs: Arc::new(Semaphore::new(32 * threads)),
        many_rows: Notify::new(),
        spare: Mutex::new(Vec::with_capacity(SEGMENT_LEN / (256 << 10) * threads)),
    })
}

async fn checkpoints(shared: Arc<Shared>, publisher: Arc<tokio::sync::Mutex<Publisher>>) {
    loop {
        shared.many_rows.notified().await;
        if let Err(error) = publisher.lock().await.publish(&shared).await {
            shared.failure.set(error);
            return;
        }
    }
}

#[async_trait]
impl Draft for RepositoryDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        let listing = self.trust.listing(&component.name);
        let ingest =
            RepositoryIngest::start(self.engine.shared.clone(), component, listing.as_deref(), self.session.0, self.trust.vouched())?;
        Ok(Box::new(ingest))
    }

    async fn accept(&mut self, ingest: Box<dyn Ingest>, mut outcome: Outcome) -> Result<Component> {
        let foreign = |_| Error::new(ErrorKind::InvalidInput, "this component belongs to another destination");
        let ingest = ingest.into_any().downcast::<RepositoryIngest>().map_err(foreign)?;
        let spec = ingest.spec.clone();
        let tree = ingest.finish().await?;
        for failure in tree.failures {
            outcome.fail(failure.path, failure.reason);
        }
        let status = match (&outcome.fatal, outcome.failed()) {
            (Some(_), _) => Status::Incomplete,
            (None, 0) => Status::Complete,
            (None, _) => Status::Partial,
        };
        let component = Component::new(spec, status, outcome, tree.totals);
        self.components.retain(|c| c.component.spec.name != component.spec.name);
        self.components.push(StoredComponent { component: component.clone(), tree: tree.root });
        Ok(component)
    }

    async fn commit(mut self: Box<Self>) -> Result<Committed> {
        let shared = self.engine.shared.clone();
        self.checkpoints.abort();
        let threads = self.engine.close();
        // Panics inside them were caught and recorded.
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await;
        joined.map_err(|e| Error::new(ErrorKind::Internal, "the engine panicked: please report").source(e))?;
        shared.failure.check()?;
        let mut publisher = self.publisher.lock().await;
        publisher.publish(&shared).await?;

        let key = snapshot_key(&self.session)?;
        let stats = self.engine.counts();
        let head = self.head(&stats);
        let payload = write_payload(&key, &self.inner.keys.index, &self.inner.config.recipient, &head, &self.components)?;
        let record =
            record::write(RecordKind::Snapshot, &self.inner.config.repository, key.as_str(), &self.inner.signing, &payload)?;
        self.inner.storage.create(&key, record).await.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new(ErrorKind::Fenced, "this session was ended by somebody else: push again").source(error),
            _ => error,
        })?;
        // The snapshot stands: what follows only makes later work easier.
        let end = SessionEnd { ended: to_ms(SystemTime::now()) };
        let end_key = Key::new(format!("sessions/{}/end", self.session))?;
        if let Err(error) = put_record(&self.inner, RecordKind::SessionEnd, &end_key, &end).await {
            shared.observer.event(backup_core::Event::Warning(super::content::chain(&error)));
        }
        self.trust.save(self.session.0, &shared.known.index());
        Ok(Committed::new(head.summary(self.session)?, stats))
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.checkpoints.abort();
        let end = SessionEnd { ended: to_ms(SystemTime::now()) };
        drop(self.engine);
        put_record(&self.inner, RecordKind::SessionEnd, &Key::new(format!("sessions/{}/end", self.session))?, &end).await
    }
}

impl Engine {
    fn counts(&self) -> PushStats {
        let stats = &self.shared.stats;
        PushStats {
            files_new: stats.files_new.load(Ordering::Relaxed),
            files_changed: stats.files_changed.load(Ordering::Relaxed),
            files_unchanged: stats.files_unchanged.load(Ordering::Relaxed),
            bytes_read: stats.bytes_read.load(Ordering::Relaxed),
            bytes_added: stats.bytes_added.load(Ordering::Relaxed),
            bytes_stored: stats.bytes_stored.load(Ordering::Relaxed),
        }
    }
}

impl RepositoryDraft {
    fn head(&self, stats: &PushStats) -> Head {
        let mut totals = Totals::default();
        let mut status = Status::Complete;
        for stored in &self.components {
            totals += stored.component.totals;
            let own = stored.component.status;
            // What is not required leaves a gap, not an unusable whole.
            let counted = if own == Status::Incomplete && !stored.component.spec.required { Status::Partial } else { own };
            status = status.and(counted);
        }
        Head {
            name: self.spec.name.clone(),
            host: self.spec.host.clone(),
            time: to_ms(self.started),
            duration_ms: u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            status: status.as_str().into(),
            tags: self.spec.tags.clone(),
            components: self.components.iter().map(|c| c.component.spec.name.clone()).collect(),
            entries: totals.entries,
            files: totals.files,
            size_bytes: totals.size_bytes,
            stored_bytes: stats.bytes_stored,
            domain: self.inner.domain,
            sequence: self.sequence,
            previous: self.previous.map(|id| id.to_string()),
            requires: Vec::new(),
        }
    }
}
