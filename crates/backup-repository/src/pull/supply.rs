use super::blocks::Blocks;
use super::entries::Listed;
use super::plan::{Fetch, Piece, Plan, SegmentWork, Target};
use super::pool::{Ended, Job, Pool, Slot, Window};
use super::stream::stream;
use crate::fetch::Fetcher;
use crate::format::ids::{ChunkId, Kind};
use crate::index::Location;
use crate::locate::Locator;
use crate::meta::{Content, ListReader, ListStep, content_bytes};
use async_trait::async_trait;
use backup_core::{Error, ErrorKind, FileSink, Reader, Result, Spare, Supply};
use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// Uses of chunks of one batch that are planned together, some 400 bytes each.
const WINDOW: usize = 16 << 10;
/// Batches whose contents are under way, so that the threads have work while the next one is begun and planned.
const BATCHES: usize = 3;
/// Sealed bytes fetched and not yet written.
const IN_FLIGHT_BYTES: usize = 24 << 20;

/// Where pull takes contents from.
pub(crate) struct Store {
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) locator: Arc<Locator>,
    pub(crate) blocks: Arc<Blocks>,
    pub(crate) pool: Pool,
    pub(crate) in_flight: Arc<Semaphore>,
    /// For sealed bytes.
    pub(crate) spare: Spare,
}

impl Store {
    pub(crate) fn budget() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(IN_FLIGHT_BYTES))
    }
}

/// The contents of the batch given last, and those of earlier ones that are still under way.
pub(crate) struct RepositorySupply {
    store: Arc<Store>,
    current: Mutex<Option<Arc<Listed>>>,
    /// A task for each batch. They end with the supply.
    running: tokio::sync::Mutex<JoinSet<Result<()>>>,
}

impl RepositorySupply {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        RepositorySupply { store, current: Mutex::new(None), running: tokio::sync::Mutex::default() }
    }

    pub(crate) fn set(&self, listed: Listed) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(listed));
    }

    fn current(&self) -> Result<Arc<Listed>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        current.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "content was asked for before any batch was given"))
    }
}

#[async_trait]
impl Supply for RepositorySupply {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        let listed = self.current()?;
        let mut running = self.running.lock().await;
        while running.len() >= BATCHES {
            ended(&mut running).await?;
        }
        running.spawn(Run::new(self.store.clone(), listed, sink, entries).finish());
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        while !running.is_empty() {
            ended(&mut running).await?;
        }
        Ok(())
    }

    async fn stream(&self, entry: u64) -> Result<Reader> {
        stream(self.store.clone(), self.current()?, entry)
    }
}

/// Waits for any one batch.
async fn ended(running: &mut JoinSet<Result<()>>) -> Result<()> {
    match running.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(e)) => Err(Error::new(ErrorKind::Internal, "a pull panicked: please report").source(e)),
        None => Ok(()),
    }
}

/// One batch's planning and waiting.
struct Run {
    store: Arc<Store>,
    listed: Arc<Listed>,
    window: Arc<Window>,
    endings: mpsc::UnboundedReceiver<Ended>,
    plan: Plan,
    /// Copies that turned out to be damaged, or not to be where a row says. Of one place rows may say different things.
    tried: HashSet<(ChunkId, Location)>,
}

impl Run {
    fn new(store: Arc<Store>, listed: Arc<Listed>, sink: Arc<dyn FileSink>, entries: &[u64]) -> Self {
        let (ended, endings) = mpsc::unbounded_channel();
        let slots = entries.iter().map(|number| Slot {
            number: *number,
            missing: AtomicU64::new(listed.content(*number).map_or(0, Content::chunks)),
            failed: Mutex::new(None),
        });
        let window = Arc::new(Window { sink, batch: listed.batch.clone(), slots: slots.collect(), ended });
        Run { store, listed, window, endings, plan: Plan::default(), tried: HashSet::new() }
    }

    /// Brings every entry to its end.
    async fn finish(mut self) -> Result<()> {
        let (listed, window) = (self.listed.clone(), self.window.clone());
        let mut empty = Vec::new();
        for (place, slot) in (0u32..).zip(&window.slots) {
            match listed.content(slot.number) {
                Some(content) if content.chunks() > 0 => {
                    let bytes = listed.batch.get(slot.number).map_or(0, content_bytes);
                    self.content(place, content, bytes).await?;
                }
                _ => empty.push(place),
            }
        }
        let finish = !empty.is_empty();
        if finish {
            self.store.pool.send(Job::Finish { window, slots: empty })?;
        }
        self.carry_out(usize::from(finish)).await
    }

    /// Plans an entry's chunks; a full plan is carried out before the next.
    async fn content(&mut self, slot: u32, content: &Content, bytes: u64) -> Result<()> {
        let mut list = ListReader::new(content, bytes)?;
        let mut offset = 0;
        let mut left = content.chunks();
        loop {
            let step = match list.next() {
                Ok(ListStep::Need(id)) => match self.store.blocks.get(&id).await.and_then(|block| list.provide(&block))
                {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                other => other,
            };
            let id = match step {
                Ok(ListStep::Id(id)) => id,
                Ok(_) => return Ok(()),
                // Without its list nothing more of the entry can be had.
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    self.give_up(slot, left, error).await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            left -= 1;
            match self.find(&id).await {
                Ok(location) => {
                    self.plan.add(id, &location, Target { slot, offset });
                    offset += u64::from(location.length);
                }
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    // Its length is unknown, so that nothing behind it can be placed.
                    self.give_up(slot, left + 1, error).await;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            if self.plan.len() >= WINDOW {
                self.carry_out(0).await?;
            }
        }
    }

    /// A copy of the chunk that has not failed yet, if need be of those that the index shows now.
    ///
    /// # Errors
    /// `Damaged` when there is none; what the storage said.
    async fn find(&mut self, id: &ChunkId) -> Result<Location> {
        match self.locate(id).await {
            Err(error) if error.kind() == ErrorKind::Damaged && self.store.locator.look_again().await? => {
                self.locate(id).await
            }
            found => found,
        }
    }

    async fn locate(&mut self, id: &ChunkId) -> Result<Location> {
        let mut copies = self.store.locator.locate(Kind::Data, id).await?;
        copies.retain(|copy| !self.tried.contains(&(*id, *copy)));
        let mut none = Error::new(ErrorKind::Damaged, "a chunk is in no pack").context("chunk", id);
        let Some(first) = copies.first().copied() else { return Err(none) };
        if copies.iter().all(|copy| copy.length == first.length) {
            return Ok(first);
        }
        // What follows in the file is placed by the length. Only one of these is true: the one of bytes that have this name.
        for copy in copies {
            match self.store.blocks.read(id, &copy).await {
                Ok(_) => return Ok(copy),
                Err(error) if error.kind() == ErrorKind::Damaged => {
                    self.tried.insert((*id, copy));
                    none = error.context("chunk", id);
                }
                Err(error) => return Err(error),
            }
        }
        Err(none)
    }

    /// Counts pieces of an entry as failed.
    async fn give_up(&self, slot: u32, pieces: u64, error: Error) {
        let window = self.window.clone();
        // Finishing an entry touches the file system.
        let given_up = tokio::task::spawn_blocking(move || {
            window.piece_done(slot, Err(error));
            (1..pieces).for_each(|_| window.piece_done(slot, Ok(())));
        });
        let _ = given_up.await;
    }

    /// Fetches and writes what is planned, and waits for it and `others`; what fails is tried from other copies.
    async fn carry_out(&mut self, others: usize) -> Result<()> {
        let mut waiting = others;
        loop {
            let fetches = std::mem::take(&mut self.plan).into_fetches();
            for fetch in fetches {
                waiting += fetch.segments.len();
                self.start(fetch).await?;
            }
            let mut failed = Vec::new();
            while waiting > 0 {
                waiting -= 1;
                match self.endings.recv().await {
                    Some(Ended::Done) => {}
                    Some(Ended::Failed { pieces, error }) => {
                        if matches!(
                            error.kind(),
                            ErrorKind::AccessDenied | ErrorKind::Unavailable | ErrorKind::Cancelled
                        ) {
                            return Err(error);
                        }
                        self.tried.extend(pieces.iter().map(|piece| (piece.id, piece.location)));
                        failed.push((pieces, error));
                    }
                    None => return Err(Error::new(ErrorKind::Internal, "the threads of the pull have ended")),
                }
            }
            if failed.is_empty() {
                return Ok(());
            }
            for (pieces, error) in failed {
                self.again(pieces, &error).await?;
            }
        }
    }

    async fn again(&mut self, pieces: Vec<Piece>, error: &Error) -> Result<()> {
        for piece in pieces {
            // By this length what follows in the file was placed.
            let other = match self.find(&piece.id).await {
                Ok(copy) => Some(copy).filter(|copy| copy.length == piece.location.length),
                Err(error) if error.kind() == ErrorKind::Damaged => None,
                Err(error) => return Err(error),
            };
            for target in piece.targets {
                match &other {
                    Some(copy) => self.plan.add(piece.id, copy, target),
                    None => {
                        let error = Error::new(ErrorKind::Damaged, "a chunk cannot be read")
                            .context("chunk", piece.id)
                            .context("because", error);
                        self.give_up(target.slot, 1, error).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Fetches neighbouring segments and passes them to the threads, as soon as there is room.
    async fn start(&self, fetch: Fetch) -> Result<()> {
        let bytes = (fetch.end - fetch.start).clamp(1, IN_FLIGHT_BYTES as u32);
        let permit = self.store.in_flight.clone().acquire_many_owned(bytes).await;
        let permit = Arc::new(permit.map_err(|e| Error::new(ErrorKind::Cancelled, "the pull ended").source(e))?);
        let (store, window) = (self.store.clone(), self.window.clone());
        tokio::spawn(async move {
            let mut fetches = vec![fetch];
            while let Some(fetch) = fetches.pop() {
                match store.fetcher.range(&fetch.pack, fetch.start, fetch.end, store.spare.take()).await {
                    Ok(bytes) => pass_on(&store, &window, fetch, bytes, &permit),
                    // One of them may be said to be where the pack has ended.
                    Err(error) if error.kind() == ErrorKind::Damaged && fetch.segments.len() > 1 => {
                        fetches.extend(fetch.apart());
                    }
                    Err(error) => {
                        for SegmentWork { place, pieces, .. } in fetch.segments {
                            let error = Error::new(error.kind(), "a pack cannot be read")
                                .context("pack", place.pack)
                                .context("because", &error);
                            let _ = window.ended.send(Ended::Failed { pieces, error });
                        }
                    }
                }
            }
        });
        Ok(())
    }
}

/// Gives what was fetched to a thread.
fn pass_on(store: &Store, window: &Arc<Window>, fetch: Fetch, sealed: Vec<u8>, permit: &Arc<OwnedSemaphorePermit>) {
    // Nobody listens when the pull was given up.
    let failed = |pieces, error| drop(window.ended.send(Ended::Failed { pieces, error }));
    let mut segments = Vec::with_capacity(fetch.segments.len());
    for work in fetch.segments {
        match store.fetcher.key(&work.place.pack, &work.wrapped) {
            Ok(key) => segments.push((work, key)),
            Err(error) => failed(work.pieces, error),
        }
    }
    let count = segments.len();
    let job = Job::Segments { window: window.clone(), segments, start: fetch.start, sealed, _permit: permit.clone() };
    if let Err(error) = store.pool.send(job) {
        // Each of them is waited for.
        (0..count).for_each(|_| failed(Vec::new(), Error::new(error.kind(), "the threads of the pull have ended")));
    }
}
