use crate::crypto::WrappedKey;
use crate::format::ids::{ChunkId, PackName};
use crate::index::Location;
use crate::pack::SegmentPlace;
use std::collections::HashMap;

/// Neighbouring segments are fetched together up to this many bytes,
const JOIN_BYTES: u32 = 4 << 20;
/// also over gaps of up to this many.
const JOIN_GAP: u32 = 64 << 10;

/// One use of a chunk: the entry's slot, and the place in its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Place of the entry in the window's table.
    pub(crate) slot: u32,
    /// Offset in the file of the chunk's first byte, or an index into its parts when a hole divides it.
    pub(crate) offset: u64,
}

/// A chunk of a segment and everything it is wanted for.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) id: ChunkId,
    pub(crate) location: Location,
    pub(crate) targets: Vec<Target>,
}

/// What a window wants of one segment.
#[derive(Debug)]
pub(crate) struct SegmentWork {
    pub(crate) place: SegmentPlace,
    pub(crate) wrapped: WrappedKey,
    pub(crate) pieces: Vec<Piece>,
}

/// Segments of one pack that are fetched with one request.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) pack: PackName,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) segments: Vec<SegmentWork>,
}

impl Fetch {
    /// A request for each segment: that one of them is nowhere says nothing of the others.
    pub(crate) fn apart(self) -> impl Iterator<Item = Fetch> {
        self.segments.into_iter().map(|work| {
            let SegmentPlace { pack, offset: start, sealed_len, .. } = work.place;
            Fetch { pack, start, end: start.saturating_add(sealed_len), segments: vec![work] }
        })
    }
}

/// Gathers the chunks of a window by segment.
#[derive(Default)]
pub(crate) struct Plan {
    /// Rows may say different keys of one place, and only one of them is right.
    by_place: HashMap<(SegmentPlace, WrappedKey), SegmentWork>,
    pieces: HashMap<(ChunkId, Location), usize>,
    count: usize,
}

impl Plan {
    /// Adds one use of a chunk that stands at `location`.
    pub(crate) fn add(&mut self, id: ChunkId, location: &Location, target: Target) {
        let place = location.segment;
        let wrapped = location.wrapped;
        let blank = || SegmentWork { place, wrapped, pieces: Vec::new() };
        let work = self.by_place.entry((place, wrapped)).or_insert_with(blank);
        let at = *self.pieces.entry((id, *location)).or_insert(work.pieces.len());
        match work.pieces.get_mut(at) {
            Some(piece) => piece.targets.push(target),
            None => work.pieces.push(Piece { id, location: *location, targets: vec![target] }),
        }
        self.count += 1;
    }

    /// Uses added so far.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The requests, in the order in which they lie in the packs.
    pub(crate) fn into_fetches(self) -> Vec<Fetch> {
        let mut segments: Vec<SegmentWork> = self.by_place.into_values().collect();
        segments.sort_unstable_by_key(|s| (s.place.pack, s.place.offset));
        let mut fetches: Vec<Fetch> = Vec::new();
        for mut segment in segments {
            segment.pieces.sort_unstable_by_key(|p| p.location.offset);
            let place = segment.place;
            let end = place.offset.saturating_add(place.sealed_len);
            match fetches.last_mut() {
                Some(fetch)
                    // Segments overlap only where a row lies.
                    if fetch.pack == place.pack
                        && place.offset.checked_sub(fetch.end).is_some_and(|gap| gap <= JOIN_GAP)
                        && end.saturating_sub(fetch.start) <= JOIN_BYTES =>
                {
                    fetch.end = fetch.end.max(end);
                    fetch.segments.push(segment);
                }
                _ => fetches.push(Fetch { pack: place.pack, start: place.offset, end, segments: vec![segment] }),
            }
        }
        fetches
    }
}
