//! Small repositories of runs, kept in memory.

use crate::crypto::{IndexKey, SignerId, SigningKey, VerifyingKey};
use crate::format::ids::{ChunkId, Kind, PackName, RepositoryId, RunName, SessionId, SessionObject};
use crate::index::{
    Answer, IndexCache, IndexSet, Location, Need, PackRecord, Row, RunBuilder, RunKeys, RunParams, RunReader, RunRows,
    RunSeal, RunSource, SegmentRecord, TailEnd, find_tail, tail_guess,
};
use backup_core::{Result, Silent};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub(crate) const REPOSITORY: RepositoryId = RepositoryId([0x5e; 16]);

pub(crate) fn id(n: u64) -> ChunkId {
    ChunkId(blake3::hash(&n.to_le_bytes()).as_bytes()[..20].try_into().unwrap())
}

pub(crate) fn run_name(number: u32) -> RunName {
    RunName(SessionObject { session: SessionId([0x11; 16]), number })
}

pub(crate) fn pack_name(number: u32) -> PackName {
    PackName(SessionObject { session: SessionId([0x22; 16]), number })
}

/// Objects and keys of a repository, and a folder for its cache.
pub(crate) struct World {
    pub(crate) index_key: IndexKey,
    pub(crate) signer: Arc<SigningKey>,
    pub(crate) objects: BTreeMap<RunName, Vec<u8>>,
    pub(crate) folder: tempfile::TempDir,
    /// Reads from objects: number and bytes.
    pub(crate) reads: Mutex<(usize, usize)>,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            index_key: IndexKey([3; 32]),
            signer: Arc::new(SigningKey::generate().unwrap()),
            objects: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
            reads: Mutex::default(),
        }
    }

    pub(crate) fn cache(&self) -> Arc<IndexCache> {
        self.cache_in(Some(self.folder.path().join("index")))
    }

    pub(crate) fn cache_in(&self, folder: Option<PathBuf>) -> Arc<IndexCache> {
        IndexCache::new(REPOSITORY, folder, None, 0, Arc::new(Silent))
    }

    pub(crate) fn params(&self, name: RunName, kind: Kind) -> RunParams {
        let replaces = vec![run_name(7_000), run_name(7_001)];
        RunParams { seal: self.seal(name), kind, domain: 3, replaces, signer: self.signer.clone() }
    }

    pub(crate) fn seal(&self, name: RunName) -> RunSeal {
        RunSeal::new(REPOSITORY, &self.index_key, name).unwrap()
    }

    pub(crate) fn keys(&self, name: RunName) -> RunKeys {
        RunKeys::new(REPOSITORY, [(3, &self.index_key)].into_iter(), name)
    }

    pub(crate) fn key_of(&self) -> impl Fn(&SignerId) -> Option<VerifyingKey> + use<> {
        let key = self.signer.verifying().unwrap();
        move |signer| (*signer == key.id()).then_some(key)
    }

    /// Makes a run's object; with `keep` its local file stays.
    pub(crate) fn build(
        &mut self,
        cache: &Arc<IndexCache>,
        name: RunName,
        kind: Kind,
        rows: impl RunSource,
        keep: bool,
    ) {
        let mut builder = RunBuilder::new(self.params(name, kind), rows, cache).unwrap();
        let mut object = Vec::new();
        while let Some(part) = builder.next_part().unwrap() {
            assert!(part.len() <= crate::index::build::MAX_PART);
            object.extend_from_slice(&part);
        }
        let built = builder.finish().unwrap();
        assert_eq!(built.object_len, object.len() as u64);
        if keep {
            built.keep();
        }
        self.objects.insert(name, object);
    }

    /// Opens a run from its local file, else with its tail, as a caller does.
    pub(crate) fn open(&self, cache: &Arc<IndexCache>, name: RunName) -> Result<RunReader> {
        let object = &self.objects[&name];
        let len = object.len() as u64;
        if let Some(reader) = RunReader::open_cached(cache, self.keys(name), len, &self.key_of())? {
            return Ok(reader);
        }
        let mut range = tail_guess(len);
        loop {
            let end = &object[range.start as usize..range.end as usize];
            self.count(end.len());
            match find_tail(end, len)? {
                TailEnd::Whole(tail) => {
                    let tail = &end[end.len() - tail..];
                    return RunReader::from_tail(cache, self.keys(name), tail, len, &self.key_of());
                }
                TailEnd::Longer(longer) => range = longer,
            }
        }
    }

    /// Bytes of a run's tail.
    pub(crate) fn tail_len(&self, name: RunName) -> usize {
        let blocks = self.open(&self.cache_in(None), name).unwrap().fill_range();
        self.objects[&name].len() - blocks.count()
    }

    pub(crate) fn open_all(&self, cache: &Arc<IndexCache>) -> IndexSet {
        IndexSet::new(self.objects.keys().map(|name| Arc::new(self.open(cache, *name).unwrap())).collect())
    }

    fn count(&self, bytes: usize) {
        let mut reads = self.reads.lock().unwrap();
        *reads = (reads.0 + 1, reads.1 + bytes);
    }

    pub(crate) fn fetch(&self, set: &IndexSet, need: &Need) -> Result<()> {
        let sealed = self.objects[&need.run][need.range.start as usize..need.range.end as usize].to_vec();
        self.count(sealed.len());
        set.provide(need, sealed)
    }

    /// Asks until it is known, fetching what is needed.
    pub(crate) fn ask<T>(&self, set: &IndexSet, mut question: impl FnMut() -> Answer<T>) -> Result<T> {
        for _ in 0..100 {
            match question() {
                Answer::Known(answer) => return Ok(answer),
                Answer::Needs(needs) => {
                    assert!(!needs.is_empty());
                    needs.iter().try_for_each(|need| self.fetch(set, need))?;
                }
            }
        }
        panic!("the index keeps asking");
    }

    pub(crate) fn locate(&self, set: &IndexSet, kind: Kind, id: &ChunkId) -> Result<Vec<Location>> {
        let mut candidates = set.locate(kind, *id);
        let mut all = Vec::new();
        while let Some(location) = self.ask(set, || candidates.next())? {
            all.push(location);
        }
        Ok(all)
    }

    pub(crate) fn contains(&self, set: &IndexSet, kind: Kind, id: &ChunkId) -> Result<bool> {
        self.ask(set, || set.contains(kind, id, None))
    }
}

/// Runs of `per_segment` chunks a segment and four segments a pack, from the pack numbered `first_pack` on.
pub(crate) fn rows_of(ids: &[ChunkId], kind: Kind, first_pack: u32, per_segment: usize) -> RunRows {
    let (mut rows, mut segments) = (Vec::new(), Vec::new());
    for (segment, chunks) in (0u32..).zip(ids.chunks(per_segment)) {
        let in_segment = (0u32..).zip(chunks);
        rows.extend(in_segment.map(|(n, id)| Row { id: *id, segment, offset: n * 100, length: 100 - n % 7 }));
        let (pack, number, sealed_len) = (segment / 4, segment % 4, 5_000);
        let plain_len = 100 * per_segment as u32;
        segments.push(SegmentRecord {
            pack,
            offset: 80 + number * sealed_len,
            sealed_len,
            plain_len,
            number,
            flags: 1,
        });
    }
    let packs = (0..segments.len().div_ceil(4) as u32).map(|n| pack_record(first_pack + n, kind)).collect();
    RunRows::new(rows, segments, packs).unwrap()
}

fn pack_record(number: u32, kind: Kind) -> PackRecord {
    let wrapped = [number as u8; 64];
    PackRecord {
        name: pack_name(number),
        kind,
        identity: number as u16,
        length: 30_000,
        hash: [number as u8; 32],
        wrapped,
    }
}
