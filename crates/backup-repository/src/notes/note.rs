use super::folder::Folder;
use crate::crypto::IndexKey;
use crate::format::ids::SessionId;
use crate::format::record::{RecordKind, open_json, seal_json};
use crate::format::snapshot::Head;
use crate::protocol::{Object, Outcome};
use crate::repository::{Inner, Repository};
use crate::session::{create_record, is_valid, key_of, read_signed};
use backup_core::{BackupId, Error, ErrorKind, Key, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// No note's object is longer, in bytes.
const MAX_NOTE: u64 = 64 << 10;
/// What a record adds to its payload is less.
const ROOM: usize = 1 << 10;

/// What owners say of a snapshot: all that holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its tags. They take the place of those that the push gave it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Why it must not be forgotten; the reason may be empty.
    #[serde(default)]
    pub hold: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub comment: Option<String>,
    /// What a newer version has said besides: it goes on holding.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Note {
    /// What holds where nothing was noted yet.
    pub(super) fn first(head: &Head) -> Self {
        Note { tags: head.tags.clone(), ..Note::default() }
    }
}

/// `notes/<s>/<n>`.
pub(super) fn key(snapshot: &SessionId, number: u32) -> Result<Key> {
    Key::new(format!("notes/{snapshot}/{number}"))
}

/// Reads a note; none when it is not there, or no owner signed it.
///
/// # Errors
/// `Damaged` when an owner signed it and it does not open; `Unsupported` for one of a newer version; what the storage
/// said.
pub(super) async fn read(inner: &Inner, key: &Key, index: &IndexKey) -> Result<Option<Note>> {
    let Some((_, payload)) = read_signed(inner, RecordKind::Note, key, MAX_NOTE).await? else { return Ok(None) };
    open_json(index, key, &payload).map(Some).map_err(|e| e.context("key", key))
}

impl Repository {
    /// What holds of a snapshot now.
    ///
    /// # Errors
    /// `NotFound`, `Damaged`, `Unsupported` for a note of a newer version; what the storage said.
    pub async fn note(&self, id: &BackupId) -> Result<Note> {
        let (snapshot, head) = self.noted(id).await?;
        let index = self.0.index_key_of(head.domain)?;
        let noted = Folder::read_one(&self.0, &snapshot).await?.note(&self.0, &snapshot, index).await?;
        Ok(noted.map_or_else(|| Note::first(&head), |(_, note)| note))
    }

    /// Changes what holds of a snapshot, and gives what holds then. When another owner is faster, `change` is called again
    /// with what that one has made of it. A change that changes nothing writes nothing. A forget that has looked for a hold just
    /// before goes on.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `InvalidInput` when it becomes longer than 63 KiB; `NotFound`, also for a snapshot that
    /// is forgotten meanwhile; else as [`Repository::note`].
    pub async fn change_note(&self, id: &BackupId, change: impl Fn(&mut Note) + Send + Sync) -> Result<Note> {
        let inner = &*self.0;
        inner.need_owner("note something of a snapshot")?;
        let (snapshot, head) = self.noted(id).await?;
        let index = inner.index_key_of(head.domain)?;
        let folder = Folder::read_one(inner, &snapshot).await?;
        let (mut number, mut before) = match folder.note(inner, &snapshot, index).await? {
            Some((number, note)) => (after(number)?, note),
            None => (0, Note::first(&head)),
        };
        loop {
            let mut note = before.clone();
            change(&mut note);
            if note == before {
                break;
            }
            let key = key(&snapshot, number)?;
            let payload = seal_json(index, &key, &note)?;
            if payload.len() + ROOM > MAX_NOTE as usize {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "the tags, hold and comment of a snapshot are too long",
                )
                .context("snapshot", id)
                .context("bytes", payload.len()));
            }
            let outcome = create_record(inner, RecordKind::Note, &key, &payload).await?;
            number = after(number)?;
            if outcome == Outcome::Created {
                before = note;
                break;
            }
            // Rubbish there is passed over, as readers do.
            before = read(inner, &key, index).await?.unwrap_or(before);
        }
        // Who holds a snapshot must know if it was too late.
        if is_valid(inner, RecordKind::Forgotten, &key_of(&Object::Forgotten(snapshot))?).await? {
            return Err(Error::new(ErrorKind::NotFound, "the snapshot is forgotten").context("snapshot", id));
        }
        Ok(before)
    }

    async fn noted(&self, id: &BackupId) -> Result<(SessionId, Head)> {
        let snapshot = SessionId::from_hex(&id.0)?;
        Ok((snapshot, self.0.snapshot(&snapshot).await?.head))
    }
}

fn after(number: u32) -> Result<u32> {
    let full = || Error::new(ErrorKind::Unsupported, "a snapshot has as many notes as there can be");
    number.checked_add(1).ok_or_else(full)
}
