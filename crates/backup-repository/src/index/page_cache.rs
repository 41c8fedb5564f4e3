use super::page::Page;
use hashbrown::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The least that a page cache holds, in pages: what a few lookups at once touch.
const MIN_PAGES: usize = 256;
const MAX_SHARDS: usize = 64;
const PAGES_PER_SHARD: usize = 32;

/// Which page: the reader's number and the page's, see [`PageKey::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageKey(u64);

impl PageKey {
    pub(super) fn new(reader: u32, page: u32) -> Self {
        PageKey(u64::from(reader) << 32 | u64::from(page))
    }
}

/// Checked pages of all open runs, in bounded memory. A lookup holds one shard's lock while it searches one page;
/// nothing is read from disk under a lock.
pub(crate) struct PageCache {
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    places: HashMap<PageKey, usize>,
    slots: Vec<Slot>,
    hand: usize,
    capacity: usize,
}

struct Slot {
    key: PageKey,
    /// Used since the hand last came by.
    used: bool,
    page: Box<Page>,
}

impl PageCache {
    /// A cache of at most `bytes` of pages, but no less than 1 MiB. Memory is taken as pages come.
    pub(crate) fn new(bytes: usize) -> Self {
        let pages = (bytes / size_of::<Page>()).max(MIN_PAGES);
        let shards = (pages / PAGES_PER_SHARD).clamp(1, MAX_SHARDS);
        let capacity = pages / shards;
        let shard = || Shard { places: HashMap::new(), slots: Vec::new(), hand: 0, capacity };
        PageCache { shards: (0..shards).map(|_| Mutex::new(shard())).collect() }
    }

    fn shard(&self, key: PageKey) -> Option<MutexGuard<'_, Shard>> {
        let mixed = key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let shard = self.shards.get(mixed as usize % self.shards.len().max(1))?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `read` makes of a page, if it is here. `read` must not come back to the cache.
    pub(super) fn read<R>(&self, key: PageKey, read: impl FnOnce(&Page) -> R) -> Option<R> {
        let mut shard = self.shard(key)?;
        let place = *shard.places.get(&key)?;
        let slot = shard.slots.get_mut(place)?;
        slot.used = true;
        Some(read(&slot.page))
    }

    /// Keeps a checked page; one that was not `asked_for` goes first when room is needed.
    pub(super) fn insert(&self, key: PageKey, page: &Page, asked_for: bool) {
        if let Some(mut shard) = self.shard(key) {
            shard.insert(key, page, asked_for);
        }
    }

    /// Bytes of the pages it holds.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let pages = |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).slots.len();
        self.shards.iter().map(pages).sum::<usize>() * size_of::<Page>()
    }
}

impl Shard {
    fn insert(&mut self, key: PageKey, page: &Page, used: bool) {
        if let Some(slot) = self.places.get(&key).and_then(|place| self.slots.get_mut(*place)) {
            *slot.page = *page;
            slot.used |= used;
        } else if self.slots.len() < self.capacity {
            self.places.insert(key, self.slots.len());
            self.slots.push(Slot { key, used, page: Box::new(*page) });
        } else {
            self.replace(key, page, used);
        }
    }

    /// The clock: pages that were used get one more round. Two rounds always find one.
    fn replace(&mut self, key: PageKey, page: &Page, used: bool) {
        for _ in 0..=2 * self.slots.len() {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            let Some(slot) = self.slots.get_mut(place) else { return };
            if !std::mem::take(&mut slot.used) {
                self.places.remove(&slot.key);
                (slot.key, slot.used, *slot.page) = (key, used, *page);
                self.places.insert(key, place);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bound_and_keeps_what_is_used() {
        let cache = PageCache::new(2 << 20);
        let hot = PageKey::new(7, 7);
        cache.insert(hot, &[9; 4096], true);
        for n in 0..20_000 {
            cache.insert(PageKey::new(n % 3, n), &[n as u8; 4096], n % 2 == 0);
            assert_eq!(cache.read(hot, |page| page[0]), Some(9), "{n}");
        }
        assert!(cache.bytes() <= 2 << 20 && cache.bytes() > 1 << 20, "{}", cache.bytes());
        for n in 0..20_000 {
            let found = cache.read(PageKey::new(n % 3, n), |page| (page[0], page[4095]));
            assert!(found.is_none_or(|found| found == (n as u8, n as u8)));
        }
    }

    #[test]
    fn a_page_put_again_replaces_itself() {
        let cache = PageCache::new(0);
        let key = PageKey::new(1, 2);
        cache.insert(key, &[1; 4096], false);
        cache.insert(key, &[2; 4096], false);
        assert_eq!((cache.read(key, |page| page[0]), cache.bytes()), (Some(2), 4096));
    }
}
