//! Snapshots: docs/format.md, section 3. A head that members of the domain read, a body that owners read.

use super::ids::{ChunkId, SessionId};
use super::one_frame;
use super::record::{MAX_RECORD, from_json, open_plain, parse_json, seal_json, to_json, unhex};
use crate::crypto::{Identity, IndexKey, Recipient, SealKey, WRAP_KIND, WRAPPED_LEN, WrappedKey, known_wrap};
use backup_core::{
    BackupId, Component, ComponentSpec, EntryFailure, Error, ErrorKind, Key, Outcome, Result, SourceDescription,
    Status, Summary, Totals, TreePath,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A body is a list of components with at most a thousand failures each.
const MAX_BODY: usize = 64 << 20;
/// What a record adds to head and body is less.
const ROOM: usize = 1 << 10;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) host: String,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) duration_ms: u64,
    pub(crate) status: String,
    pub(crate) tags: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) entries: u64,
    pub(crate) files: u64,
    pub(crate) size_bytes: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) domain: u32,
    pub(crate) sequence: u64,
    pub(crate) previous: Option<String>,
    /// Snapshots without which this one cannot be restored.
    #[serde(default)]
    pub(crate) needs: Vec<SessionId>,
    /// Empty: what requires something is not read.
    #[serde(default)]
    pub(crate) requires: Vec<String>,
}

/// What of a head has its name, type and meaning in every version: whether the snapshot counts is judged from it alone.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Label {
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) time: i64,
    pub(crate) domain: u32,
    #[serde(default)]
    pub(crate) needs: Vec<SessionId>,
}

/// A head that was opened.
pub(crate) struct OpenHead {
    pub(crate) label: Label,
    json: Vec<u8>,
}

impl OpenHead {
    /// All of it.
    ///
    /// # Errors
    /// `Unsupported` for one of a newer version; `Damaged`.
    pub(crate) fn read(&self) -> Result<Head> {
        from_json(&self.json)
    }
}

impl Head {
    pub(crate) fn summary(&self, id: SessionId) -> Result<Summary> {
        let mut summary = Summary::new(BackupId(id.to_string()), &self.name, &self.host, from_ms(self.time));
        summary.duration = Duration::from_millis(self.duration_ms);
        summary.tags = self.tags.clone();
        summary.status = status(&self.status);
        summary.components = self.components.clone();
        summary.totals = Totals { entries: self.entries, files: self.files, size_bytes: self.size_bytes };
        Ok(summary)
    }
}

/// Of a word that is not known, nothing better can be said.
fn status(word: &str) -> Status {
    word.parse().unwrap_or(Status::Incomplete)
}

/// Milliseconds since 1970; negative before.
pub(crate) fn to_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// The inverse of [`to_ms`]; what a clock cannot show becomes 1970.
pub(crate) fn from_ms(ms: i64) -> SystemTime {
    let distance = Duration::from_millis(ms.unsigned_abs());
    let time = if ms < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

/// The top of a metadata tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeRoot {
    pub(crate) id: ChunkId,
    /// 0 for a single leaf.
    pub(crate) level: u8,
}

/// A component with its tree; no tree when it has no entries.
#[derive(Clone, Debug)]
pub(crate) struct StoredComponent {
    pub(crate) component: Component,
    pub(crate) tree: Option<TreeRoot>,
}

#[derive(Serialize, Deserialize)]
struct BodyJson {
    components: Vec<ComponentJson>,
}

#[derive(Serialize, Deserialize)]
struct ComponentJson {
    name: String,
    kind: String,
    #[serde(default)]
    version: Option<String>,
    roots: Vec<String>,
    options: BTreeMap<String, String>,
    chain: Vec<String>,
    required: bool,
    status: String,
    failures: Vec<FailureJson>,
    #[serde(default)]
    failures_unlisted: u64,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
    #[serde(default)]
    position: Option<String>,
    #[serde(default)]
    consistent_at: Option<i64>,
    entries: u64,
    files: u64,
    size_bytes: u64,
    tree: Option<TreeJson>,
}

#[derive(Serialize, Deserialize)]
struct FailureJson {
    path: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct TreeJson {
    id: String,
    level: u8,
}

fn path_from_hex(text: &str) -> Result<TreePath> {
    let bytes = unhex(text).map_err(|e| Error::new(ErrorKind::Damaged, "a stored path is malformed").source(e))?;
    TreePath::from_encoded(bytes)
}

impl ComponentJson {
    fn new(stored: &StoredComponent) -> Self {
        let Component { spec, status, outcome, totals, .. } = &stored.component;
        let path = |path: &TreePath| hex::encode(path.as_encoded());
        ComponentJson {
            name: spec.name.clone(),
            kind: spec.source.kind.clone(),
            version: spec.source.version.clone(),
            roots: spec.source.roots.iter().map(path).collect(),
            options: spec.source.options.clone(),
            chain: spec.source.chain.clone(),
            required: spec.required,
            status: status.as_str().into(),
            failures: outcome
                .failures
                .iter()
                .map(|f| FailureJson { path: path(&f.path), reason: f.reason.clone() })
                .collect(),
            failures_unlisted: outcome.failures_unlisted,
            counts: outcome.counts.clone(),
            position: outcome.position.clone(),
            consistent_at: outcome.consistent_at.map(to_ms),
            entries: totals.entries,
            files: totals.files,
            size_bytes: totals.size_bytes,
            tree: stored.tree.map(|t| TreeJson { id: t.id.to_string(), level: t.level }),
        }
    }

    fn halve_failures(&mut self) {
        let kept = self.failures.len() / 2;
        self.failures_unlisted += (self.failures.len() - kept) as u64;
        self.failures.truncate(kept);
    }

    fn into_stored(self) -> Result<StoredComponent> {
        let mut source = SourceDescription::new(self.kind);
        source.version = self.version;
        source.roots = self.roots.iter().map(|r| path_from_hex(r)).collect::<Result<_>>()?;
        source.options = self.options;
        source.chain = self.chain;
        let mut spec = ComponentSpec::new(self.name, source);
        spec.required = self.required;
        let mut outcome = Outcome::default();
        for failure in self.failures {
            outcome.failures.push(EntryFailure { path: path_from_hex(&failure.path)?, reason: failure.reason });
        }
        outcome.failures_unlisted = self.failures_unlisted;
        outcome.counts = self.counts;
        outcome.position = self.position;
        outcome.consistent_at = self.consistent_at.map(from_ms);
        let totals = Totals { entries: self.entries, files: self.files, size_bytes: self.size_bytes };
        let status = status(&self.status);
        let tree = match self.tree {
            Some(tree) => Some(TreeRoot { id: ChunkId::from_hex(&tree.id)?, level: tree.level }),
            None => None,
        };
        Ok(StoredComponent { component: Component::new(spec, status, outcome, totals), tree })
    }
}

/// `snapshots/<session>`.
pub(crate) fn snapshot_key(id: &SessionId) -> Result<Key> {
    Key::new(format!("snapshots/{id}"))
}

/// The snapshot that a key names, if it names one.
pub(crate) fn snapshot_of(key: &Key) -> Option<SessionId> {
    SessionId::from_hex(key.as_str().strip_prefix("snapshots/")?).ok()
}

/// A body, compressed to no more than `room` bytes: of failures that would make it too long to be read, some are only
/// counted.
fn pack_body(components: &[StoredComponent], room: usize) -> Result<Vec<u8>> {
    let mut body = BodyJson { components: components.iter().map(ComponentJson::new).collect() };
    loop {
        let plain = to_json(&body)?;
        if plain.len() <= MAX_BODY {
            let packed = zstd::bulk::compress(&plain, 3)
                .map_err(|e| Error::new(ErrorKind::Internal, "a snapshot cannot be compressed").source(e))?;
            if packed.len() <= room {
                return Ok(packed);
            }
        }
        if body.components.iter().all(|component| component.failures.is_empty()) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "what describes the snapshot is too long to be read again",
            )
            .context("bytes", plain.len()));
        }
        body.components.iter_mut().for_each(ComponentJson::halve_failures);
    }
}

/// The payload of a snapshot's record.
///
/// # Errors
/// `InvalidInput` when it would be longer than a reader takes.
pub(crate) fn write_payload(
    key: &Key,
    index: &IndexKey,
    (recipient, identity): (&Recipient, u16),
    head: &impl Serialize,
    components: &[StoredComponent],
) -> Result<Vec<u8>> {
    let head = seal_json(index, key, head)?;
    let mut body = pack_body(components, (MAX_RECORD as usize).saturating_sub(head.len() + ROOM))?;
    let (body_key, wrapped) = recipient.new_key()?;
    SealKey::new(&body_key)?.seal(0, key.as_str().as_bytes(), &mut body)?;
    let mut payload = Vec::with_capacity(4 + head.len() + 4 + WRAPPED_LEN + body.len());
    payload.extend_from_slice(&(head.len() as u32).to_le_bytes());
    payload.extend_from_slice(&head);
    payload.extend_from_slice(&[WRAP_KIND, 0]);
    payload.extend_from_slice(&identity.to_le_bytes());
    payload.extend_from_slice(&wrapped);
    payload.extend_from_slice(&body);
    Ok(payload)
}

fn split(payload: &[u8]) -> Result<(&[u8], &[u8])> {
    payload
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize))
        .ok_or_else(|| Error::new(ErrorKind::Damaged, "a snapshot's lengths do not fit"))
}

/// The head alone; none when this is not the key of its domain.
///
/// # Errors
/// `Damaged`.
pub(crate) fn open_head(key: &Key, index: &IndexKey, payload: &[u8]) -> Result<Option<OpenHead>> {
    let Ok(json) = open_plain(index, key, split(payload)?.0) else { return Ok(None) };
    Ok(Some(OpenHead { label: parse_json(&json)?, json }))
}

/// The body; `identities` are tried from the newest.
pub(crate) fn read_body(key: &Key, identities: &[Identity], payload: &[u8]) -> Result<Vec<StoredComponent>> {
    let json = open_body(key, identities, payload)?;
    from_json::<BodyJson>(&json)?.components.into_iter().map(ComponentJson::into_stored).collect()
}

/// The body's JSON.
pub(super) fn open_body(key: &Key, identities: &[Identity], payload: &[u8]) -> Result<Vec<u8>> {
    let (_, rest) = split(payload)?;
    let ([kind, reserved, ..], wrapped, body) = rest
        .split_first_chunk::<4>()
        .and_then(|(start, rest)| rest.split_first_chunk::<WRAPPED_LEN>().map(|(key, body)| (*start, key, body)))
        .ok_or_else(|| Error::new(ErrorKind::Damaged, "a snapshot's lengths do not fit"))?;
    known_wrap(kind | reserved)?;
    let body_key = unwrap_any(identities, wrapped)?;
    let mut body = body.to_vec();
    let plain = SealKey::new(&body_key)?.open(0, key.as_str().as_bytes(), &mut body)?;
    one_frame(plain)
        .and_then(|frame| zstd::bulk::decompress(frame, MAX_BODY).ok())
        .ok_or_else(|| Error::new(ErrorKind::Damaged, "a snapshot does not decompress"))
}

/// Unwraps a key with whichever identity it was wrapped to.
pub(crate) fn unwrap_any(identities: &[Identity], wrapped: &WrappedKey) -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let denied =
        || Error::new(ErrorKind::AccessDenied, "reading needs an owner's identity; a writer credential only writes");
    let mut last = None;
    for identity in identities.iter().rev() {
        match identity.unwrap(wrapped) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(denied))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_bodies_go_both_ways() {
        let identity = Identity::generate();
        let index = IndexKey([5; 32]);
        let key = snapshot_key(&SessionId([9; 16])).unwrap();
        let head = Head {
            name: "n".into(),
            host: "h".into(),
            time: -5,
            duration_ms: 7,
            status: "partial".into(),
            tags: vec!["t".into()],
            components: vec!["files".into()],
            entries: 3,
            files: 2,
            size_bytes: 1,
            stored_bytes: 10,
            domain: 0,
            sequence: 4,
            previous: None,
            needs: vec![SessionId([8; 16])],
            requires: Vec::new(),
        };
        let mut source = SourceDescription::new("files");
        source.roots.push(TreePath::from_slashed(b"/home/\xff").unwrap());
        let mut outcome = Outcome::default();
        outcome.fail(TreePath::from_slashed(b"/home/x").unwrap(), "gone");
        outcome.consistent_at = Some(from_ms(-1500));
        let component =
            Component::new(ComponentSpec::new("files", source), Status::Partial, outcome, Totals::default());
        let stored = StoredComponent { component, tree: Some(TreeRoot { id: ChunkId([8; 20]), level: 2 }) };
        let payload =
            write_payload(&key, &index, (&identity.recipient(), 0), &head, std::slice::from_ref(&stored)).unwrap();
        assert!(open_head(&key, &IndexKey([6; 32]), &payload).unwrap().is_none());
        let open = open_head(&key, &index, &payload).unwrap().unwrap();
        assert_eq!(open.label.needs, [SessionId([8; 16])]);
        let mut head = open.read().unwrap();
        let summary = head.summary(SessionId([9; 16])).unwrap();
        assert_eq!((summary.name.as_str(), to_ms(summary.time), summary.status), ("n", -5, Status::Partial));
        head.status = "a new word".into();
        assert_eq!(head.summary(SessionId([9; 16])).unwrap().status, Status::Incomplete);
        let body = read_body(&key, &[Identity::generate(), identity], &payload).unwrap();
        assert_eq!(body[0].component, stored.component);
        assert_eq!(body[0].tree, stored.tree);
        assert_eq!(read_body(&key, &[], &payload).unwrap_err().kind(), ErrorKind::AccessDenied);
        for cut in 0..payload.len() {
            let head = open_head(&key, &index, &payload[..cut]);
            assert!(!matches!(head, Ok(Some(_))) || read_body(&key, &[], &payload[..cut]).is_err());
        }
    }

    /// What nothing makes shorter.
    fn noise(seed: u64, bytes: usize) -> String {
        let mut noise = vec![0; bytes / 2];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
        hex::encode(noise)
    }

    #[test]
    fn a_snapshot_is_never_longer_than_a_reader_takes() {
        let component = |failures: u64, reason: &dyn Fn(u64) -> String| {
            let mut outcome = Outcome::default();
            for number in 0..failures {
                outcome.fail(TreePath::from_slashed(b"/x").unwrap(), reason(number));
            }
            let spec = ComponentSpec::new("files", SourceDescription::new("files"));
            let component = Component::new(spec, Status::Partial, outcome, Totals::default());
            [StoredComponent { component, tree: None }]
        };
        let room = MAX_RECORD as usize - ROOM;
        // Too long when it is unpacked, and too long when it is packed.
        let same = "x".repeat(100 << 10);
        for stored in [component(1000, &|_| same.clone()), component(1000, &|number| noise(number, 80 << 10))] {
            let packed = pack_body(&stored, room).unwrap();
            assert!(packed.len() <= room);
            let plain = zstd::bulk::decompress(&packed, MAX_BODY).unwrap();
            let mut read = from_json::<BodyJson>(&plain).unwrap().components;
            let read = read.pop().unwrap().into_stored().unwrap().component.outcome;
            assert!(read.failures.len() >= 100, "{}", read.failures.len());
            assert_eq!(read.failures.len() as u64 + read.failures_unlisted, 1000);
        }
        let mut long = component(0, &|_| String::new());
        long[0].component.outcome.position = Some(noise(1, 40 << 20));
        assert_eq!(pack_body(&long, room).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
