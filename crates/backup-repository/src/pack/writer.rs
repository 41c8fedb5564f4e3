use super::footer::{Footer, FooterSegment};
use super::segment::{Compressor, PlainSegment, SegmentPlace, associated};
use super::{END_MAGIC, HEADER_LEN, MAGIC};
use crate::crypto::{IndexKey, Recipient, SealKey, WRAP_KIND, WrappedKey};
use crate::format::ids::{ChunkId, Kind, PackName, RepositoryId};
use crate::repository::Inner;
use crate::session::{Names, outcome_of};
use backup_core::Spare;
use backup_core::{Error, ErrorKind, ObjectMeta, PutOptions, Result, StorageDriver};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Sealed segments on their way to the storage, for each open pack.
const IN_FLIGHT: usize = 4;
/// Packs that may be finishing (being made durable) while the next one is written.
const FINISHING: usize = 2;

/// What all packs of one session have in common.
pub(crate) struct PackWriterOptions {
    pub(crate) storage: Arc<dyn StorageDriver>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) repository: RepositoryId,
    pub(crate) domain: u32,
    pub(crate) identity: u16,
    pub(crate) recipient: Recipient,
    pub(crate) index_key: IndexKey,
    /// A pack is closed once it is this long, in bytes.
    pub(crate) pack_len: u64,
    /// Names packs, for all pack writers of a session.
    pub(crate) names: Arc<dyn Names>,
    /// Bytes handed to the storage.
    pub(crate) stored_bytes: Arc<AtomicU64>,
}

impl PackWriterOptions {
    /// As this repository wants packs, from within a runtime.
    pub(crate) fn new(inner: &Inner, names: Arc<dyn Names>, stored_bytes: Arc<AtomicU64>) -> Self {
        PackWriterOptions {
            storage: inner.storage.clone(),
            runtime: tokio::runtime::Handle::current(),
            repository: inner.config.repository,
            domain: inner.domain,
            identity: inner.identity_number(),
            recipient: inner.config.recipient.clone(),
            index_key: inner.keys.index.clone(),
            pack_len: inner.options.pack_bytes,
            names,
            stored_bytes,
        }
    }
}

/// Packs that are stored and stand in no run yet.
#[derive(Default)]
pub(crate) struct FinishedPacks {
    pub(crate) packs: Vec<FinishedPack>,
}

/// One of them.
pub(crate) struct FinishedPack {
    pub(crate) name: PackName,
    pub(crate) identity: u16,
    pub(crate) length: u64,
    /// BLAKE3 of the stored bytes before it.
    pub(crate) hash: [u8; 32],
    pub(crate) wrapped: WrappedKey,
    pub(crate) footer: Footer,
}

/// Seals segments into packs of one kind and streams them to the storage. Called from worker threads, which wait here
/// while the storage is behind.
pub(crate) struct PackWriter {
    kind: Kind,
    options: PackWriterOptions,
    spare: Spare,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<OpenPack>,
    uploads: VecDeque<Upload>,
    finished: FinishedPacks,
    rows: usize,
}

/// A pack on its way, and the answer to come.
struct Upload {
    pack: FinishedPack,
    done: oneshot::Receiver<Result<ObjectMeta>>,
}

struct OpenPack {
    name: PackName,
    key: SealKey,
    wrapped: WrappedKey,
    footer: Footer,
    length: u64,
    hasher: blake3::Hasher,
    header: [u8; HEADER_LEN],
    parts: mpsc::Sender<Bytes>,
    done: oneshot::Receiver<Result<ObjectMeta>>,
}

impl PackWriter {
    pub(crate) fn new(kind: Kind, options: PackWriterOptions) -> Self {
        PackWriter { kind, options, spare: Spare::default(), state: Mutex::default() }
    }

    /// An empty segment, with memory of one that was stored if there is one.
    pub(crate) fn segment(&self) -> PlainSegment {
        PlainSegment { bytes: self.spare.take_empty(), chunks: Vec::new() }
    }

    /// Compresses a segment, seals it and sends it on.
    ///
    /// # Errors
    /// As [`PackWriter::add`].
    pub(crate) fn store(&self, compressor: &mut Compressor, segment: PlainSegment) -> Result<()> {
        let PlainSegment { bytes, chunks } = segment;
        let plain_len = bytes.len() as u32;
        let (stored, flags) = compressor.compress(bytes, &self.spare)?;
        self.add(stored, flags, plain_len, &chunks)
    }

    /// Seals one segment in its stored form and sends it on.
    ///
    /// # Errors
    /// What the storage said of this or an earlier pack: the session cannot commit then.
    pub(crate) fn add(&self, mut stored: Vec<u8>, flags: u8, plain_len: u32, chunks: &[(ChunkId, u32)]) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pack = match state.open.take() {
            Some(pack) => pack,
            None => self.open()?,
        };
        let number = pack.footer.segments.len() as u32;
        let aad = associated(&self.options.repository, &pack.name, number, self.kind, flags, plain_len);
        pack.key.seal(u64::from(number), &aad, &mut stored)?;
        let sealed_len = stored.len() as u32;
        pack.footer.segments.push(FooterSegment { sealed_len, plain_len, chunks: chunks.len() as u32, flags });
        pack.footer.chunks.extend_from_slice(chunks);
        state.rows += chunks.len();
        pack.send(self.spare.lend(stored), &self.options.stored_bytes)?;
        if pack.length >= self.options.pack_len {
            self.close_pack(&mut state, pack)
        } else {
            state.open = Some(pack);
            Ok(())
        }
    }

    /// Chunks in packs that were not taken yet.
    pub(crate) fn rows(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rows
    }

    /// Closes the open pack, waits for every upload, and gives the packs that are stored and were not taken before;
    /// and what the storage said, if it refused any.
    pub(crate) fn take_finished(&self) -> (FinishedPacks, Result<()>) {
        let (uploads, mut finished, mut result) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let closed = state.open.take().map_or(Ok(()), |pack| self.close_pack(&mut state, pack));
            state.rows = 0;
            (std::mem::take(&mut state.uploads), std::mem::take(&mut state.finished), closed)
        };
        // Outside the lock: others may go on with the next pack.
        for upload in uploads {
            match self.wait(upload) {
                Ok(pack) => finished.packs.push(pack),
                Err(error) => result = result.and(Err(error)),
            }
        }
        (finished, result)
    }

    fn open(&self) -> Result<OpenPack> {
        let options = &self.options;
        let name = options.names.begin_pack()?;
        let (key, wrapped) = options.recipient.new_key()?;
        let (parts, received) = mpsc::channel(IN_FLIGHT);
        let (report, done) = oneshot::channel();
        let (storage, object) = (options.storage.clone(), name.key()?);
        let names = options.names.clone();
        options.runtime.spawn(async move {
            // The session lives as long as anything of it may still arrive.
            let _alive = names;
            // An upload that nobody waits for any more is dropped with its sender.
            let _ = report.send(upload(&*storage, object, received).await);
        });
        let mut header = [0; HEADER_LEN];
        let parts_of_it: [&[u8]; 5] = [
            MAGIC,
            &[self.kind.to_byte(), WRAP_KIND],
            &options.identity.to_le_bytes(),
            &options.domain.to_le_bytes(),
            &wrapped,
        ];
        for (to, from) in header.iter_mut().zip(parts_of_it.into_iter().flatten()) {
            *to = *from;
        }
        let mut pack = OpenPack {
            name,
            key: SealKey::new(&key)?,
            wrapped,
            header,
            footer: Footer::default(),
            length: 0,
            hasher: blake3::Hasher::new(),
            parts,
            done,
        };
        pack.send(Bytes::copy_from_slice(&header), &options.stored_bytes)?;
        Ok(pack)
    }

    fn close_pack(&self, state: &mut State, mut pack: OpenPack) -> Result<()> {
        let options = &self.options;
        let footer = pack.footer.seal(&options.index_key, &options.repository, &pack.name, &pack.header)?;
        let footer_len = (footer.len() as u32).to_le_bytes();
        let stored_bytes = &self.options.stored_bytes;
        pack.send(footer.into(), stored_bytes)?;
        pack.send(Bytes::copy_from_slice(&footer_len), stored_bytes)?;
        let hash = *pack.hasher.finalize().as_bytes();
        pack.send([&hash[..], END_MAGIC].concat().into(), stored_bytes)?;
        // An empty part says that the pack is whole; a sender that is merely dropped means the opposite.
        pack.send(Bytes::new(), stored_bytes)?;
        let OpenPack { name, wrapped, footer, length, done, .. } = pack;
        let pack = FinishedPack { name, identity: self.options.identity, length, hash, wrapped, footer };
        state.uploads.push_back(Upload { pack, done });
        while state.uploads.len() > FINISHING
            && let Some(upload) = state.uploads.pop_front()
        {
            state.finished.packs.push(self.wait(upload)?);
        }
        Ok(())
    }

    /// Waits until a pack is stored.
    fn wait(&self, Upload { pack, done }: Upload) -> Result<FinishedPack> {
        let outcome = outcome_of(answer(done)).map_err(|e| e.context("pack", pack.name))?;
        self.options.names.pack_stored(pack.name, outcome)?;
        Ok(pack)
    }
}

fn answer(done: oneshot::Receiver<Result<ObjectMeta>>) -> Result<ObjectMeta> {
    done.blocking_recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled, "an upload was dropped")))
}

impl OpenPack {
    fn send(&mut self, part: Bytes, stored_bytes: &AtomicU64) -> Result<()> {
        self.hasher.update(&part);
        self.length += part.len() as u64;
        stored_bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        match self.parts.blocking_send(part) {
            Ok(()) => Ok(()),
            // The upload ended early: its answer says why.
            Err(_) => {
                let (_, never) = oneshot::channel();
                answer(std::mem::replace(&mut self.done, never))?;
                Err(Error::new(ErrorKind::Internal, "an upload ended before its pack was whole"))
            }
        }
    }
}

async fn upload(
    storage: &dyn StorageDriver,
    object: backup_core::Key,
    mut parts: mpsc::Receiver<Bytes>,
) -> Result<ObjectMeta> {
    let mut writer = storage.put(&object, &PutOptions::default()).await?;
    while let Some(part) = parts.recv().await {
        if part.is_empty() {
            return writer.finish().await;
        }
        writer.write(part).await?;
    }
    writer.abort().await?;
    Err(Error::new(ErrorKind::Cancelled, "a pack was given up"))
}

/// The places of a finished pack's chunks.
impl FinishedPack {
    pub(crate) fn places(&self, kind: Kind) -> impl Iterator<Item = (SegmentPlace, &[(ChunkId, u32)])> {
        self.footer.places(self.name, kind)
    }
}
