//! The mark: a bit for each row of the index that holds something a snapshot refers to.

use super::damage::{Damage, is_gone};
use super::listing::MarkedSnapshot;
use crate::format::ids::{ChunkId, Kind, PackName, SessionId};
use crate::index::{Bits, IndexSet, Location, RowPlace, Section};
use crate::locate::{Locator, is_unreadable};
use crate::meta::{Reference, references};
use crate::protocol::{Holder, Standing, choose_holder};
use crate::pull::Blocks;
use backup_core::{Error, ErrorKind, Event, Observer, Result, Stop};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Blocks of metadata, or copies of chunks, fetched at once.
const AT_ONCE: usize = 8;

/// Rows of the marked runs, by their places in the set.
pub(super) struct Marks {
    /// Rows that hold a chunk: their packs are not condemned.
    live: Vec<Bits>,
    /// Rows of condemned packs from which a chunk is to be copied: nothing else has it.
    needed: Vec<Bits>,
}

impl Marks {
    fn new(index: &IndexSet) -> Self {
        let blank = || index.runs().iter().map(|run| Bits::new(run.layout().count(Section::Rows))).collect();
        Marks { live: blank(), needed: blank() }
    }

    pub(super) fn is_live(&self, place: RowPlace) -> bool {
        self.live.get(place.run as usize).is_some_and(|rows| rows.is_set(place.row))
    }

    /// The live rows of one run.
    pub(super) fn live_rows(&self, run: u32) -> Bits {
        self.live.get(run as usize).cloned().unwrap_or_default()
    }

    pub(super) fn is_needed(&self, place: RowPlace) -> bool {
        self.needed.get(place.run as usize).is_some_and(|rows| rows.is_set(place.row))
    }

    fn is_marked(&self, place: RowPlace) -> bool {
        self.is_live(place) || self.is_needed(place)
    }

    fn set(&mut self, place: RowPlace, is_rescue: bool) {
        let rows = if is_rescue { &mut self.needed } else { &mut self.live };
        if let Some(rows) = rows.get_mut(place.run as usize) {
            rows.set(place.row);
        }
    }
}

/// What the mark looks at.
pub(super) struct Marking<'a> {
    pub(super) locator: &'a Locator,
    pub(super) blocks: &'a Blocks,
    pub(super) packs: &'a HashMap<PackName, u64>,
    pub(super) standing: &'a (dyn Fn(&PackName) -> Standing + Sync),
    /// Whether a condemned pack is about to be deleted.
    pub(super) is_doomed: &'a (dyn Fn(&PackName) -> bool + Sync),
    pub(super) damage: &'a Damage,
    /// Whether the run with this place was written by somebody who was revoked.
    pub(super) is_doubtful: &'a (dyn Fn(u32) -> bool + Sync),
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: &'a Stop,
}

impl Marking<'_> {
    /// Marks what these snapshots refer to.
    ///
    /// # Errors
    /// `Damaged` for a chunk that nothing holds, and for metadata that cannot be read, with the snapshot that refers to it;
    /// `Cancelled`.
    pub(super) async fn mark(&self, snapshots: impl Iterator<Item = &MarkedSnapshot>) -> Result<Marks> {
        let marks = Mutex::new(Marks::new(&self.locator.index()));
        for snapshot in snapshots {
            for tree in &snapshot.trees {
                let root = Reference::Block { id: tree.id, level: tree.level };
                self.tree(&marks, root, &snapshot.id).await?;
            }
            self.observer.event(Event::Progress { files: 1, bytes: 0 });
        }
        Ok(marks.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn tree(&self, marks: &Mutex<Marks>, root: Reference, snapshot: &SessionId) -> Result<()> {
        let mut blocks = Vec::new();
        blocks.extend(block_of(&root));
        let mut chunks = Vec::new();
        while !blocks.is_empty() {
            if self.stop.is_stopped() {
                return Err(Error::new(ErrorKind::Cancelled, "the prune was stopped"));
            }
            let some = blocks.split_off(blocks.len().saturating_sub(AT_ONCE));
            let opened = some.iter().map(|id| self.block(marks, id));
            let opened = try_join_all(opened).await.map_err(|e| e.context("snapshot", snapshot))?;
            for block in opened.into_iter().flatten() {
                references(&block, &mut |reference| match reference {
                    Reference::Chunk(id) => chunks.push(id),
                    _ => blocks.extend(block_of(&reference)),
                })
                .map_err(|e| e.context("snapshot", snapshot))?;
            }
            let held = iter(chunks.drain(..)).map(|id| async move { self.chunk(marks, &id).await });
            let held = held.buffer_unordered(AT_ONCE).try_collect::<()>().await;
            held.map_err(|e| e.context("snapshot", snapshot))?;
        }
        Ok(())
    }

    /// Marks a block of metadata, and gives it if it was not marked before.
    async fn block(&self, marks: &Mutex<Marks>, id: &ChunkId) -> Result<Option<Bytes>> {
        let rows = self.rows(Kind::Metadata, id).await?;
        if any_marked(marks, &rows) {
            return Ok(None);
        }
        let (place, is_rescue, block) = self.hold(id, &rows, true).await?;
        let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
        // Another of those fetched at once may have been the same.
        let is_first = !rows.iter().any(|(place, _)| marks.is_marked(*place));
        if is_first {
            marks.set(place, is_rescue);
        }
        Ok(block.filter(|_| is_first))
    }

    async fn chunk(&self, marks: &Mutex<Marks>, id: &ChunkId) -> Result<()> {
        let rows = self.rows(Kind::Data, id).await?;
        if any_marked(marks, &rows) {
            return Ok(());
        }
        // One copy goes in favour of another only when the one that stays has been read; and who was revoked is believed
        // only what can be seen.
        let held = match self.hold(id, &rows, self.is_to_be_read(&rows)).await {
            Ok((place, is_rescue, _)) => vec![(place, is_rescue)],
            Err(error) if error.kind() == ErrorKind::Damaged && !is_gone(&error) => {
                self.hold_damaged(id, &rows, error)?
            }
            Err(error) => return Err(error),
        };
        let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
        // Another of those looked at at once may have been the same.
        if !rows.iter().any(|(place, _)| marks.is_marked(*place)) {
            held.into_iter().for_each(|(place, is_rescue)| marks.set(place, is_rescue));
        }
        Ok(())
    }

    /// The rows of a chunk. Those of the newest packs come first: of a chunk that was copied the copy is kept, so that what
    /// was interrupted, or left behind because it was damaged, is not copied again and again.
    async fn rows(&self, kind: Kind, id: &ChunkId) -> Result<Vec<(RowPlace, Location)>> {
        let mut rows = self.locator.rows(kind, id).await?;
        rows.sort_by_key(|(_, location)| std::cmp::Reverse(location.segment.pack));
        Ok(rows)
    }

    /// Where no copy of a chunk can be read, all stay: one may be put right, or read by better means.
    fn hold_damaged(&self, id: &ChunkId, rows: &[(RowPlace, Location)], error: Error) -> Result<Vec<(RowPlace, bool)>> {
        let mut held = Vec::new();
        for (place, location) in rows {
            let pack = location.segment.pack;
            if self.packs.contains_key(&pack) {
                held.push((*place, (self.standing)(&pack) == Standing::Condemned));
                self.damage.note(pack, &error, self.observer);
            }
        }
        if held.is_empty() { Err(lost(id, rows, Some(error))) } else { Ok(held) }
    }

    fn is_to_be_read(&self, rows: &[(RowPlace, Location)]) -> bool {
        let (mut sound, mut there, mut is_one_doomed) = (Vec::new(), Vec::new(), false);
        for pack in rows.iter().map(|(_, location)| location.segment.pack) {
            if self.packs.contains_key(&pack) && !there.contains(&pack) {
                there.push(pack);
                match (self.standing)(&pack) {
                    Standing::Sound => sound.push(pack),
                    Standing::Condemned => is_one_doomed |= (self.is_doomed)(&pack),
                }
            }
        }
        sound.len() > 1
            || there.len() > 1 && is_one_doomed
            || rows.iter().any(|(place, _)| (self.is_doubtful)(place.run))
    }

    /// Chooses the row that holds a chunk, and with `reads` only one whose bytes are the ones it is named after.
    async fn hold(
        &self,
        id: &ChunkId,
        rows: &[(RowPlace, Location)],
        reads: bool,
    ) -> Result<(RowPlace, bool, Option<Bytes>)> {
        let stands = |(_, location): &(RowPlace, Location)| {
            let pack = location.segment.pack;
            ((self.standing)(&pack), self.packs.contains_key(&pack))
        };
        let mut choices: Vec<(Standing, bool)> = rows.iter().map(stands).collect();
        let mut because = None;
        loop {
            let (at, is_rescue) = match choose_holder(choices.iter().copied()) {
                Holder::Keep(at) => (at, false),
                Holder::Rescue(at) => (at, true),
                Holder::Lost => return Err(lost(id, rows, because)),
            };
            let Some((place, location)) = rows.get(at) else { return Err(lost(id, rows, because)) };
            if !reads {
                return Ok((*place, is_rescue, None));
            }
            match self.blocks.read(id, location).await {
                Ok(content) => return Ok((*place, is_rescue, Some(content))),
                // A row may lie about its pack, and about the pack's key.
                Err(error) if is_unreadable(&error) => {
                    because = Some(error);
                    choices.iter_mut().skip(at).take(1).for_each(|(_, is_there)| *is_there = false);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn block_of(reference: &Reference) -> Option<ChunkId> {
    match reference {
        Reference::Chunk(_) => None,
        Reference::Block { id, .. } | Reference::List { id, .. } => Some(*id),
    }
}

fn any_marked(marks: &Mutex<Marks>, rows: &[(RowPlace, Location)]) -> bool {
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
    rows.iter().any(|(place, _)| marks.is_marked(*place))
}

fn lost(id: &ChunkId, rows: &[(RowPlace, Location)], because: Option<Error>) -> Error {
    let error = Error::new(ErrorKind::Damaged, "a chunk that a snapshot refers to is not there").context("chunk", id);
    let error = match rows.first() {
        Some((_, location)) => error.context("pack", location.segment.pack),
        None => error
            .context("because", "no index run lists it")
            .context("advice", "`backup repair index` lists anew what is in packs"),
    };
    match because {
        Some(because) => error.source(because),
        None => error,
    }
}
