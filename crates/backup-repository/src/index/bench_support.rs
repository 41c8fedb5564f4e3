//! A synthetic index of any size, for measurements.

use super::{
    Answer, IndexCache, IndexSet, PackRecord, Row, RunBuilder, RunKeys, RunParams, RunReader, RunRows, RunSeal,
    SegmentRecord,
};
use crate::crypto::{IndexKey, SigningKey};
use crate::format::ids::{ChunkId, Kind, PackName, RepositoryId, RunName, SessionId, SessionObject};
use backup_core::{Error, ErrorKind, Result, Silent};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

const REPOSITORY: RepositoryId = RepositoryId([0x5e; 16]);
const ROWS_PER_RUN: u64 = 4_000_000;
const CHUNKS_PER_SEGMENT: u64 = 16;
const SEGMENTS_PER_PACK: u64 = 32;
const CHUNK_LEN: u32 = 65_536;
const SEGMENT_LEN: u32 = 900_000;

/// Where the chunks of an index of so many rows are: runs split by id range, as a merge leaves them, whose chunks lie
/// in segments of sixteen and packs of 32 segments.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    rows: u64,
}

fn mixed(n: u64, salt: u8) -> [u8; 32] {
    let mut input = [salt; 9];
    for (to, from) in input.iter_mut().zip(n.to_le_bytes()) {
        *to = from;
    }
    *blake3::hash(&input).as_bytes()
}

fn first_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Shape {
    /// An index of `rows` rows.
    pub fn new(rows: u64) -> Self {
        Shape { rows: rows.max(1) }
    }

    /// Runs.
    pub fn runs(self) -> u64 {
        self.rows.div_ceil(ROWS_PER_RUN)
    }

    fn rows_in(self, run: u64) -> u64 {
        self.rows / self.runs() + u64::from(run < self.rows % self.runs())
    }

    /// An id in a run's range: a hash, moved there.
    fn id(self, run: u64, n: u64, salt: u8) -> ChunkId {
        let hash = mixed(run << 40 | n, salt);
        let mut id = [0; 20];
        let prefix = (u128::from(run) << 64 | u128::from(first_word(&hash))) / u128::from(self.runs());
        let bytes = (prefix as u64).to_be_bytes();
        for (to, from) in id.iter_mut().zip(bytes.iter().chain(hash.iter().skip(8))) {
            *to = *from;
        }
        ChunkId(id)
    }

    /// The id of some row.
    pub fn present(self, n: u64) -> ChunkId {
        let (run, n) = (n % self.runs(), n / self.runs());
        self.id(run, n % self.rows_in(run), 0)
    }

    /// The id of no row.
    pub fn absent(self, n: u64) -> ChunkId {
        self.id(n % self.runs(), n / self.runs(), 1)
    }

    fn source(self, run: u64) -> Result<RunRows> {
        let all_segments = self.rows.div_ceil(CHUNKS_PER_SEGMENT);
        let mut numbers = BTreeMap::new();
        let mut rows = Vec::with_capacity(self.rows_in(run) as usize);
        for n in 0..self.rows_in(run) {
            let segment = first_word(&mixed(run << 40 | n, 2)) % all_segments;
            let next = numbers.len() as u32;
            let segment = *numbers.entry(segment).or_insert(next);
            let offset = (n % CHUNKS_PER_SEGMENT) as u32 * CHUNK_LEN;
            rows.push(Row { id: self.id(run, n, 0), segment, offset, length: CHUNK_LEN });
        }
        let mut segments = vec![SegmentRecord::default(); numbers.len()];
        for (segment, number) in numbers {
            if let Some(record) = segments.get_mut(number as usize) {
                let number = (segment % SEGMENTS_PER_PACK) as u32;
                *record = SegmentRecord {
                    pack: (segment / SEGMENTS_PER_PACK) as u32,
                    offset: 80 + number * SEGMENT_LEN,
                    sealed_len: SEGMENT_LEN,
                    plain_len: CHUNK_LEN * CHUNKS_PER_SEGMENT as u32,
                    number,
                    flags: 1,
                };
            }
        }
        let packs = (0..all_segments.div_ceil(SEGMENTS_PER_PACK)).map(pack).collect();
        RunRows::new(rows, segments, packs)
    }
}

fn pack(n: u64) -> PackRecord {
    let hash = mixed(n, 3);
    let mut wrapped = [0; 64];
    for (to, from) in wrapped.iter_mut().zip(hash.iter().cycle()) {
        *to = !*from;
    }
    let name = PackName(SessionObject { session: SessionId([7; 16]), number: n as u32 });
    PackRecord { name, kind: Kind::Data, identity: 0, length: 32 << 20, hash, wrapped }
}

fn run_name(run: u64) -> RunName {
    RunName(SessionObject { session: SessionId([8; 16]), number: run as u32 })
}

fn seal(run: u64) -> Result<RunSeal> {
    RunSeal::new(REPOSITORY, &IndexKey([9; 32]), run_name(run))
}

fn keys(run: u64) -> RunKeys {
    RunKeys::new(REPOSITORY, [(0, &IndexKey([9; 32]))].into_iter(), run_name(run))
}

fn signer() -> Result<SigningKey> {
    SigningKey::from_seed(Zeroizing::new([10; 32]))
}

fn cache(folder: &Path, memory_bytes: usize) -> Arc<IndexCache> {
    IndexCache::new(REPOSITORY, Some(folder.to_owned()), None, memory_bytes, Arc::new(Silent))
}

/// Writes the local files of a synthetic index, and gives the length of each object.
///
/// # Errors
/// What building a run says.
pub fn build(folder: &Path, shape: Shape) -> Result<Vec<u64>> {
    let (cache, signer) = (cache(folder, 0), Arc::new(signer()?));
    let mut lengths = Vec::new();
    for run in 0..shape.runs() {
        let params =
            RunParams { seal: seal(run)?, kind: Kind::Data, domain: 0, replaces: Vec::new(), signer: signer.clone() };
        let mut builder = RunBuilder::new(params, shape.source(run)?, &cache)?;
        while builder.next_part()?.is_some() {}
        let built = builder.finish()?;
        lengths.push(built.object_len);
        built.keep();
    }
    Ok(lengths)
}

/// An open synthetic index.
pub struct SyntheticIndex(IndexSet);

/// Opens what [`build`] wrote, with at most so much memory for pages.
///
/// # Errors
/// `NotFound` when a file is missing or damaged.
pub fn open(folder: &Path, lengths: &[u64], memory_bytes: usize) -> Result<SyntheticIndex> {
    let (cache, key) = (cache(folder, memory_bytes), signer()?.verifying()?);
    let mut runs = Vec::new();
    for (run, length) in (0..).zip(lengths) {
        let reader = RunReader::open_cached(&cache, keys(run), *length, &|_| Some(key))?;
        let missing = || Error::new(ErrorKind::NotFound, "a synthetic run is not there").context("run", run);
        runs.push(Arc::new(reader.ok_or_else(missing)?));
    }
    Ok(SyntheticIndex(IndexSet::new(runs)))
}

impl SyntheticIndex {
    /// Whether the index has the id.
    pub fn contains(&self, id: &ChunkId) -> bool {
        self.0.contains(Kind::Data, id, None) == Answer::Known(true)
    }

    /// Whether a pack that is not condemned has it: none is, but each must be looked at.
    pub fn contains_live(&self, id: &ChunkId) -> bool {
        self.0.contains(Kind::Data, id, Some(&|_| false)) == Answer::Known(true)
    }

    /// Bytes of the chunk, from its full location.
    pub fn locate(&self, id: &ChunkId) -> Option<u32> {
        match self.0.locate(Kind::Data, *id).next() {
            Answer::Known(location) => location.map(|location| location.length),
            Answer::Needs(_) => None,
        }
    }
}
