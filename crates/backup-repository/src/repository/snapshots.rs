//! Snapshots that count: signed by somebody who may, of a domain whose keys are here, not forgotten.

use super::inner::Inner;
use super::named::Named;
use crate::crypto::SignerId;
use crate::format::ids::SessionId;
use crate::format::record::{MAX_RECORD, RawRecord, RecordKind};
use crate::format::snapshot::{Head, OpenHead, open_head, snapshot_key};
use crate::keys::Signer;
use crate::notes::Folder;
use backup_core::{Error, ErrorKind, Key, Result, StorageExt};
use std::sync::PoisonError;
use std::time::SystemTime;

/// What a snapshot says that it needs, and who says so.
#[derive(Clone)]
pub(crate) struct Needs {
    pub(crate) signer: SignerId,
    pub(crate) snapshots: Vec<SessionId>,
}

/// A snapshot that counts, also one of a newer version.
pub(crate) struct Counting {
    pub(crate) key: Key,
    pub(crate) head: OpenHead,
    pub(crate) payload: Vec<u8>,
    pub(crate) signer: SignerId,
    /// At the end of its record.
    pub(crate) hash: [u8; 32],
}

/// A snapshot that counts, its head read.
pub(crate) struct Snapshot {
    pub(crate) key: Key,
    pub(crate) head: Head,
    pub(crate) payload: Vec<u8>,
}

/// What listings of the snapshots and the notes showed.
pub(crate) struct Listed {
    /// Oldest first, each with the storage's time.
    pub(crate) snapshots: Vec<(SessionId, SystemTime)>,
    pub(crate) notes: Folder,
}

impl Listed {
    pub(crate) fn has(&self, id: &SessionId) -> bool {
        self.snapshots.binary_search_by_key(id, |(id, _)| *id).is_ok()
    }
}

impl Inner {
    /// A snapshot that somebody signed who may.
    ///
    /// # Errors
    /// As [`Inner::counting`]; `Unsupported` for one that counts and is of a newer version.
    pub(crate) async fn snapshot(&self, id: &SessionId) -> Result<Snapshot> {
        self.counting(id).await?.read().map_err(|e| e.context("snapshot", id))
    }

    /// The same, as far as every version can say.
    ///
    /// # Errors
    /// `NotFound` also for the tombstone of a session that was ended before it committed, and for one of a domain whose
    /// keys are not here; `Damaged` for one that does not count.
    pub(crate) async fn counting(&self, id: &SessionId) -> Result<Counting> {
        let key = snapshot_key(id)?;
        let bytes = self.storage.get_bytes(&key, MAX_RECORD).await?;
        self.counting_of(id, key, &bytes)
    }

    /// The same, of bytes that were read under its key.
    ///
    /// # Errors
    /// As [`Inner::counting`].
    pub(crate) fn counting_of(&self, id: &SessionId, key: Key, bytes: &[u8]) -> Result<Counting> {
        let named = |e: Error| e.context("snapshot", id);
        let raw = RawRecord::parse(bytes).map_err(named)?;
        if self.signers.verify(RecordKind::Tombstone, &key, &raw).is_ok() {
            let what = "the session was ended before it committed a snapshot";
            return Err(Error::new(ErrorKind::NotFound, what).context("session", id));
        }
        let signer = self.signers.verify(RecordKind::Snapshot, &key, &raw).map_err(named)?;
        let head = self.open_head(&key, raw.payload, signer).map_err(named)?;
        if let Signer::Writer(writer) = signer {
            writer.vouches_for(id, &head.label.name, &raw.hash).map_err(named)?;
        }
        let needs = Needs { signer: raw.signer, snapshots: head.label.needs.clone() };
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).insert(*id, needs);
        Ok(Counting { head, payload: raw.payload.to_vec(), signer: raw.signer, hash: raw.hash, key })
    }

    /// As [`Inner::counting`]; none for what does not count, or is not there.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn if_counting(&self, id: &SessionId) -> Result<Option<Counting>> {
        match self.counting(id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The head, with the key of its domain: the writer's, or whichever opens what an owner signed.
    fn open_head(&self, key: &Key, payload: &[u8], signer: Signer<'_>) -> Result<OpenHead> {
        for domain in self.domains.iter().filter(|domain| signer.may_be_in(domain.number)) {
            match open_head(key, &domain.keys.index, payload)? {
                Some(head) if head.label.domain == domain.number => return Ok(head),
                Some(_) => {
                    return Err(Error::new(ErrorKind::Damaged, "the snapshot names another domain than its own"));
                }
                None => {}
            }
        }
        let kind = if self.is_owner() { ErrorKind::Damaged } else { ErrorKind::NotFound };
        Err(Error::new(kind, "the snapshot is of a domain whose keys are not here"))
    }

    /// Every snapshot's id, oldest first.
    pub(crate) async fn snapshot_ids(&self) -> Result<Vec<SessionId>> {
        Ok(self.listed().await?.snapshots.into_iter().map(|(id, _)| id).collect())
    }

    /// Every snapshot that is not forgotten, and the notes: a listing of each.
    pub(crate) async fn listed(&self) -> Result<Listed> {
        let named = Named::read(self).await?;
        let mut snapshots = Vec::new();
        for (id, meta) in named.objects() {
            if named.stands(self, id).await? {
                snapshots.push((*id, meta.modified));
            }
        }
        Ok(Listed { snapshots, notes: named.notes })
    }
}

impl Counting {
    /// With the whole head.
    ///
    /// # Errors
    /// `Unsupported` for one of a newer version; `Damaged`.
    pub(crate) fn read(self) -> Result<Snapshot> {
        let Counting { key, head, payload, .. } = self;
        Ok(Snapshot { head: head.read()?, key, payload })
    }
}
