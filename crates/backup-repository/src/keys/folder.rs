use super::seen::SeenKeys;
use crate::crypto::VerifyingKey;
use crate::format::ids::{RepositoryId, decimal};
use crate::format::record::{self, MAX_RECORD, RawRecord, RecordKind};
use crate::options::RepositoryOptions;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};

/// What owners have added that all others need, too.
pub(crate) const ADDITIONS: [RecordKind; 4] =
    [RecordKind::Identity, RecordKind::Domain, RecordKind::Certificate, RecordKind::Revocation];
/// Objects read at once.
const AT_ONCE: usize = 16;
/// No object below `keys/` is longer, but for revocations.
const MAX_BYTES: u64 = 1 << 20;

/// What owners have signed below `keys/`. What is not validly signed counts as not there, unless this machine has seen
/// what stood there before: nothing that owners sign is ever taken back but cards.
#[derive(Default)]
pub(crate) struct KeyFolder {
    signed: BTreeMap<Key, Signed>,
    /// What was seen and is not there any more.
    gone: Vec<Key>,
    /// Identities and domains among that: nobody else can read what is written with them.
    owed: Vec<(Key, Bytes)>,
}

struct Signed {
    object: Vec<u8>,
    payload: Vec<u8>,
}

impl Signed {
    /// An object, if an owner signed it as this kind and under this key.
    fn of(
        kind: RecordKind,
        repository: &RepositoryId,
        owners: &VerifyingKey,
        key: &Key,
        object: Vec<u8>,
    ) -> Option<Self> {
        let raw = RawRecord::parse(&object).ok()?;
        raw.verify(kind, repository, key.as_str(), owners).ok()?;
        let payload = raw.payload.to_vec();
        Some(Signed { object, payload })
    }
}

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
    decimal(key.as_str().rsplit('/').next()?)
}

impl KeyFolder {
    /// Reads those of the objects whose kind is wanted, as they are listed now and as this machine has seen them.
    ///
    /// # Errors
    /// What the storage said; `Unsupported` where owners have another signing key, as a newer version may give them.
    pub(crate) async fn read(
        storage: &dyn StorageDriver,
        options: &RepositoryOptions,
        repository: RepositoryId,
        owners: VerifyingKey,
        wanted: &[RecordKind],
    ) -> Result<Self> {
        // Asked for before the listing: what another process sees between the two is not missing.
        let seen = SeenKeys::load(options, storage, repository);
        let listed: BTreeSet<Key> = storage.list_all("keys/").await?.into_iter().map(|(key, _)| key).collect();
        let is_wanted = |kind: &RecordKind| *kind == RecordKind::Signing || wanted.contains(kind);
        let wants = |key: Key| Some((kind_of(&key).filter(is_wanted)?, key));
        let read: Vec<(RecordKind, Key)> = listed.iter().cloned().filter_map(wants).collect();
        let read = stream::iter(read).map(|(kind, key)| async move {
            match storage.get_bytes(&key, limit(kind)).await {
                Ok(bytes) => Ok(Signed::of(kind, &repository, &owners, &key, bytes.into()).map(|signed| (key, signed))),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => Ok(None),
                Err(error) => Err::<_, Error>(error),
            }
        });
        let found: Vec<_> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut signed: BTreeMap<Key, Signed> = found.into_iter().flatten().collect();
        let (mut gone, mut owed) = (seen.cards_gone(&listed), Vec::new());
        for (kind, key, object) in seen.of(wanted) {
            if !signed.contains_key(&key)
                && let Some(before) = Signed::of(kind, &repository, &owners, &key, object)
            {
                gone.push(key.clone());
                if matches!(kind, RecordKind::Identity | RecordKind::Domain) {
                    owed.push((key.clone(), before.object.clone().into()));
                }
                signed.insert(key, before);
            }
        }
        if wanted == ADDITIONS {
            seen.remember(signed.iter().map(|(key, signed)| (key, signed.object.as_slice())), &listed);
        }
        let folder = KeyFolder { signed, gone, owed };
        let newer = folder.of(RecordKind::Signing).next().map(|(key, _)| record::newer().context("key", key));
        newer.map_or(Ok(folder), Err)
    }

    /// What this machine has seen and is not there any more. A card is named once, since owners remove owners; of the rest
    /// all that was said goes on counting here.
    pub(crate) fn gone(&self) -> &[Key] {
        &self.gone
    }

    /// The objects of identities and domains that only this machine remembers.
    pub(crate) fn owed(&self) -> &[(Key, Bytes)] {
        &self.owed
    }

    /// Every key and payload of a kind, in the order of the keys.
    pub(crate) fn of(&self, kind: RecordKind) -> impl Iterator<Item = (&Key, &[u8])> {
        let of_kind = self.signed.iter().filter(move |(key, _)| kind_of(key) == Some(kind));
        of_kind.map(|(key, signed)| (key, signed.payload.as_slice()))
    }

    /// What is numbered, in the order of the numbers.
    pub(crate) fn numbered(&self, kind: RecordKind) -> BTreeMap<u32, (&Key, &[u8])> {
        self.of(kind).filter_map(|(key, payload)| Some((number_of(key)?, (key, payload)))).collect()
    }

    /// One payload.
    pub(crate) fn get(&self, key: &Key) -> Option<&[u8]> {
        self.signed.get(key).map(|signed| signed.payload.as_slice())
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

/// Puts back the very objects of identities and domains that only this machine remembers, before anything is written
/// with them: no owner without that memory could open it.
///
/// # Errors
/// `Damaged` when something else stands there; what the storage said.
pub(crate) async fn put_back(inner: &Inner) -> Result<()> {
    for (key, object) in inner.keys_owed.iter() {
        inner.may_write()?;
        inner.storage.create(key, object.clone()).await.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                let what = "something else stands in the place of keys that this machine has seen: what it writes with them \
                            others could not read. Bring the object back from a copy of the repository";
                Error::new(ErrorKind::Damaged, what).context("key", key)
            }
            _ => error.context("putting back keys that only this machine remembers", key),
        })?;
    }
    Ok(())
}

/// What owners have signed of these kinds, now.
pub(super) async fn read_now(inner: &Inner, wanted: &[RecordKind]) -> Result<KeyFolder> {
    let Inner { storage, options, config, .. } = inner;
    KeyFolder::read(&**storage, options, config.repository, config.signing, wanted).await
}
