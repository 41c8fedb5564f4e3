use super::batch::{Arrivals, Fetched, GivenUp};
use super::content::{describe, now_ns, read_chunks};
use super::engine::Shared;
use super::hands::Hands;
use super::job::{Job, groups};
use super::listings::Listings;
use super::scan::{Record, ScanWriter};
use super::tree::{Item, Message, Planned, Tree, TreeThread};
use crate::format::ids::{Kind, SessionId};
use crate::meta::{Body, Reference};
use async_trait::async_trait;
use backup_core::{Batch, ComponentSpec, Contents, Error, ErrorKind, FileOpener, Ingest, Reader, Result, Wanted};
use bytes::{Buf, Bytes};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};

/// Batches between the comparison and the tree.
const BATCHES_AHEAD: usize = 3;
/// Buffers of a stream under way, of 256 KiB each.
const STREAM_AHEAD: usize = 4;
const STREAM_BUFFER: usize = 256 << 10;

/// One component being written.
pub(crate) struct RepositoryIngest {
    pub(crate) spec: ComponentSpec,
    shared: Arc<Shared>,
    contents: Arc<EngineContents>,
    /// Moved to a blocking thread while a batch is compared.
    merge: Option<Merge>,
    tree: oneshot::Receiver<Result<Tree>>,
}

impl RepositoryIngest {
    /// `listing` is where the previous listing may be and that of `session` will be kept; of one with the tag `vouched`
    /// every chunk is known to be there.
    pub(crate) fn start(
        shared: Arc<Shared>,
        spec: ComponentSpec,
        listing: Option<&Path>,
        session: SessionId,
        vouched: Option<[u8; 16]>,
    ) -> Result<Self> {
        let previous = listing.map(|path| Listings::open(path, vouched)).unwrap_or_default();
        let scan = listing.and_then(|path| match ScanWriter::create(path, session, previous.prefixes()) {
            Ok(writer) => Some(writer),
            Err(error) => {
                shared.cannot_remember(&error);
                None
            }
        });
        let (batches, received) = mpsc::channel(BATCHES_AHEAD);
        let tree = shared.spawn("push-tree", move |shared| match TreeThread::new(shared, scan).run(received) {
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(Err(error)),
            // With it blocks may be lost that others go by.
            tree => tree.map(Ok),
        })?;
        let merge = Merge { shared: shared.clone(), previous, pending: None, last_path: None };
        let open = Mutex::new(Some(Open { batches, current: None }));
        let contents = Arc::new(EngineContents { shared: shared.clone(), given_up: GivenUp::default(), open });
        Ok(RepositoryIngest { spec, shared, contents, merge: Some(merge), tree })
    }

    /// What gives it up.
    pub(crate) fn handle(&self) -> Weak<EngineContents> {
        Arc::downgrade(&self.contents)
    }

    /// All batches came: the finished tree. Without `keeps_listing` what was listed is kept as that of an interrupted push.
    pub(crate) async fn finish(mut self, keeps_listing: bool) -> Result<Tree> {
        self.contents.close();
        let sent = self.contents.batches()?.send(Message::End { keeps_listing }).await;
        let result = (&mut self.tree)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the metadata thread vanished")));
        // What failed first is the reason for what failed later.
        self.shared.failure.check()?;
        if sent.is_err() && result.is_ok() {
            return Err(Error::new(ErrorKind::Internal, "the metadata thread ended early"));
        }
        result
    }

    /// The reason why the tree thread took no more.
    async fn lost(&mut self) -> Error {
        let ended = (&mut self.tree).await;
        if let Err(error) = self.shared.failure.check() {
            return error;
        }
        match ended {
            Ok(Err(error)) => error,
            _ => Error::new(ErrorKind::Internal, "the metadata thread ended early"),
        }
    }
}

#[async_trait]
impl Ingest for RepositoryIngest {
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        self.shared.failure.check()?;
        self.contents.close();
        let gone = || Error::new(ErrorKind::Internal, "an earlier comparison of listings panicked");
        let mut merge = self.merge.take().ok_or_else(gone)?;
        let (merge, compared) = tokio::task::spawn_blocking(move || {
            let compared = merge.compare(&batch).map(|(items, wanted)| (batch, items, wanted));
            (merge, compared)
        })
        .await
        .map_err(|e| Error::new(ErrorKind::Internal, "comparing listings panicked: please report").source(e))?;
        self.merge = Some(merge);
        let (batch, items, wanted) = compared?;
        let arrivals = Arc::new(Arrivals::new(batch.clone(), &wanted, self.contents.given_up.clone()));
        let batches = self.contents.set(arrivals.clone())?;
        if batches.send(Message::Batch(Planned { batch, items, arrivals })).await.is_err() {
            return Err(self.lost().await);
        }
        Ok(wanted)
    }

    fn contents(&self) -> &dyn Contents {
        &*self.contents
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

impl Drop for RepositoryIngest {
    fn drop(&mut self) {
        self.contents.give_up();
    }
}

/// Compares batches with the previous listing: two sorted streams.
struct Merge {
    shared: Arc<Shared>,
    previous: Listings,
    /// The record read last, not yet passed.
    pending: Option<(Record, bool)>,
    last_path: Option<Vec<u8>>,
}

impl Merge {
    fn compare(&mut self, batch: &Batch) -> Result<(Vec<Item>, Wanted)> {
        let stats = &self.shared.stats;
        let mut items = Vec::with_capacity(batch.entries.len());
        let mut wanted = Wanted::default();
        for (number, entry) in batch.numbered() {
            let path = entry.path.as_encoded();
            if self.last_path.as_deref().is_some_and(|last| last >= path) {
                return Err(Error::new(ErrorKind::InvalidInput, "a source listed its entries out of order")
                    .context("path", &entry.path));
            }
            let last = self.last_path.get_or_insert_default();
            last.clear();
            last.extend_from_slice(path);
            let previous = seek(&mut self.previous, &mut self.pending, path);
            if !entry.has_content() {
                items.push(Item::Listed);
                continue;
            }
            let known = previous.is_some();
            let same = |record: &Record| entry.fingerprint.is_some_and(|now| record.token == Some(now.token));
            match previous {
                Some((record, is_vouched)) if same(&record) && (is_vouched || self.is_whole(&record)?) => {
                    stats.files_unchanged.fetch_add(1, Ordering::Relaxed);
                    items.push(Item::Reused(record));
                }
                _ => {
                    let counter = if known { &stats.files_changed } else { &stats.files_new };
                    counter.fetch_add(1, Ordering::Relaxed);
                    items.push(Item::Wanted);
                    wanted.0.push(number);
                }
            }
        }
        Ok((items, wanted))
    }

    /// Whether every chunk of a record is still stored.
    fn is_whole(&self, record: &Record) -> Result<bool> {
        let known = &self.shared.known;
        let mut whole = true;
        Body::parse(&record.body)?.references(|reference| {
            whole = whole
                && match reference {
                    Reference::Chunk(id) => known.is_present(Kind::Data, &id),
                    Reference::Block { id, .. } | Reference::List { id, .. } => known.is_present(Kind::Metadata, &id),
                };
        })?;
        // Of a long content these are its chunks and its list blocks: each is of one kind or the other.
        let present = |id| known.is_present(Kind::Data, id) || known.is_present(Kind::Metadata, id);
        Ok(whole && record.refs.iter().all(present))
    }
}

/// The previous record of exactly this path, having passed all before it, and whether its chunks are known to be there.
fn seek(previous: &mut Listings, pending: &mut Option<(Record, bool)>, path: &[u8]) -> Option<(Record, bool)> {
    loop {
        let record = pending.take().or_else(|| previous.next())?;
        match record.0.path.as_slice().cmp(path) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Some(record),
            std::cmp::Ordering::Greater => {
                *pending = Some(record);
                return None;
            }
        }
    }
}

/// The engine's side of [`Contents`].
pub(crate) struct EngineContents {
    shared: Arc<Shared>,
    given_up: GivenUp,
    /// None once it was given up.
    open: Mutex<Option<Open>>,
}

struct Open {
    /// To the tree.
    batches: mpsc::Sender<Message>,
    current: Option<Arc<Arrivals>>,
}

impl EngineContents {
    fn with_open<T>(&self, act: impl FnOnce(&mut Open) -> T) -> Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_mut().map(act).ok_or_else(|| Error::new(ErrorKind::Cancelled, "the component was given up"))
    }

    fn batches(&self) -> Result<mpsc::Sender<Message>> {
        self.with_open(|open| open.batches.clone())
    }

    /// Gives the way to the tree.
    fn set(&self, arrivals: Arc<Arrivals>) -> Result<mpsc::Sender<Message>> {
        self.with_open(|open| {
            open.current = Some(arrivals);
            open.batches.clone()
        })
    }

    fn current(&self) -> Result<Arc<Arrivals>> {
        let current = self.with_open(|open| open.current.clone())?;
        current.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "content was sent before any batch was listed"))
    }

    /// The source has moved on: what it left unanswered has failed.
    fn close(&self) {
        if let Ok(Some(arrivals)) = self.with_open(|open| open.current.take()) {
            arrivals.close();
        }
    }

    /// Nothing more is read, waited for, or listed. After a component's end it does nothing.
    pub(crate) fn give_up(&self) {
        self.given_up.set();
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(arrivals) = open.and_then(|open| open.current) {
            arrivals.close();
        }
    }
}

fn accept(arrivals: &Arrivals, number: u64) -> Result<()> {
    if arrivals.accept(number) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput, "content was sent for an entry that is not wanted, or twice")
        .context("entry", number))
}

#[async_trait]
impl Contents for EngineContents {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        let arrivals = self.current()?;
        for group in groups(&arrivals, entries) {
            let permit = self.shared.jobs.clone().acquire_owned().await;
            let permit = permit.map_err(|e| Error::new(ErrorKind::Cancelled, "the push ended").source(e))?;
            self.shared.failure.check()?;
            for (place, number) in group.iter().enumerate() {
                if let Err(error) = accept(&arrivals, *number) {
                    let failed = || Fetched::Failed("the source failed".into());
                    group.iter().take(place).for_each(|number| arrivals.finish(*number, failed()));
                    return Err(error);
                }
            }
            self.shared.queue.push(Job {
                arrivals: arrivals.clone(),
                opener: opener.clone(),
                entries: group,
                _permit: permit,
            });
        }
        Ok(())
    }

    async fn stream(&self, entry: u64, content: Reader) -> Result<u64> {
        let arrivals = self.current()?;
        accept(&arrivals, entry)?;
        let _answered = Answered { arrivals: &arrivals, entry };
        let (buffers, received) = mpsc::channel(STREAM_AHEAD);
        let for_thread = arrivals.clone();
        let done = self.shared.spawn("push-stream", move |shared| consume(shared, &for_thread, entry, received))?;
        let pumped = pump(content, buffers).await;
        let consumed = done.await;
        self.shared.failure.check()?;
        let ended = match (pumped, consumed) {
            (Err(error), _) | (Ok(_), Ok(Err(error))) => Err(error),
            (Ok(Some(bytes)), Ok(Ok(()))) => Ok(bytes),
            (Ok(None), _) | (_, Err(_)) => Err(Error::new(ErrorKind::Internal, "a stream ended early")),
        };
        if let Err(error) = &ended {
            arrivals.finish(entry, Fetched::Failed(error.full_message()));
        }
        ended
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        let arrivals = self.current()?;
        accept(&arrivals, entry)?;
        arrivals.finish(entry, Fetched::Failed(reason));
        Ok(())
    }
}

/// Moves a stream into buffers; none when the other side took no more.
async fn pump(mut content: Reader, buffers: mpsc::Sender<Result<Bytes>>) -> Result<Option<u64>> {
    let mut total = 0;
    loop {
        let mut buffer = bytes::BytesMut::with_capacity(STREAM_BUFFER);
        // Full buffers, whatever the pipe's size: fewer hand-overs.
        while buffer.len() < STREAM_BUFFER {
            match content.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    let error = Error::io("cannot read a stream", error);
                    let told = Error::new(error.kind(), "the stream failed");
                    // The receiver must not take a broken stream for a finished one.
                    let _ = buffers.send(Err(told)).await;
                    return Err(error);
                }
            }
        }
        total += buffer.len() as u64;
        let at_end = buffer.is_empty();
        if buffers.send(Ok(buffer.freeze())).await.is_err() {
            return Ok(None);
        }
        if at_end {
            return Ok(Some(total));
        }
    }
}

/// Whatever becomes of a stream, its entry is answered.
struct Answered<'a> {
    arrivals: &'a Arrivals,
    entry: u64,
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.arrivals.finish(self.entry, Fetched::Failed("the source did not deliver it".into()));
    }
}

/// A stream's own thread: cuts and stores it to its end, which is an empty buffer. Gives what the stream failed with.
///
/// # Errors
/// What ends the whole push.
fn consume(
    shared: &Shared,
    arrivals: &Arrivals,
    number: u64,
    mut buffers: mpsc::Receiver<Result<Bytes>>,
) -> Result<Result<()>> {
    let started = now_ns();
    let mut hands = Hands::new(shared)?;
    let mut current = Bytes::new();
    let (mut at_end, mut is_broken) = (false, false);
    let read = read_chunks(&mut hands, None, &mut |to| {
        if current.is_empty() && !at_end {
            let given_up = || Error::new(ErrorKind::Cancelled, "the stream was given up");
            let next = if shared.failure.is_set() { None } else { buffers.blocking_recv() };
            current = next.ok_or_else(given_up).flatten().inspect_err(|_| is_broken = true)?;
            at_end = current.is_empty();
        }
        let n = to.len().min(current.len());
        current.copy_to_slice(to.get_mut(..n).unwrap_or_default());
        shared.stats.bytes_read.fetch_add(n as u64, Ordering::Relaxed);
        shared.observer.event(backup_core::Event::Progress { files: 0, bytes: n as u64 });
        Ok(n)
    });
    if read.is_ok() || is_broken {
        // Also of a stream that broke: what it has claimed is taken for stored by all others.
        hands.flush()?;
    }
    let (chunks, bytes) = match read {
        Err(error) if is_broken => return Ok(Err(error)),
        read => read?,
    };
    let (content, refs) = describe(&hands, &chunks)?;
    let Some(listed) = arrivals.batch.get(number) else { return Ok(Ok(())) };
    let mut entry = Box::new(listed.clone());
    entry.size_bytes = Some(bytes + entry.holes.iter().map(|h| h.length).sum::<u64>());
    let settled = entry.fingerprint.is_some_and(|f| f.changed_ns <= started);
    shared.observer.event(backup_core::Event::Progress { files: 1, bytes: 0 });
    arrivals.finish(number, Fetched::Read { entry, content, refs, settled });
    Ok(Ok(()))
}
