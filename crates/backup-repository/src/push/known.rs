use crate::format::ids::{ChunkId, Kind, PackName};
use crate::index::{Answer, IndexSet, RunReader};
use hashbrown::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

const SHARDS: usize = 16;

/// Which chunks need not be stored: those of the index, and those this session has taken on itself since its last run.
pub(crate) struct Known {
    index: RwLock<Arc<IndexSet>>,
    condemned: std::collections::HashSet<PackName>,
    data: Claims,
    metadata: Claims,
}

impl Known {
    pub(crate) fn new(index: Arc<IndexSet>, condemned: std::collections::HashSet<PackName>) -> Self {
        Known { index: RwLock::new(index), condemned, data: Claims::default(), metadata: Claims::default() }
    }

    fn claims(&self, kind: Kind) -> &Claims {
        match kind {
            Kind::Data => &self.data,
            Kind::Metadata => &self.metadata,
        }
    }

    /// Whether the caller must store this chunk: true for exactly one of several threads that ask.
    pub(crate) fn claim(&self, kind: Kind, id: &ChunkId) -> bool {
        // Claims are asked first: a chunk leaves them only after the index has it.
        !self.is_present(kind, id) && self.claims(kind).insert(id)
    }

    /// Whether the chunk is stored, or this session has taken it on itself.
    pub(crate) fn is_present(&self, kind: Kind, id: &ChunkId) -> bool {
        self.claims(kind).contains(id) || self.is_stored(kind, id)
    }

    /// Whether the chunk has a place in a pack that is not condemned.
    fn is_stored(&self, kind: Kind, id: &ChunkId) -> bool {
        let is_condemned: &dyn Fn(&PackName) -> bool = &|pack| self.condemned.contains(pack);
        let is_condemned = (!self.condemned.is_empty()).then_some(is_condemned);
        // Every run was brought here. What cannot be read here after all costs storing the chunk again.
        matches!(self.index().contains(kind, id, is_condemned), Answer::Known(true))
    }

    /// Adds a run of ours, which takes over the claims it holds.
    pub(crate) fn publish(&self, run: Arc<RunReader>, ids: impl Iterator<Item = ChunkId>) {
        let kind = run.kind();
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            let runs = index.runs().iter().cloned().chain(std::iter::once(run)).collect();
            *index = Arc::new(IndexSet::new(runs));
        }
        let claims = self.claims(kind);
        ids.for_each(|id| claims.remove(&id));
    }

    pub(crate) fn index(&self) -> Arc<IndexSet> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Default)]
struct Claims([Mutex<HashSet<ChunkId, BuildHasherDefault<Prefix>>>; SHARDS]);

impl Claims {
    fn with<T>(
        &self,
        id: &ChunkId,
        act: impl FnOnce(&mut HashSet<ChunkId, BuildHasherDefault<Prefix>>) -> T,
    ) -> Option<T> {
        let [.., last] = id.0;
        let shard = self.0.get(usize::from(last) % SHARDS)?;
        Some(act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn contains(&self, id: &ChunkId) -> bool {
        self.with(id, |shard| shard.contains(id)).unwrap_or(false)
    }

    fn insert(&self, id: &ChunkId) -> bool {
        self.with(id, |shard| shard.insert(*id)).unwrap_or(true)
    }

    fn remove(&self, id: &ChunkId) {
        self.with(id, |shard| shard.remove(id));
    }
}

/// Chunk ids are keyed hashes already: eight of their bytes are as good a hash as any.
#[derive(Default)]
struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(prefix) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*prefix);
        }
    }
}
