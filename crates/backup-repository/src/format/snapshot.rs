//! Snapshots: docs/format.md, section 3. A head that members of the domain read, a body that owners read.

use super::ids::{ChunkId, SessionId};
use super::one_frame;
use super::record::{from_json, open_json, seal_json, to_json, unhex};
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
    #[serde(default)]
    pub(crate) requires: Vec<String>,
}

impl Head {
    pub(crate) fn summary(&self, id: SessionId) -> Result<Summary> {
        let mut summary = Summary::new(BackupId(id.to_string()), &self.name, &self.host, from_ms(self.time));
        summary.duration = Duration::from_millis(self.duration_ms);
        summary.tags = self.tags.clone();
        summary.status = self.status.parse()?;
        summary.components = self.components.clone();
        summary.totals = Totals { entries: self.entries, files: self.files, size_bytes: self.size_bytes };
        Ok(summary)
    }
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
        let status: Status = self.status.parse()?;
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

/// The payload of a snapshot's record.
pub(crate) fn write_payload(
    key: &Key,
    index: &IndexKey,
    (recipient, identity): (&Recipient, u16),
    head: &Head,
    components: &[StoredComponent],
) -> Result<Vec<u8>> {
    let head = seal_json(index, key, head)?;
    let body = to_json(&BodyJson { components: components.iter().map(ComponentJson::new).collect() })?;
    let mut body = zstd::bulk::compress(&body, 3)
        .map_err(|e| Error::new(ErrorKind::Internal, "a snapshot cannot be compressed").source(e))?;
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

/// The head alone.
pub(crate) fn read_head(key: &Key, index: &IndexKey, payload: &[u8]) -> Result<Head> {
    let head: Head = open_json(index, key, split(payload)?.0)?;
    if !head.requires.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, "the snapshot is of a newer version: a newer backup is needed")
            .context("snapshot", key)
            .context("requires", head.requires.join(" ")));
    }
    Ok(head)
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
        let summary = read_head(&key, &index, &payload).unwrap().summary(SessionId([9; 16])).unwrap();
        assert_eq!((summary.name.as_str(), to_ms(summary.time), summary.status), ("n", -5, Status::Partial));
        let body = read_body(&key, &[Identity::generate(), identity], &payload).unwrap();
        assert_eq!(body[0].component, stored.component);
        assert_eq!(body[0].tree, stored.tree);
        assert_eq!(read_body(&key, &[], &payload).unwrap_err().kind(), ErrorKind::AccessDenied);
        for cut in 0..payload.len() {
            assert!(
                read_head(&key, &index, &payload[..cut]).is_err() || read_body(&key, &[], &payload[..cut]).is_err()
            );
        }
    }
}
