use crate::crypto::{ChunkKey, DomainKeys, Identity, IndexKey, SigningKey, random};
use crate::format::config::{ChunkSizes, Config};
use crate::format::ids::{RepositoryId, SessionId};
use crate::format::owner::{Domain, OwnerIdentity, OwnerKeys, OwnerRecipient};
use crate::format::record::{MAX_RECORD, RawRecord, RecordKind};
use crate::format::snapshot::{Head, read_head, snapshot_key, to_ms};
use crate::options::RepositoryOptions;
use crate::protocol::Occupant;
use backup_core::{Error, ErrorKind, Key, PutOptions, Result, StorageDriver, StorageExt};
use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// A tombstone in a snapshot's place is no longer, in bytes; every snapshot is.
const MAX_TOMBSTONE: u64 = 256;

/// An open repository: its config was found and verified, and an identity opened its keys.
#[derive(Clone)]
pub struct Repository(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn StorageDriver>,
    pub(crate) config: Config,
    pub(crate) signing: Arc<SigningKey>,
    /// Newest last; what reads. Empty for who may only write.
    pub(crate) identities: Vec<Identity>,
    pub(crate) domain: u32,
    pub(crate) keys: DomainKeys,
    pub(crate) options: RepositoryOptions,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("id", &self.id()).field("at", &self.location()).finish_non_exhaustive()
    }
}

impl Repository {
    /// Makes a repository, with one owner file for each of `owners`.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one; `InvalidInput` for no owners or one that cannot be encrypted to.
    pub async fn create(
        storage: Arc<dyn StorageDriver>,
        owners: &[OwnerRecipient],
        options: RepositoryOptions,
    ) -> Result<Self> {
        if owners.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a repository needs at least one owner"));
        }
        if !storage.list("config/", None).await?.objects.is_empty() {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is a repository here already")
                .context("at", storage.location()));
        }
        let keys = OwnerKeys {
            repository: RepositoryId(random()?),
            identities: vec![Identity::generate()],
            signing: SigningKey::generate()?,
            domains: vec![Domain {
                name: "default".into(),
                keys: DomainKeys {
                    chunk: ChunkKey(random()?),
                    index: IndexKey(random()?),
                    seed: u64::from_le_bytes(random()?),
                },
            }],
        };
        let newest = keys.identities.last().ok_or_else(|| Error::new(ErrorKind::Internal, "no identity was made"))?;
        let capabilities = storage.capabilities();
        let config = Config {
            repository: keys.repository,
            created_ms: u64::try_from(to_ms(SystemTime::now())).unwrap_or(0),
            recipient: newest.recipient(),
            signing: keys.signing.verifying()?,
            chunks: ChunkSizes::default(),
            create_only: capabilities.create_only,
            list_lag_ms: capabilities.list_lag.map_or(0, |lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
        };
        // The config comes last: a repository exists once its keys do.
        for owner in owners {
            let key = Key::new(format!("keys/owners/{}", hex::encode(random::<8>()?)))?;
            storage.put_bytes(&key, Bytes::from(keys.encrypt(owner)?), &PutOptions::default()).await?;
        }
        config.create(&*storage, 0, &keys.signing).await?;
        Self::assemble(storage, config, keys, options)
    }

    /// Opens a repository with an owner's identity.
    ///
    /// # Errors
    /// `NotFound` when there is none, `AccessDenied` when the identity opens none of its owner files, `Unsupported`
    /// for a newer format, `Damaged`.
    pub async fn open(
        storage: Arc<dyn StorageDriver>,
        identity: &OwnerIdentity,
        options: RepositoryOptions,
    ) -> Result<Self> {
        let configs = Config::load(&*storage).await?;
        let files = storage.list_all("keys/owners/").await?;
        let mut refused =
            Error::new(ErrorKind::Damaged, "the repository has no owner file").context("at", storage.location());
        for (key, _) in files {
            let opened = match storage.get_bytes(&key, MAX_RECORD).await {
                Ok(file) => OwnerKeys::decrypt(&file, identity),
                Err(error) => Err(error),
            };
            match opened {
                Ok(keys) => {
                    let signing = keys.signing.verifying()?;
                    let own = |config: &&Config| config.repository == keys.repository && config.signing == signing;
                    if let Some(config) = configs.iter().find(own).cloned() {
                        return Self::assemble(storage, config, keys, options);
                    }
                    refused =
                        Error::new(ErrorKind::Damaged, "the config is not the one of its owners: it was replaced")
                            .context("key", key);
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => refused = error.context("key", key),
            }
        }
        Err(refused)
    }

    fn assemble(
        storage: Arc<dyn StorageDriver>,
        config: Config,
        keys: OwnerKeys,
        options: RepositoryOptions,
    ) -> Result<Self> {
        let OwnerKeys { identities, signing, domains, .. } = keys;
        let first = domains.into_iter().next();
        let domain = first.ok_or_else(|| Error::new(ErrorKind::Damaged, "the owner file names no domain"))?;
        Ok(Repository(Arc::new(Inner {
            storage,
            config,
            signing: Arc::new(signing),
            identities,
            domain: 0,
            keys: domain.keys,
            options,
        })))
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.0.config.repository
    }

    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.0.storage.location()
    }
}

impl Inner {
    /// This repository's part of the cache folder.
    pub(crate) fn cache_dir(&self) -> Option<PathBuf> {
        Some(self.options.cache_dir.as_ref()?.join(self.config.repository.to_string()))
    }

    /// The number of the newest identity, to which new keys are wrapped.
    pub(crate) fn identity_number(&self) -> u16 {
        u16::try_from(self.identities.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    /// The four bytes that sessions of this writer and name have in common.
    pub(crate) fn series(&self, name: &str) -> Result<[u8; 4]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.keys.index.0);
        hasher.update(&self.signing.verifying()?.id().0);
        hasher.update(name.as_bytes());
        let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
        Ok([a, b, c, d])
    }

    /// A snapshot's record, its signature verified: the payload.
    ///
    /// # Errors
    /// `NotFound` when none is there, or only the tombstone of a session that was ended before it committed; `Damaged`.
    pub(crate) async fn snapshot_payload(&self, id: &SessionId) -> Result<(Key, Vec<u8>)> {
        let key = snapshot_key(id)?;
        let bytes = self.storage.get_bytes(&key, MAX_RECORD).await?;
        let raw = RawRecord::parse(&bytes).map_err(|e| e.context("snapshot", id))?;
        let verify = |kind| raw.verify(kind, &self.config.repository, key.as_str(), &self.config.signing);
        if verify(RecordKind::Tombstone).is_ok() {
            return Err(Error::new(ErrorKind::NotFound, "the session was ended before it committed a snapshot")
                .context("session", id));
        }
        verify(RecordKind::Snapshot).map_err(|e| e.context("snapshot", id))?;
        Ok((key, raw.payload.to_vec()))
    }

    pub(crate) async fn head(&self, id: &SessionId) -> Result<Head> {
        let (key, payload) = self.snapshot_payload(id).await?;
        read_head(&key, &self.keys.index, &payload)
    }

    /// Every snapshot's id, oldest first.
    pub(crate) async fn snapshot_ids(&self) -> Result<Vec<SessionId>> {
        let listed = self.storage.list_all("snapshots/").await?;
        // Read after the snapshots: one that its writer created once more after it was forgotten does not come back.
        let forgotten = crate::session::forgotten(self).await?;
        let mut ids = Vec::new();
        for (key, meta) in listed {
            let id = key.as_str().strip_prefix("snapshots/").and_then(|id| SessionId::from_hex(id).ok());
            if let Some(id) = id
                && snapshot_key(&id)? == key
                && !forgotten.contains(&id)
                && !(meta.size_bytes <= MAX_TOMBSTONE && is_tombstone(self, &key).await?)
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

/// Whether what stands under a snapshot's key says that the session never commits.
async fn is_tombstone(inner: &Inner, key: &Key) -> Result<bool> {
    match crate::session::occupant(inner, key).await {
        Ok(occupant) => Ok(matches!(occupant, Occupant::SnapshotTombstone(_))),
        // Removed since it was listed.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
