use super::front::Front;
use super::object::Object;
use super::scan::Table;
use super::{Folder, blocking, damaged};
use crate::index::PIECE_BYTES;
use crate::layers::{self, AgeKey, Keys};
use crate::manifest::Stored;
use backup_core::{LayerRecord, Layers, Result, Spare};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

const PIECE: u64 = PIECE_BYTES as u64;
/// Pieces that are kept: neighbouring batches, and small entries that are streamed, lie in the same ones.
const RECENT: usize = 3;
/// What is read of an age file at first; its header is mostly shorter.
const HEAD_BYTES: u64 = 4 << 10;

/// An archive object as the checked pieces of what went into its first layer.
pub(crate) struct Pieces {
    object: Object,
    table: Table,
    plain_bytes: u64,
    unwrap: Unwrap,
    spare: Spare,
    recent: Mutex<VecDeque<(u64, Arc<OnceCell<Bytes>>)>>,
}

/// How a piece is had out of what is stored.
enum Unwrap {
    /// By itself: a frame of a compression if there is one, in an age file if it is one.
    Ranged { frames: Option<LayerRecord>, age: Option<Sealed> },
    /// Only behind the ones before it.
    Front(Front),
}

struct Sealed {
    keys: Keys,
    key: OnceCell<Arc<AgeKey>>,
}

/// Stored bytes that hold a piece.
struct Fetched {
    bytes: Vec<u8>,
    /// What opens them, and where the frame lies in the age file.
    sealed: Option<(Arc<AgeKey>, Range<u64>)>,
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").field("object", &self.object).finish_non_exhaustive()
    }
}

impl Pieces {
    /// The pieces of an object, as the index lists them.
    ///
    /// # Errors
    /// `Damaged` when index and manifest do not fit together; `Unsupported` for a layer that is not built in.
    pub(crate) fn new(folder: &Folder, stored: &Stored, table: Table) -> Result<Self> {
        let records = stored.records();
        let (frames, rest) = match records.split_first() {
            Some((first, rest)) if layers::has_frames(first) => (Some(first.clone()), rest),
            _ => (None, records.as_slice()),
        };
        let sealed = || Sealed { keys: folder.keys.clone(), key: OnceCell::new() };
        let unwrap = match rest {
            [] => Unwrap::Ranged { frames, age: None },
            [only] if only.name == "age" => Unwrap::Ranged { frames, age: Some(sealed()) },
            _ => Unwrap::Front(Front::new(Layers::from_records(&records, |r| layers::make(r, &folder.keys))?)),
        };
        let pieces = Pieces {
            object: Object::new(folder.storage.clone(), stored)?,
            table,
            plain_bytes: stored.plain.bytes,
            unwrap,
            spare: folder.spare.clone(),
            recent: Mutex::default(),
        };
        pieces.check().map_err(|e| pieces.object.on(e))?;
        Ok(pieces)
    }

    /// Whether the pieces can be what they say, as far as that is known before anything is read.
    fn check(&self) -> Result<()> {
        match &self.unwrap {
            Unwrap::Ranged { frames: None, .. } if self.table.bytes() != self.plain_bytes => {
                Err(damaged("pieces of an archive are longer or shorter than they can be"))
            }
            Unwrap::Ranged { age: None, .. } => self.check_length(self.object.bytes),
            _ => Ok(()),
        }
    }

    /// How much memory it takes to read a piece, in bytes; without a bound where pieces are only had one after the other.
    pub(crate) fn cost(&self, number: u64) -> u64 {
        match &self.unwrap {
            Unwrap::Ranged { .. } => self.table.get(number).map_or(0, |(_, at)| at.end - at.start) + self.plain(number),
            Unwrap::Front(_) => u64::MAX,
        }
    }

    /// A piece's plain bytes, as they were when the archive was made. It is asked for now, and read when it is awaited.
    ///
    /// # Errors
    /// `Damaged` when they are not; what the storage said.
    pub(crate) fn get(self: &Arc<Self>, number: u64) -> impl Future<Output = Result<Bytes>> + Send + use<> {
        let (pieces, cell) = (self.clone(), self.cell(number));
        async move {
            let read = cell.get_or_try_init(|| pieces.read(number)).await;
            read.cloned().map_err(|e| pieces.object.on(e).context("piece", number))
        }
    }

    /// Who asks for a piece that somebody reads waits for that.
    fn cell(&self, number: u64) -> Arc<OnceCell<Bytes>> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().position(|(kept, _)| *kept == number);
        let (_, cell) = at.and_then(|at| recent.remove(at)).unwrap_or_default();
        recent.truncate(RECENT - 1);
        recent.push_front((number, cell.clone()));
        cell
    }

    async fn read(self: &Arc<Self>, number: u64) -> Result<Bytes> {
        let fetched = self.fetch(number).await?;
        let pieces = self.clone();
        blocking(move || pieces.open(number, fetched)).await
    }

    async fn fetch(&self, number: u64) -> Result<Fetched> {
        let (_, frame) = self.table.get(number).ok_or_else(|| damaged("an archive has no such piece"))?;
        match &self.unwrap {
            Unwrap::Front(front) => {
                let bytes = front.read(&self.object, number, self.plain(number), &self.spare).await?;
                Ok(Fetched { bytes, sealed: None })
            }
            Unwrap::Ranged { age: None, .. } => {
                Ok(Fetched { bytes: self.object.range(frame, &self.spare).await?, sealed: None })
            }
            Unwrap::Ranged { age: Some(sealed), .. } => {
                let key = sealed.key.get_or_try_init(|| self.key(&sealed.keys)).await?.clone();
                let range = key.stored_range(frame.clone(), self.object.bytes)?;
                let bytes = self.object.range(range, &self.spare).await?;
                Ok(Fetched { bytes, sealed: Some((key, frame)) })
            }
        }
    }

    /// The key of the age file, out of its header.
    async fn key(&self, keys: &Keys) -> Result<Arc<AgeKey>> {
        let mut wanted = HEAD_BYTES;
        loop {
            let head = self.object.range(0..wanted.min(self.object.bytes), &self.spare).await?;
            let identities = keys.age().clone();
            match blocking(move || AgeKey::open(&head, &identities)).await? {
                Some(key) => {
                    self.check_length(key.plain_len(self.object.bytes)?)?;
                    return Ok(Arc::new(key));
                }
                None if wanted >= self.object.bytes => return Err(damaged("an age file ends in its header")),
                // The layer refuses a header that is too long.
                None => wanted *= 8,
            }
        }
    }

    /// Whether the frames fit into what is stored behind the compression.
    fn check_length(&self, bytes: u64) -> Result<()> {
        if self.table.bytes() <= bytes {
            return Ok(());
        }
        Err(damaged("an archive is shorter than its index says"))
    }

    /// Keeps the thread busy.
    fn open(&self, number: u64, fetched: Fetched) -> Result<Bytes> {
        let mut bytes = fetched.bytes;
        if let Some((key, frame)) = fetched.sealed {
            let opened = key.decrypt(&bytes, frame, self.object.bytes)?;
            self.spare.give(std::mem::replace(&mut bytes, opened));
        }
        if let Unwrap::Ranged { frames: Some(frames), .. } = &self.unwrap {
            let plain = layers::decode_frame(frames, &bytes, self.plain(number) as usize)?;
            self.spare.give(std::mem::replace(&mut bytes, plain));
        }
        let expected = self.table.get(number).map(|(sum, _)| sum);
        if expected.as_ref() != Some(blake3::hash(&bytes).as_bytes()) {
            return Err(damaged("a piece of an archive is not what was stored: its checksum differs from the index's"));
        }
        Ok(self.spare.lend(bytes))
    }

    /// How many plain bytes a piece has.
    fn plain(&self, number: u64) -> u64 {
        self.plain_bytes.saturating_sub(number.saturating_mul(PIECE)).min(PIECE)
    }
}
