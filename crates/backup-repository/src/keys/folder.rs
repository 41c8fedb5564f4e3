use crate::crypto::VerifyingKey;
use crate::format::ids::RepositoryId;
use crate::format::record::{self, MAX_RECORD, RawRecord, RecordKind};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// Objects read at once.
const AT_ONCE: usize = 16;
/// No object below `keys/` is longer, but for revocations.
const MAX_BYTES: u64 = 1 << 20;

/// What owners have signed below `keys/`: the payloads, by key. What is not validly signed counts as not there.
#[derive(Default)]
pub(crate) struct KeyFolder(BTreeMap<Key, Vec<u8>>);

/// How long an object of this kind may be, in bytes.
fn limit(kind: RecordKind) -> u64 {
    if kind == RecordKind::Revocation { MAX_RECORD } else { MAX_BYTES }
}

/// What a key below `keys/` should hold; none for owner files and what is foreign.
pub(crate) fn kind_of(key: &Key) -> Option<RecordKind> {
    let (folder, name) = key.as_str().strip_prefix("keys/")?.split_once('/')?;
    match folder {
        "cards" => Some(RecordKind::Card),
        "identity" => number_of(key).map(|_| RecordKind::Identity),
        "domains" => number_of(key).map(|_| RecordKind::Domain),
        "signing" => number_of(key).map(|_| RecordKind::Signing),
        "writers" if name.ends_with(".revoked") => Some(RecordKind::Revocation),
        "writers" => Some(RecordKind::Certificate),
        _ => None,
    }
}

/// The number at the end of a key, in its one spelling.
pub(crate) fn number_of(key: &Key) -> Option<u32> {
    let name = key.as_str().rsplit('/').next()?;
    let number: u32 = name.parse().ok()?;
    (number.to_string() == name).then_some(number)
}

impl KeyFolder {
    /// Reads those of the listed objects whose kind is wanted.
    ///
    /// # Errors
    /// What the storage said; `Unsupported` where owners have another signing key, as a newer version may give them.
    pub(crate) async fn read(
        storage: &dyn StorageDriver,
        listed: impl Iterator<Item = Key>,
        repository: RepositoryId,
        owners: VerifyingKey,
        wanted: &[RecordKind],
    ) -> Result<Self> {
        let is_wanted = |kind: &RecordKind| *kind == RecordKind::Signing || wanted.contains(kind);
        let read = listed.filter_map(|key| Some((kind_of(&key).filter(is_wanted)?, key)));
        let read = stream::iter(read).map(|(kind, key)| async move {
            let bytes = match storage.get_bytes(&key, limit(kind)).await {
                Ok(bytes) => bytes,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => return Ok(None),
                Err(error) => return Err(error),
            };
            let payload = RawRecord::parse(&bytes)
                .and_then(|raw| raw.verify(kind, &repository, key.as_str(), &owners).map(|()| raw.payload.to_vec()));
            Ok::<_, Error>(payload.ok().map(|payload| (key, payload)))
        });
        let found: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        let folder = KeyFolder(found.into_iter().flatten().collect());
        let newer = folder.of(RecordKind::Signing).next().map(|(key, _)| record::newer().context("key", key));
        newer.map_or(Ok(folder), Err)
    }

    /// Every key and payload of a kind, in the order of the keys.
    pub(crate) fn of(&self, kind: RecordKind) -> impl Iterator<Item = (&Key, &[u8])> {
        self.0.iter().filter(move |(key, _)| kind_of(key) == Some(kind)).map(|(key, payload)| (key, payload.as_slice()))
    }

    /// What is numbered, in the order of the numbers.
    pub(crate) fn numbered(&self, kind: RecordKind) -> BTreeMap<u32, (&Key, &[u8])> {
        self.of(kind).filter_map(|(key, payload)| Some((number_of(key)?, (key, payload)))).collect()
    }

    /// One payload.
    pub(crate) fn get(&self, key: &Key) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }
}

/// Creates what only owners may sign. What stands there and is signed by no owner gives way.
///
/// # Errors
/// `AlreadyExists` when another owner was faster; `InvalidInput` for what nobody would read; what the storage said.
pub(super) async fn publish(inner: &Inner, kind: RecordKind, key: &Key, payload: &[u8]) -> Result<()> {
    inner.may_write()?;
    let bytes = record::write(kind, &inner.config.repository, key.as_str(), &inner.signing, payload)?;
    if bytes.len() as u64 > limit(kind) {
        return Err(Error::new(ErrorKind::InvalidInput, "it is longer than readers take").context("key", key));
    }
    match inner.storage.create(key, bytes.clone()).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if crate::session::is_valid(inner, kind, key).await? {
                return Err(error.context("because", "another owner was faster: try again"));
            }
            inner.storage.delete(std::slice::from_ref(key)).await?;
            inner.storage.create(key, bytes).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

/// What owners have signed of these kinds, now.
pub(super) async fn read_now(inner: &Inner, wanted: &[RecordKind]) -> Result<KeyFolder> {
    let listed = inner.storage.list_all("keys/").await?.into_iter().map(|(key, _)| key);
    KeyFolder::read(&*inner.storage, listed, inner.config.repository, inner.config.signing, wanted).await
}
