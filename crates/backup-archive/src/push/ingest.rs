use super::draft::Place;
use super::failure::Failure;
use super::tape::{Tape, Taped, Work, form, write_line};
use super::upload::{self, Ready, Upload};
use crate::index::{Head, Line, PIECE_BYTES, Piece};
use crate::manifest::{self, Content, Form, Layer, Stored, Sum};
use async_trait::async_trait;
use backup_core::{
    Batch, ComponentSpec, Contents, Error, ErrorKind, FileOpener, Ingest, LayerRecord, Outcome, Reader, Result, Totals,
    TreePath, Wanted,
};
use bytes::{Bytes, BytesMut};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt;
use tokio::sync::{mpsc, oneshot};

/// Things for the thread under way; each may be a batch's files.
const WORK_AHEAD: usize = 4;
/// Blocks of a stream under way.
const STREAM_AHEAD: usize = 4;
const STREAM_BYTES: usize = 256 << 10;

/// One component being written.
pub(crate) struct ArchiveIngest {
    pub(super) spec: ComponentSpec,
    place: Place,
    tape: Arc<ToTape>,
    begun: Option<Begun>,
    last_path: Option<TreePath>,
    /// The first names of files that have several, and what told that content.
    links: HashMap<u64, Option<[u8; 32]>>,
}

struct Begun {
    form: Form,
    archive: Upload,
    archive_layers: Vec<LayerRecord>,
    frames: Frames,
    index: Upload,
    index_layers: Vec<LayerRecord>,
}

/// A finished component: what the manifest says, and the objects that wait to be shown.
pub(super) struct Finished {
    pub(super) content: Content,
    pub(super) archive: Ready,
    pub(super) index: Ready,
    pub(super) totals: Totals,
    /// The entries that failed.
    pub(super) outcome: Outcome,
    pub(super) read_bytes: u64,
}

impl ArchiveIngest {
    pub(super) fn new(spec: ComponentSpec, place: Place) -> Self {
        ArchiveIngest { spec, place, tape: Arc::default(), begun: None, last_path: None, links: HashMap::new() }
    }

    async fn begin(&mut self, batch: &Batch) -> Result<()> {
        let form = form(batch);
        let extension = batch.entries.first().filter(|_| form == Form::Stream).and_then(|entry| extension(&entry.path));
        let extension = match form {
            Form::Tar => "tar".to_owned(),
            Form::Stream => extension.unwrap_or_else(|| "stream".to_owned()),
        };
        let place = &self.place;
        let (layers, frames) = place.packing.for_archive();
        let key = place.key(&extension, &layers)?;
        let failure = &self.tape.failure;
        let (archive, plain) = upload::begin(&*place.storage, key, &layers, failure.clone()).await?;
        let index_layers = place.packing.for_index();
        let key = place.key("index", &index_layers)?;
        let (index, index_plain) = upload::begin(&*place.storage, key, &index_layers, failure.clone()).await?;
        let (work, received) = mpsc::channel(WORK_AHEAD);
        let head = Head::new(&place.archive, &self.spec.name);
        let (observer, failed) = (place.observer.clone(), failure.clone());
        let thread = std::thread::Builder::new().name("archive".into()).spawn(move || {
            let tape = Tape::new(form, head, plain, index_plain, observer);
            // What it panics with was told before anything it holds was dropped.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tape.run(received, &failed)));
        });
        // It ends by itself when its work or its uploads are given up.
        drop(thread.map_err(|e| Error::io("cannot start a thread", e))?);
        self.tape.open(work);
        let (archive_layers, index_layers) = (layers.records(), index_layers.records());
        self.begun = Some(Begun { form, archive, archive_layers, frames, index, index_layers });
        Ok(())
    }

    /// What was delivered does not count.
    ///
    /// # Errors
    /// When the destination had failed before.
    pub(super) fn give_up(self) -> Result<()> {
        self.tape.failure.check()
    }

    /// Everything was delivered. None when nothing was ever listed.
    pub(super) async fn finish(mut self) -> Result<Option<Finished>> {
        let Some(begun) = self.begun.take() else { return Ok(None) };
        let (done, taped) = oneshot::channel();
        let sent = self.tape.send(Work::End(done)).await;
        let taped = match sent {
            Ok(()) => taped.await.ok(),
            Err(_) => None,
        };
        let Some(Taped { written, mut index, totals, outcome, read_bytes }) = taped else {
            // The thread ends when nobody takes its blocks: what failed there has been told by then.
            let (archive, index) = tokio::join!(begun.archive.ready(), begun.index.ready());
            archive.and(index)?;
            return Err(self.tape.failure.tell());
        };
        let archive = begun.archive.ready().await?.ok_or_else(|| self.tape.failure.tell())?;
        let frames = begun.frames.lengths(&written.sum)?;
        let pieces: Vec<Piece> = written
            .pieces
            .iter()
            .zip(frames)
            .map(|(hash, stored)| Piece { piece: hash.to_hex().to_string(), stored })
            .collect();
        let ended = tokio::task::spawn_blocking(move || {
            pieces.into_iter().try_for_each(|piece| write_line(&mut index, &Line::Piece(piece)))?;
            index.finish()
        })
        .await
        .map_err(|e| Error::new(ErrorKind::Internal, "writing an index panicked: please report").source(e))?;
        let index = begun.index.ready().await?.ok_or_else(|| self.tape.failure.tell())?;
        let index_plain = ended?.sum;
        let stored = |ready: &Ready, layers: &[LayerRecord], plain: Sum| Stored {
            object: ready.key.to_string(),
            layers: layers.iter().map(Layer::from).collect(),
            plain,
            stored: ready.sum.clone(),
        };
        let content = manifest::Content {
            form: begun.form,
            archive: stored(&archive, &begun.archive_layers, written.sum),
            index: stored(&index, &begun.index_layers, index_plain),
        };
        Ok(Some(Finished { content, archive, index, totals, outcome, read_bytes }))
    }
}

/// The lengths of the frames of an archive.
pub(crate) enum Frames {
    /// It is not compressed: each is a piece.
    Pieces,
    /// As the compression reports them.
    Told(crate::layers::FrameLengths),
}

impl Frames {
    fn lengths(&self, plain: &Sum) -> Result<Vec<u32>> {
        let piece = PIECE_BYTES as u64;
        let pieces = plain.bytes.div_ceil(piece);
        let lengths: Vec<u32> = match self {
            Frames::Pieces => (0..pieces).map(|number| (plain.bytes - number * piece).min(piece) as u32).collect(),
            Frames::Told(lengths) => lengths.take(),
        };
        // Of nothing there is one frame and no piece.
        if lengths.len() as u64 == pieces || pieces == 0 {
            return Ok(lengths);
        }
        Err(Error::new(ErrorKind::Internal, "an archive has another number of frames than of pieces"))
    }
}

/// Of a name like `shop.sql`.
fn extension(path: &TreePath) -> Option<String> {
    let name = String::from_utf8(path.name()?.into_owned()).ok()?;
    let (stem, extension) = name.rsplit_once('.')?;
    let is_plain = !stem.is_empty()
        && (1..=16).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !["tar", "index", "manifest", "held", "json"].contains(&extension);
    is_plain.then(|| extension.to_owned())
}

#[async_trait]
impl Ingest for ArchiveIngest {
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        for entry in &batch.entries {
            if self.last_path.as_ref().is_some_and(|last| *last >= entry.path) {
                return Err(Error::new(ErrorKind::InvalidInput, "a source listed its entries out of order")
                    .context("path", &entry.path));
            }
            self.last_path = Some(entry.path.clone());
        }
        match &self.begun {
            None => self.begin(&batch).await?,
            Some(begun) if begun.form == Form::Stream => {
                let what = "a source whose first batch is one stream may have no further entries in an archive";
                return Err(Error::new(ErrorKind::Unsupported, what));
            }
            Some(_) => {}
        }
        let (mut wanted, mut alone) = (Wanted::default(), Vec::new());
        for (number, entry) in batch.numbered().filter(|(_, entry)| entry.has_content()) {
            let token = entry.fingerprint.map(|fingerprint| fingerprint.token);
            match entry.link_group.map(|group| self.links.entry(group)) {
                Some(Entry::Occupied(first)) if *first.get() == token => continue,
                // Another file by now: the number of a file that is gone is used again.
                Some(Entry::Occupied(_)) => alone.push(number),
                Some(Entry::Vacant(first)) => drop(first.insert(token)),
                None => {}
            }
            wanted.0.push(number);
        }
        self.tape.open_for(&wanted);
        self.tape.send(Work::Batch { batch, wanted: wanted.0.clone(), alone }).await?;
        Ok(wanted)
    }

    fn contents(&self) -> &dyn Contents {
        &*self.tape
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

/// The way to the thread.
#[derive(Default)]
struct ToTape {
    state: Mutex<State>,
    failure: Arc<Failure>,
}

#[derive(Default)]
struct State {
    work: Option<mpsc::Sender<Work>>,
    /// Entries that were not answered for.
    open: HashSet<u64>,
}

impl ToTape {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(&self, work: mpsc::Sender<Work>) {
        self.with(|state| state.work = Some(work));
    }

    fn open_for(&self, wanted: &Wanted) {
        self.with(|state| state.open = wanted.0.iter().copied().collect());
    }

    fn accept(&self, entry: u64) -> Result<()> {
        if self.with(|state| state.open.remove(&entry)) {
            return Ok(());
        }
        let what = "content was sent for an entry that is not wanted, or twice";
        Err(Error::new(ErrorKind::InvalidInput, what).context("entry", entry))
    }

    async fn send(&self, work: Work) -> Result<()> {
        let to = self.with(|state| state.work.clone());
        let to =
            to.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "content was sent before any batch was listed"))?;
        to.send(work).await.map_err(|_| self.failure.tell())
    }
}

#[async_trait]
impl Contents for ToTape {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        entries.iter().try_for_each(|entry| self.accept(*entry))?;
        self.send(Work::Files { opener, entries: entries.to_vec() }).await
    }

    async fn stream(&self, entry: u64, mut content: Reader) -> Result<u64> {
        self.accept(entry)?;
        let (blocks, received) = mpsc::channel(STREAM_AHEAD);
        let (done, answer) = oneshot::channel();
        self.send(Work::Stream { entry, blocks: received, done }).await?;
        let bytes = pump(&mut content, blocks).await;
        answer.await.unwrap_or_else(|_| Err(self.failure.tell()))?;
        Ok(bytes)
    }

    async fn unreadable(&self, entry: u64, reason: String) -> Result<()> {
        self.accept(entry)?;
        self.send(Work::Unreadable { entry, reason }).await
    }
}

/// Moves a stream into blocks, an empty one at its end. A taker that is gone ends it, too: it says why itself.
async fn pump(content: &mut Reader, blocks: mpsc::Sender<Result<Bytes>>) -> u64 {
    let mut total = 0;
    loop {
        let mut block = BytesMut::with_capacity(STREAM_BYTES);
        while block.len() < STREAM_BYTES {
            match content.read_buf(&mut block).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    let error = Error::io("cannot read a stream", error);
                    // What failed inside of it must not look like its end.
                    let _ = blocks.send(Err(error)).await;
                    return total;
                }
            }
        }
        total += block.len() as u64;
        let at_end = block.is_empty();
        if blocks.send(Ok(block.freeze())).await.is_err() || at_end {
            return total;
        }
    }
}
