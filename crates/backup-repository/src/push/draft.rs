use super::chunker::Chunker;
use super::engine::{Counters, Engine, Shared};
use super::ingest::{EngineContents, RepositoryIngest};
use super::known::Known;
use super::lineage::Lineage;
use super::metadata::MetadataStore;
use super::queue::Queue;
use super::rows::Publisher;
use super::tree::Tree;
use super::trust::Trust;
use crate::format::ids::Kind;
use crate::format::snapshot::{Head, StoredComponent, snapshot_key, to_ms, write_payload};
use crate::index::IndexSet;
use crate::locate::{load, open_cache};
use crate::pack::{PackWriter, PackWriterOptions};
use crate::repository::Inner;
use crate::session::LiveSession;
use async_trait::async_trait;
use backup_core::{
    Committed, Component, ComponentSpec, Draft, Error, ErrorKind, Ingest, Observer, Outcome, PushStats, Result, Spec,
    Status, Totals,
};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Instant, SystemTime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// A push into a repository.
pub(crate) struct RepositoryDraft {
    inner: Arc<Inner>,
    session: Arc<LiveSession>,
    spec: Spec,
    started: SystemTime,
    clock: Instant,
    pub(super) engine: Engine,
    publisher: Arc<tokio::sync::Mutex<Publisher>>,
    checkpoints: Checkpoints,
    /// Components that may not have ended.
    begun: Vec<Weak<EngineContents>>,
    components: Vec<StoredComponent>,
    trust: Trust,
    lineage: Lineage,
}

/// Starts a session and the threads that work for it.
pub(crate) async fn begin(inner: Arc<Inner>, spec: Spec, observer: Arc<dyn Observer>) -> Result<RepositoryDraft> {
    let started = spec.started.unwrap_or_else(SystemTime::now);
    let session = Arc::new(LiveSession::start(inner.clone(), &spec.name, &spec.host).await?);
    let cache = open_cache(&inner, observer.clone());
    let index = Arc::new(load(&inner, &cache, true, &|run| session.is_run_of_use(run)).await?);
    let adopted = session.adopt(index.clone()).await?;
    let series = session.id().series();
    let lineage = Lineage::find(&inner, &spec.name, &series, &*observer).await?;
    let trust = Trust::load(&inner, &series, &index, session.records());
    let shared = Arc::new(share(&inner, &session, index, observer)?);
    let mut publisher = Publisher::new(inner.clone(), session.clone(), cache);
    publisher.publish_adopted(&shared, adopted).await?;
    let publisher = Arc::new(tokio::sync::Mutex::new(publisher));
    let engine = Engine::start(shared.clone(), inner.options.thread_count())?;
    let checkpoints = Checkpoints::start(shared, publisher.clone());
    Ok(RepositoryDraft {
        session,
        spec,
        started,
        clock: Instant::now(),
        engine,
        publisher,
        checkpoints,
        begun: Vec::new(),
        components: Vec::new(),
        trust,
        lineage,
        inner,
    })
}

fn share(
    inner: &Arc<Inner>,
    session: &Arc<LiveSession>,
    index: Arc<IndexSet>,
    observer: Arc<dyn Observer>,
) -> Result<Shared> {
    let threads = inner.options.thread_count();
    let stats = Counters::default();
    let packs =
        |kind| PackWriter::new(kind, PackWriterOptions::new(inner, session.clone(), stats.bytes_stored.clone()));
    let (data, metadata) = (packs(Kind::Data), packs(Kind::Metadata));
    let known = Arc::new(Known::new(index, session.condemned().clone()));
    Ok(Shared {
        level: inner.options.level,
        run_rows: inner.options.run_rows,
        keys: inner.keys.clone(),
        chunker: Chunker::new(inner.config.chunks, inner.keys.seed),
        known: known.clone(),
        queue: Queue::new(2 * threads),
        data,
        metadata: MetadataStore::new(inner.keys.clone(), known, metadata, inner.options.level)?,
        failure: session.failure(),
        stats,
        observer,
        jobs: Arc::new(Semaphore::new(32 * threads)),
        many_rows: Notify::new(),
        helpers: Mutex::default(),
    })
}

/// Writes a run whenever many rows wait.
struct Checkpoints {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Checkpoints {
    fn start(shared: Arc<Shared>, publisher: Arc<tokio::sync::Mutex<Publisher>>) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            loop {
                let (many, stop) = (pin!(shared.many_rows.notified()), pin!(stopped.notified()));
                if matches!(select(stop, many).await, Either::Left(_)) {
                    return;
                }
                if let Err(error) = publisher.lock().await.publish(&shared).await {
                    return shared.failure.set(error);
                }
            }
        });
        Checkpoints { stop, task }
    }

    /// No run is begun any more; one that is being written is finished, for its number is taken.
    async fn close(&mut self) -> Result<()> {
        self.stop.notify_one();
        let joined = (&mut self.task).await;
        joined.map_err(|e| Error::new(ErrorKind::Internal, "writing an index run panicked: please report").source(e))
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

#[async_trait]
impl Draft for RepositoryDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        let listing = self.trust.listing(&component.name);
        let ingest = RepositoryIngest::start(
            self.engine.shared.clone(),
            component,
            listing.as_deref(),
            self.session.id(),
            self.trust.vouched(),
        )?;
        self.begun.push(ingest.handle());
        Ok(Box::new(ingest))
    }

    async fn accept(&mut self, ingest: Box<dyn Ingest>, mut outcome: Outcome) -> Result<Component> {
        let foreign = |_| Error::new(ErrorKind::InvalidInput, "this component belongs to another destination");
        let ingest = ingest.into_any().downcast::<RepositoryIngest>().map_err(foreign)?;
        let spec = ingest.spec.clone();
        let mut tree = ingest.finish(outcome.fatal.is_none()).await?;
        if outcome.fatal.is_some() {
            // Half a capture is no component: nothing of it may be taken for data.
            tree = Tree::default();
        }
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
        self.settle().await?;
        shared.failure.check()?;
        let mut publisher = self.publisher.lock().await;
        publisher.publish(&shared).await?;

        let key = snapshot_key(&self.session.id())?;
        let stats = self.engine.counts();
        let head = self.head(&stats);
        let payload = write_payload(&key, &self.inner.keys.index, self.inner.recipient(), &head, &self.components)?;
        self.session.commit(&payload).await?;
        // The snapshot stands: what follows only makes later work easier.
        if let Err(error) = self.session.end().await {
            shared.observer.event(backup_core::Event::Warning(error.full_message()));
        }
        self.trust.save(self.session.id().0, &shared.known.index());
        self.lineage.remember(&self.inner, self.session.id());
        Ok(Committed::new(head.summary(self.session.id())?, stats))
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let shared = self.engine.shared.clone();
        self.settle().await?;
        // What is stored already stands in a run, so that the next push need not send it again.
        let published = self.publisher.lock().await.publish(&shared).await;
        let ended = match published {
            Ok(()) => self.session.give_up().await,
            Err(error) => Err(error),
        };
        // After a failure, which was told, this is a try: the next push of this machine ends what is left open.
        if shared.failure.is_set() { Ok(()) } else { ended }
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
    /// Gives up what was begun and not accepted, and waits until every thread has ended.
    async fn settle(&mut self) -> Result<()> {
        self.begun.drain(..).filter_map(|contents| contents.upgrade()).for_each(|contents| contents.give_up());
        self.checkpoints.close().await?;
        self.engine.close().await
    }

    fn head(&self, stats: &PushStats) -> Head {
        let mut totals = Totals::default();
        let mut status = Status::Complete;
        for stored in &self.components {
            totals += stored.component.totals;
            let own = stored.component.status;
            // What is not required leaves a gap, not an unusable whole.
            let counted =
                if own == Status::Incomplete && !stored.component.spec.required { Status::Partial } else { own };
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
            sequence: self.lineage.sequence,
            previous: self.lineage.previous.map(|id| id.to_string()),
            needs: Vec::new(),
            requires: Vec::new(),
        }
    }
}
