use crate::format::ids::{SessionId, decimal};
use crate::format::record::{MAX_RECORD, RecordKind, from_json, to_json};
use crate::format::snapshot::{from_ms, to_ms};
use crate::protocol::Outcome;
use crate::repository::{Inner, Listed, Repository};
use crate::session::{create_record, discard, read_signed};
use backup_core::{Error, ErrorKind, Event, Key, Observer, Result, StorageExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// The clocks of a writer and a storage may differ by this much.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A record names at most so many snapshots, the newest: longer, it could not be read.
const MAX_RECEIPTS: usize = 250_000;

/// When snapshots came, by the storage's time, as owners have signed it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receipts {
    /// The newest record's.
    number: Option<u32>,
    said: Said,
    /// Of all records that were listed.
    numbers: Vec<u32>,
}

/// What a record says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Said {
    #[serde(rename = "snapshots")]
    times: BTreeMap<SessionId, i64>,
    /// What a newer version has said besides: it is taken over.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

fn key(number: u32) -> Result<Key> {
    Key::new(format!("receipts/{number}"))
}

/// The number of a record under this key, if it is a key of one.
pub(crate) fn receipts_number(key: &Key) -> Option<u32> {
    decimal(key.as_str().strip_prefix("receipts/")?)
}

impl Receipts {
    /// What the newest record says that an owner signed: a listing and an object.
    ///
    /// # Errors
    /// `Unsupported` for one of a newer version; what the storage said.
    pub(crate) async fn read(inner: &Inner) -> Result<Self> {
        let listed = inner.storage.list_all("receipts/").await?;
        let mut numbers: Vec<u32> = listed.iter().filter_map(|(key, _)| receipts_number(key)).collect();
        numbers.sort_unstable();
        for number in numbers.iter().rev() {
            if let Some(said) = read(inner, &key(*number)?).await? {
                return Ok(Receipts { number: Some(*number), said, numbers });
            }
        }
        Ok(Receipts { numbers, ..Receipts::default() })
    }

    /// When a snapshot came.
    pub(crate) fn of(&self, snapshot: &SessionId) -> Option<SystemTime> {
        self.said.times.get(snapshot).copied().map(from_ms)
    }

    /// The snapshots that owners have seen, but those that were forgotten before the record was written.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.said.times.keys().copied()
    }

    /// Whether nothing speaks for a snapshot's time, given when it came as the storage says now.
    pub(crate) fn is_untimely(&self, snapshot: &SessionId, writers: SystemTime, storages: SystemTime) -> bool {
        let apart = storages.duration_since(writers).unwrap_or_else(|before| before.duration());
        !self.said.times.contains_key(snapshot) && apart > DAY && !is_dropped(&self.said.times, snapshot)
    }
}

/// Whether a snapshot is older than all of a full record, which had no room for its receipt.
fn is_dropped(times: &BTreeMap<SessionId, i64>, snapshot: &SessionId) -> bool {
    times.len() >= MAX_RECEIPTS && times.first_key_value().is_some_and(|(oldest, _)| snapshot < oldest)
}

/// Adds what is listed and not known, and drops what is forgotten; gives how many were added.
fn add(times: &mut BTreeMap<SessionId, i64>, listed: &Listed) -> usize {
    let before = times.len();
    // The newest first: what there is no room for is not added.
    for (id, stored) in listed.snapshots.iter().rev() {
        if is_dropped(times, id) {
            break;
        }
        times.entry(*id).or_insert_with(|| to_ms(*stored));
    }
    let added = times.len() - before;
    times.retain(|id, _| !listed.notes.says_forgotten(id) || listed.has(id));
    while times.len() > MAX_RECEIPTS {
        times.pop_first();
    }
    added
}

/// Reads a record; none when it is not there, or no owner signed it.
async fn read(inner: &Inner, key: &Key) -> Result<Option<Said>> {
    let Some((_, payload)) = read_signed(inner, RecordKind::Receipts, key, MAX_RECORD).await? else { return Ok(None) };
    from_json(&payload).map(Some).map_err(|e| e.context("key", key))
}

/// Records when the listed snapshots came that have no receipt yet; gives their number.
///
/// # Errors
/// What the storage said.
pub(crate) async fn record(inner: &Inner, listed: &Listed) -> Result<usize> {
    let Receipts { number: previous, said: mut known, numbers } = Receipts::read(inner).await?;
    let full = || Error::new(ErrorKind::Unsupported, "there are as many records of receipts as there can be");
    let mut number = previous.map_or(Some(0), |number| number.checked_add(1));
    loop {
        let mut said = known.clone();
        let added = add(&mut said.times, listed);
        if added == 0 {
            return Ok(0);
        }
        let own = number.ok_or_else(full)?;
        let payload = to_json(&said)?;
        if create_record(inner, RecordKind::Receipts, &key(own)?, &payload).await? == Outcome::Created {
            // The previous one stays: who has listed it can still read it.
            let old = numbers.into_iter().filter(|number| *number < own && Some(*number) != previous);
            discard(inner, &old.map(key).collect::<Result<Vec<_>>>()?).await?;
            return Ok(added);
        }
        // Another owner was faster, and the first receipt counts; or it is rubbish, and passed over.
        known = read(inner, &key(own)?).await?.unwrap_or(known);
        number = own.checked_add(1);
    }
}

/// Records receipts beside other work of an owner, which does not fail for it. Where nothing may be written, as in a
/// repository that is only to be read, nothing is said either.
pub(crate) async fn record_beside(inner: &Inner, listed: &Listed, observer: &dyn Observer) {
    if !inner.is_owner() {
        return;
    }
    match record(inner, listed).await {
        Err(error) if error.kind() != ErrorKind::AccessDenied => {
            let why = error.full_message();
            observer.event(Event::Warning(format!("cannot record when snapshots came: {why}")));
        }
        _ => {}
    }
}

impl Repository {
    /// Records, signed, when each snapshot came that has no receipt yet, by the storage's time; gives their number. Check
    /// and prune do so by themselves; who plans retention does it before listing.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; what the storage said.
    pub async fn record_receipts(&self) -> Result<usize> {
        self.0.need_owner("record when snapshots came")?;
        record(&self.0, &self.0.listed().await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> SessionId {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        SessionId(id)
    }

    #[test]
    fn a_full_record_says_nothing_of_what_is_older() {
        let full = 10..10 + MAX_RECEIPTS as u32;
        let mut said = Said { times: full.clone().map(|number| (id(number), 0)).collect(), ..Said::default() };
        let listed = |numbers: &[u32]| Listed {
            snapshots: numbers.iter().map(|number| (id(*number), SystemTime::now())).collect(),
            notes: crate::notes::Folder::default(),
        };
        assert_eq!(add(&mut said.times, &listed(&[3, 9, 10])), 0, "or every owner's command would write it again");
        let receipts = |said: &Said| Receipts { said: said.clone(), ..Receipts::default() };
        let untimely = |said: &Said, number| receipts(said).is_untimely(&id(number), SystemTime::now(), from_ms(0));
        assert!(!untimely(&said, 9) && untimely(&said, full.end) && !untimely(&said, 10));
        assert_eq!(add(&mut said.times, &listed(&[3, full.end])), 1);
        assert_eq!((said.times.len(), said.times.contains_key(&id(10))), (MAX_RECEIPTS, false));
        assert!(!untimely(&said, 10) && !untimely(&said, full.end));
        said.times.pop_first();
        assert!(untimely(&said, 9), "there was room");
    }
}
