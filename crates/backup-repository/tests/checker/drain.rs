//! Whether everything that is left over goes away: all clients are gone, their sessions are fenced, and prunes run
//! alone, one after the other, a year later.

use crate::prune::{Habits, Merges, Pruner};
use crate::store::{IndexObject, Sid, SnapshotObject, Store};
use backup_repository::protocol::{Fence, FenceTask, Rules};
use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most passes that it may take.
const MAX_PASSES: u8 = 6;

/// The storages drained so far: many states of a model have the same storage.
pub struct Drains {
    clean: Vec<Mutex<HashSet<u64>>>,
    longest: AtomicUsize,
}

impl Default for Drains {
    fn default() -> Self {
        Drains { clean: (0..64).map(|_| Mutex::default()).collect(), longest: AtomicUsize::new(0) }
    }
}

impl Drains {
    pub fn leave_nothing(&self, store: &Store) -> bool {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(store);
        let shard = &self.clean[(hash % 64) as usize];
        if shard.lock().unwrap().contains(&hash) {
            return true;
        }
        let passes = passes_until_clean(store);
        if let Some(passes) = passes {
            self.longest.fetch_max(usize::from(passes), Ordering::Relaxed);
            shard.lock().unwrap().insert(hash);
        }
        passes.is_some()
    }

    /// Different storages drained, and the most passes that one took.
    pub fn counts(&self) -> (usize, usize) {
        let storages = self.clean.iter().map(|shard| shard.lock().unwrap().len()).sum();
        (storages, self.longest.load(Ordering::Relaxed))
    }
}

/// How many passes it takes; none if it takes too many or loses something.
pub fn passes_until_clean(store: &Store) -> Option<u8> {
    let mut store = store.clone();
    let open: Vec<Sid> = store.sessions.iter().filter(|(_, ended)| !**ended).map(|(session, _)| *session).collect();
    open.into_iter().for_each(|session| fence(&mut store, session));
    let referenced = store.referenced();
    for pass in 0..MAX_PASSES {
        if is_clean(&store) {
            return Some(pass);
        }
        prune(&mut store, Sid::drain(pass + 1))?;
        if store.referenced() != referenced || store.lost() != 0 {
            return None;
        }
    }
    is_clean(&store).then_some(MAX_PASSES)
}

fn fence(store: &mut Store, session: Sid) {
    let mut fence = Fence::new(session);
    loop {
        match fence.next() {
            FenceTask::Create(object) => fence.created(store.create(&object)).unwrap(),
            FenceTask::ListRuns(session) => fence.runs(store.index_names(session)).unwrap(),
            FenceTask::Done(_) => return,
        }
    }
}

fn prune(store: &mut Store, session: Sid) -> Option<()> {
    let habits = Habits {
        rules: Rules::default(),
        prefers_last: false,
        merges: Merges::All,
        is_a_year_later: true,
        all_lapsed: false,
        is_alone: true,
    };
    let mut pruner = Pruner::new(&[session], habits);
    while !pruner.is_done() {
        pruner.step(store, None, false).ok()?;
    }
    Some(())
}

/// Each referenced chunk once, in packs of nothing else, in one run; nothing else but the sessions of these objects.
fn is_clean(store: &Store) -> bool {
    let is_commit = |(session, object): (&Sid, &SnapshotObject)| {
        matches!(object, SnapshotObject::Commit(_)) && !store.forgotten.contains(session)
    };
    let held: u32 = store.packs.values().map(|chunks| chunks.count_ones()).sum();
    let packs = store.packs.values().fold(0, |all, chunks| all | chunks);
    let runs: Vec<_> = store.index.values().collect();
    store.condemned.is_empty()
        && store.void.is_empty()
        && store.snapshots.iter().all(is_commit)
        && packs == store.referenced()
        && held == packs.count_ones()
        && match runs.as_slice() {
            [] => store.packs.is_empty(),
            [IndexObject::Run(rows)] => *rows == store.packs,
            _ => false,
        }
        && store.sessions.keys().all(|session| {
            // The last pass is swept by the next.
            session.is_drain()
                || store.packs.keys().any(|pack| pack.session == *session)
                || store.index.keys().any(|run| run.session == *session)
        })
}
