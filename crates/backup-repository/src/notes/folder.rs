use super::note::{self, Note};
use super::receipts::receipts_number;
use crate::crypto::IndexKey;
use crate::format::ids::{SessionId, decimal};
use crate::format::record::RecordKind;
use crate::protocol::Object;
use crate::repository::Inner;
use crate::session::{is_valid, key_of};
use backup_core::{Key, Result, StorageExt};
use std::collections::HashMap;

/// What is noted of snapshots, as a listing of `notes/` showed it: names only, nothing is read or believed yet.
#[derive(Debug, Default)]
pub(crate) struct Folder(HashMap<SessionId, Noted>);

#[derive(Debug, Default)]
struct Noted {
    is_forgotten: bool,
    /// Ascending.
    numbers: Vec<u32>,
}

impl Folder {
    /// What is noted of all snapshots.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn read(inner: &Inner) -> Result<Self> {
        Ok(Folder::of(inner.storage.list_all("notes/").await?.into_iter().map(|(key, _)| key)))
    }

    /// What is noted of one.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn read_one(inner: &Inner, snapshot: &SessionId) -> Result<Self> {
        let listed = inner.storage.list_all(&format!("notes/{snapshot}/")).await?;
        Ok(Folder::of(listed.into_iter().map(|(key, _)| key)))
    }

    fn of(keys: impl Iterator<Item = Key>) -> Self {
        let mut found: HashMap<SessionId, Noted> = HashMap::new();
        for key in keys {
            let Some((snapshot, part)) = split(&key) else { continue };
            match part {
                Part::Forgotten => found.entry(snapshot).or_default().is_forgotten = true,
                Part::Number(number) => found.entry(snapshot).or_default().numbers.push(number),
            }
        }
        // Listed as text, 10 comes before 9.
        found.values_mut().for_each(|noted| noted.numbers.sort_unstable());
        Folder(found)
    }

    /// The snapshots of which something says that they are forgotten, whoever wrote it.
    pub(super) fn said_forgotten(&self) -> impl Iterator<Item = SessionId> {
        self.0.iter().filter(|(_, noted)| noted.is_forgotten).map(|(snapshot, _)| *snapshot)
    }

    /// Whether something says that a snapshot is forgotten, whoever wrote it.
    pub(super) fn says_forgotten(&self, snapshot: &SessionId) -> bool {
        self.0.get(snapshot).is_some_and(|noted| noted.is_forgotten)
    }

    /// Whether an owner forgot a snapshot. Nobody else can make one vanish by a note.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn is_forgotten(&self, inner: &Inner, snapshot: &SessionId) -> Result<bool> {
        Ok(self.says_forgotten(snapshot)
            && is_valid(inner, RecordKind::Forgotten, &key_of(&Object::Forgotten(*snapshot))?).await?)
    }

    /// The note of a snapshot that counts, with its number.
    ///
    /// # Errors
    /// `Damaged` when an owner signed it and it does not open; `Unsupported` for one of a newer version; what the storage
    /// said.
    pub(crate) async fn note(
        &self,
        inner: &Inner,
        snapshot: &SessionId,
        index: &IndexKey,
    ) -> Result<Option<(u32, Note)>> {
        for number in self.numbers(snapshot).iter().rev() {
            if let Some(note) = note::read(inner, &note::key(snapshot, *number)?, index).await? {
                return Ok(Some((*number, note)));
            }
        }
        Ok(None)
    }

    /// The numbers of a snapshot's notes, ascending.
    pub(super) fn numbers(&self, snapshot: &SessionId) -> &[u32] {
        self.0.get(snapshot).map_or(&[], |noted| &noted.numbers)
    }
}

/// What an owner should have signed under a key below `notes/` or `receipts/`, and the snapshot that it concerns.
pub(crate) fn kind_of(key: &Key) -> Option<(RecordKind, Option<SessionId>)> {
    match split(key) {
        Some((snapshot, Part::Forgotten)) => Some((RecordKind::Forgotten, Some(snapshot))),
        Some((snapshot, Part::Number(_))) => Some((RecordKind::Note, Some(snapshot))),
        None => receipts_number(key).map(|_| (RecordKind::Receipts, None)),
    }
}

enum Part {
    Forgotten,
    Number(u32),
}

/// Snapshot and last part of a key below `notes/`, in its one spelling.
fn split(key: &Key) -> Option<(SessionId, Part)> {
    let (text, part) = key.as_str().strip_prefix("notes/")?.split_once('/')?;
    let snapshot = SessionId::from_hex(text).ok()?;
    let part = match part {
        "forgotten" => Part::Forgotten,
        number => Part::Number(decimal(number)?),
    };
    Some((snapshot, part))
}
