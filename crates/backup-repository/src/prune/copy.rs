//! Copying live chunks out of packs that go.

use super::damage::is_gone;
use super::ground::Ground;
use super::held::Held;
use crate::format::ids::{ChunkId, Kind, PackName};
use crate::index::{IndexCache, Location, RowPlace, RunRows};
use crate::locate::is_unreadable;
use crate::pack::{
    Compressor, FinishedPacks, PackWriter, PackWriterOptions, PlainSegment, SegmentPlace, Unpacker, read_stored,
};
use crate::push::run_rows;
use crate::session::{blocking, write_run};
use backup_core::{Error, ErrorKind, Result, Stop};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::mpsc;

/// A gathered segment is full at this many plain bytes: of data, and of metadata.
const DATA_SEGMENT: usize = 1 << 20;
const METADATA_SEGMENT: usize = 128 << 10;
/// A pack of which not everything could be copied, and why.
pub(super) type Left = (PackName, Error);

/// Fetched segments that may wait.
const AHEAD: usize = 4;

/// A pack out of which rows are to be copied, and how many they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) pack: PackName,
    pub(super) what: What,
    pub(super) rows: u64,
}

/// Which rows of a pack are worth copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What the pack holds.
    Live,
    /// What nothing else has.
    Needed,
}

/// Copies chunks of one kind into new packs of the pass's session.
pub(super) struct Copier<'a> {
    ground: &'a Ground,
    held: &'a Held,
    cache: &'a Arc<IndexCache>,
    kind: Kind,
    writer: Arc<PackWriter>,
}

/// A segment on its way: where it was, its sealed bytes, its chunks with whether each is to be copied.
struct Fetched {
    place: SegmentPlace,
    key: Arc<crate::crypto::SealKey>,
    sealed: Vec<u8>,
    chunks: Vec<(ChunkId, u32, bool)>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        ground: &'a Ground,
        held: &'a Held,
        cache: &'a Arc<IndexCache>,
        kind: Kind,
        copied: Arc<AtomicU64>,
    ) -> Self {
        let options = PackWriterOptions::new(&ground.inner, Arc::new(held.clone()), copied);
        Copier { ground, held, cache, kind, writer: Arc::new(PackWriter::new(kind, options)) }
    }

    /// Copies what is worth it out of these packs, and publishes the copies. Gives the packs with something that cannot be
    /// read, or is not what it is named after; the rest of them is copied.
    ///
    /// # Errors
    /// `NotFound`, or an error that comes from it, when a pack has gone: another prune was quicker; `Cancelled`.
    pub(super) async fn copy(self, packs: &[Wanted], stop: &Stop) -> Result<Vec<Left>> {
        let (send, receive) = mpsc::channel(AHEAD);
        let (writer, repository, kind) = (self.writer.clone(), self.ground.inner.config.repository, self.kind);
        let (chunk_key, level) = (self.ground.inner.keys.chunk.clone(), self.ground.inner.options.level);
        let work = tokio::spawn(blocking(move || {
            let hands = Hands {
                writer,
                kind,
                chunk_key,
                repository,
                compressor: Compressor::new(level)?,
                gathered: PlainSegment::default(),
                left: Vec::new(),
            };
            hands.run(receive)
        }));
        let fed = self.feed(packs, &send, stop).await;
        drop(send);
        let worked =
            work.await.map_err(|e| Error::new(ErrorKind::Internal, "copying panicked: please report").source(e))?;
        // A worker that failed is why nobody took more.
        let mut left = worked?;
        left.extend(fed?);
        self.publish().await?;
        Ok(left)
    }

    async fn feed(&self, packs: &[Wanted], send: &mpsc::Sender<Fetched>, stop: &Stop) -> Result<Vec<Left>> {
        let mut left = Vec::new();
        for Wanted { pack, what, rows } in packs {
            let mut found = 0;
            let length = self.ground.inner.storage.stat(&pack.key()?).await?.size_bytes;
            let Some((_, stored)) = or_left(read_stored(&self.ground.inner, *pack, length).await, *pack, &mut left)?
            else {
                continue;
            };
            for (place, chunks) in stored.footer.places(*pack, self.kind) {
                if stop.is_stopped() {
                    return Err(Error::new(ErrorKind::Cancelled, "the prune was stopped"));
                }
                let (mut wanted, mut wrapped, mut offset) = (Vec::new(), None, 0);
                for (id, length) in chunks {
                    let row = self.row(&place, id, offset).await?;
                    let is_wanted = row.as_ref().is_some_and(|(row, _)| match what {
                        What::Live => self.ground.marks.is_live(*row),
                        What::Needed => self.ground.marks.is_needed(*row),
                    });
                    wrapped = wrapped.or(row.filter(|_| is_wanted).map(|(_, location)| location.wrapped));
                    found += u64::from(is_wanted);
                    wanted.push((*id, *length, is_wanted));
                    offset += length;
                }
                let Some(wrapped) = wrapped else { continue };
                let fetched = match self.ground.fetcher.key(pack, &wrapped) {
                    Ok(key) => self.ground.fetcher.segment(&place).await.map(|sealed| (key, sealed)),
                    Err(error) => Err(error),
                };
                let Some((key, sealed)) = or_left(fetched, *pack, &mut left)? else { continue };
                if send.send(Fetched { place, key, sealed, chunks: wanted }).await.is_err() {
                    return Ok(left);
                }
            }
            // What is not copied would be lost with the pack: the index and the pack must agree.
            if found != *rows {
                let what = "an index run says of a pack what the pack does not: nothing of it is deleted";
                let error = Error::new(ErrorKind::Damaged, what)
                    .context("chunks_by_the_index", rows)
                    .context("chunks_in_the_pack", found);
                left.push((*pack, error));
            }
            if self.writer.rows() >= self.ground.inner.options.run_rows {
                self.publish().await?;
            }
        }
        Ok(left)
    }

    /// The row of the copy at exactly this place.
    async fn row(&self, place: &SegmentPlace, id: &ChunkId, offset: u32) -> Result<Option<(RowPlace, Location)>> {
        let rows = self.ground.locator.rows(self.kind, id).await?;
        let here = |location: &Location| {
            location.segment.pack == place.pack && location.segment.number == place.number && location.offset == offset
        };
        // Two runs may list the pack; only one of its rows is marked.
        let mut here: Vec<_> = rows.into_iter().filter(|(_, location)| here(location)).collect();
        here.sort_by_key(|(row, _)| !(self.ground.marks.is_live(*row) || self.ground.marks.is_needed(*row)));
        Ok(here.into_iter().next())
    }

    /// Puts the packs so far into a run.
    async fn publish(&self) -> Result<()> {
        let writer = self.writer.clone();
        let (finished, stored): (FinishedPacks, _) = blocking(move || Ok(writer.take_finished())).await?;
        stored?;
        if finished.packs.is_empty() {
            return Ok(());
        }
        let packs: Vec<PackName> = finished.packs.iter().map(|pack| pack.name).collect();
        let name = self.held.begin_run_of(&packs)?;
        let kind = self.kind;
        let rows: RunRows = blocking(move || run_rows(&finished, kind)).await?;
        let (outcome, built) = write_run(&self.ground.inner, self.cache, name, kind, Vec::new(), rows).await?;
        self.held.run_stored(outcome)?;
        built.keep();
        Ok(())
    }
}

/// What was read of a pack; none when it cannot be read, which is noted.
///
/// # Errors
/// When the pack has gone; what says nothing of the object.
fn or_left<T>(read: Result<T>, pack: PackName, left: &mut Vec<Left>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        // A disk that cannot read a sector says no more than that.
        Err(error) if (is_unreadable(&error) || error.kind() == ErrorKind::Io) && !is_gone(&error) => {
            left.push((pack, error));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Unpacks, verifies and stores again.
struct Hands {
    writer: Arc<PackWriter>,
    kind: Kind,
    chunk_key: crate::crypto::ChunkKey,
    repository: crate::format::ids::RepositoryId,
    compressor: Compressor,
    gathered: PlainSegment,
    left: Vec<Left>,
}

impl Hands {
    fn run(mut self, mut segments: mpsc::Receiver<Fetched>) -> Result<Vec<Left>> {
        let (mut unpacker, mut plain) = (Unpacker::new()?, Vec::new());
        while let Some(mut fetched) = segments.blocking_recv() {
            let Fetched { place, key, sealed, .. } = &mut fetched;
            let unpacked = unpacker.unpack(&self.repository, key, place, sealed, &mut plain);
            if or_left(unpacked, place.pack, &mut self.left)?.is_some() {
                self.segment(fetched, &plain)?;
            }
        }
        self.store()?;
        Ok(self.left)
    }

    fn segment(&mut self, fetched: Fetched, plain: &[u8]) -> Result<()> {
        let Fetched { place, mut sealed, chunks, .. } = fetched;
        let (mut whole, mut live, mut rest) = (true, 0usize, plain);
        let mut contents = Vec::with_capacity(chunks.len());
        for (id, length, is_wanted) in &chunks {
            let (content, behind) = rest.split_at_checked(*length as usize).unwrap_or((&[], &[]));
            rest = behind;
            let is_sound = content.len() == *length as usize && self.chunk_key.id(content) == *id;
            if *is_wanted && !is_sound {
                let error = Error::new(ErrorKind::Damaged, "a chunk's bytes are not the ones it is named after")
                    .context("segment", place.number)
                    .context("chunk", id);
                self.left.push((place.pack, error));
            }
            whole &= is_sound;
            live += if *is_wanted { content.len() } else { 0 };
            contents.push((*id, content, *is_wanted && is_sound));
        }
        if whole && live * 2 >= plain.len() {
            // Mostly alive: its frame stays as it is, and is only sealed anew.
            sealed.truncate(sealed.len().saturating_sub(crate::crypto::TAG_LEN));
            let chunks: Vec<_> = chunks.iter().map(|(id, length, _)| (*id, *length)).collect();
            return self.writer.add(sealed, place.flags, place.plain_len, &chunks);
        }
        for (id, content, _) in contents.into_iter().filter(|(_, _, is_copied)| *is_copied) {
            let full = if self.kind == Kind::Data { DATA_SEGMENT } else { METADATA_SEGMENT };
            if !self.gathered.chunks.is_empty() && self.gathered.bytes.len() + content.len() > full {
                self.store()?;
            }
            self.gathered.push(id, content);
        }
        Ok(())
    }

    fn store(&mut self) -> Result<()> {
        if self.gathered.chunks.is_empty() {
            return Ok(());
        }
        let segment = std::mem::replace(&mut self.gathered, self.writer.segment());
        self.writer.store(&mut self.compressor, segment)
    }
}
