use super::layout::{Layout, Section};
use crate::format::ids::ChunkId;

/// The first eight bytes of an id, in the order of ids.
pub(crate) fn prefix(id: &ChunkId) -> u64 {
    id.0.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Which items and bits of a run's blocked Bloom filter belong to an id.
///
/// Items follow the order of ids, so that a filter is written in one pass over sorted rows, and sorted lookups walk it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilterShape {
    items: u32,
    first: u64,
    last: u64,
}

impl FilterShape {
    /// The filter of a run whose ids lie between these.
    pub(crate) fn new(layout: &Layout, first: &ChunkId, last: &ChunkId) -> Self {
        FilterShape { items: layout.count(Section::Filter), first: prefix(first), last: prefix(last) }
    }

    /// The item of an id: its place between first and last, in proportion.
    pub(crate) fn item(&self, id: &ChunkId) -> u32 {
        self.share(prefix(id), self.items)
    }

    /// Which of `parts` equal parts of the run's range a prefix is in.
    pub(crate) fn share(&self, prefix: u64, parts: u32) -> u32 {
        let at = u128::from(prefix.clamp(self.first, self.last) - self.first);
        let span = u128::from(self.last - self.first) + 1;
        (at * u128::from(parts) / span) as u32
    }
}

/// The six bits of an id inside its item, each below 512.
fn bits(id: &ChunkId) -> impl Iterator<Item = usize> {
    let hash = id.0.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (1..=6).map(move |group| (hash >> (64 - 9 * group)) as usize & 511)
}

/// Marks an id in its item.
pub(crate) fn mark(item: &mut [u8], id: &ChunkId) {
    for bit in bits(id) {
        if let Some(byte) = item.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
}

/// Whether an id may have been marked.
pub(crate) fn is_marked(item: &[u8], id: &ChunkId) -> bool {
    bits(id).all(|bit| item.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ChunkId {
        ChunkId(blake3::hash(&n.to_le_bytes()).as_bytes()[..20].try_into().unwrap())
    }

    #[test]
    fn marks_what_was_put_in_and_little_else() {
        let mut ids: Vec<ChunkId> = (0..10_000).map(id).collect();
        ids.sort();
        let layout = Layout::new(10_000, 1, 1).unwrap();
        let shape = FilterShape::new(&layout, &ids[0], &ids[9_999]);
        let mut items = vec![[0; 64]; layout.count(Section::Filter) as usize];
        for pair in ids.windows(2) {
            assert!(shape.item(&pair[0]) <= shape.item(&pair[1]));
        }
        for id in &ids {
            mark(&mut items[shape.item(id) as usize], id);
        }
        assert!(ids.iter().all(|id| is_marked(&items[shape.item(id) as usize], id)));
        let wrong = (10_000..110_000).map(id).filter(|id| is_marked(&items[shape.item(id) as usize], id)).count();
        assert!((200..3_000).contains(&wrong), "{wrong} of 100,000");
    }

    #[test]
    fn the_extremes_have_items() {
        let layout = Layout::new(1000, 1, 1).unwrap();
        let (low, high) = (ChunkId([0; 20]), ChunkId([255; 20]));
        let shape = FilterShape::new(&layout, &low, &high);
        assert_eq!((shape.item(&low), shape.item(&high)), (0, layout.count(Section::Filter) - 1));
        let narrow = FilterShape::new(&layout, &high, &high);
        assert_eq!((narrow.item(&high), narrow.item(&low)), (0, 0));
    }
}
