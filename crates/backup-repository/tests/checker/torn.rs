//! Listings that take time.

use crate::store::Store;
use std::collections::BTreeMap;

/// What a listing lists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Prefix {
    Condemned,
    Sessions,
    Snapshots,
    Index,
    Packs,
}

/// What lies under a prefix.
pub fn under(prefix: Prefix, store: &Store) -> Store {
    let mut part = Store::default();
    match prefix {
        Prefix::Condemned => part.condemned = store.condemned.clone(),
        Prefix::Sessions => part.sessions = store.sessions.clone(),
        // The notes are listed behind the snapshots: they are seen as they are at the end.
        Prefix::Snapshots => (part.snapshots, part.forgotten) = (store.snapshots.clone(), store.forgotten.clone()),
        Prefix::Index => (part.index, part.void) = (store.index.clone(), store.void.clone()),
        Prefix::Packs => part.packs = store.packs.clone(),
    }
    part
}

/// What a listing may show that took from `before` to `now`: of each name whose object changed meanwhile, the old state
/// or the new, as the bits say. Also how many changed.
pub fn torn(before: &Store, now: &Store, shows: u32) -> (Store, u32) {
    let mut shows = Shows { bits: shows, changes: 0 };
    let void = |store: &Store| store.void.iter().map(|session| (*session, ())).collect();
    let seen = Store {
        condemned: shows.choose(&before.condemned, &now.condemned),
        sessions: shows.choose(&before.sessions, &now.sessions),
        snapshots: shows.choose(&before.snapshots, &now.snapshots),
        forgotten: now.forgotten.clone(),
        index: shows.choose(&before.index, &now.index),
        void: shows.choose(&void(before), &void(now)).into_keys().collect(),
        packs: shows.choose(&before.packs, &now.packs),
    };
    (seen, shows.changes)
}

struct Shows {
    bits: u32,
    changes: u32,
}

impl Shows {
    fn choose<K: Ord + Copy, V: Clone + PartialEq>(
        &mut self,
        before: &BTreeMap<K, V>,
        now: &BTreeMap<K, V>,
    ) -> BTreeMap<K, V> {
        let mut seen = now.clone();
        for key in before.keys().chain(now.keys().filter(|key| !before.contains_key(key))) {
            if before.get(key) != now.get(key) {
                if self.bits & (1 << self.changes) == 0 {
                    match before.get(key) {
                        Some(old) => seen.insert(*key, old.clone()),
                        None => seen.remove(key),
                    };
                }
                self.changes += 1;
            }
        }
        seen
    }
}
