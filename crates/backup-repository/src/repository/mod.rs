//! Making and opening a repository; and what those who work on an open one share.

mod inner;
mod named;
mod snapshots;

use crate::crypto::{Identity, SigningKey};
use crate::format::addition::{read_domain, read_identity, recipient_of};
use crate::format::config::{ChunkSizes, Config, Configs, Owned};
use crate::format::credential::WriterCredential;
use crate::format::ids::RepositoryId;
use crate::format::owner::{Domain, OwnerIdentity, OwnerKeys, OwnerRecipient};
use crate::format::record::{MAX_RECORD, RecordKind};
use crate::format::snapshot::to_ms;
use crate::keys::{ADDITIONS, Access, KeyFolder, Signers, expect_here, remember_here, write_owner};
use crate::options::RepositoryOptions;
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use inner::{Inner, series};
pub(crate) use named::Named;
pub(crate) use snapshots::{Counting, Listed, Needs};

/// An open repository: its config was found and verified, and an identity opened its keys.
#[derive(Clone)]
pub struct Repository(pub(crate) Arc<Inner>);

/// What opening has found out, before `keys/` is read.
struct Opening {
    storage: Arc<dyn StorageDriver>,
    config: Config,
    signing: Arc<SigningKey>,
    /// By number.
    identities: BTreeMap<u16, Identity>,
    identity: u16,
    domains: Vec<Domain>,
    options: RepositoryOptions,
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
        let Some((last, others)) = owners.split_last() else {
            return Err(Error::new(ErrorKind::InvalidInput, "a repository needs at least one owner"));
        };
        if !storage.list("config/", None).await?.objects.is_empty() {
            return Err(Error::new(ErrorKind::AlreadyExists, "there is a repository here already")
                .context("at", storage.location()));
        }
        let keys = OwnerKeys::generate()?;
        let newest = keys
            .identities
            .values()
            .next_back()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "no identity was made"))?;
        let capabilities = storage.capabilities();
        let config = Config {
            repository: keys.repository,
            created_ms: to_ms(SystemTime::now()),
            recipient: newest.recipient(),
            signing: keys.signing.verifying()?,
            chunks: ChunkSizes::default(),
            create_only: crate::probe::creates_have_one_winner(&*storage).await?,
            list_lag_ms: capabilities.list_lag.map_or(0, |lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            requires_to_write: Vec::new(),
            requires_to_delete: Vec::new(),
        };
        // The config comes last: a repository exists once its keys do.
        for owner in others {
            write_owner(&*storage, &keys, owner).await?;
        }
        let (file, own) = write_owner(&*storage, &keys, last).await?;
        config.create(&*storage, 0, &keys.signing).await?;
        remember_here(&options, &*storage, config.repository, true);
        let folder = KeyFolder::default();
        Opening::of_owner(storage, config, keys, options).for_owner(file, own, &folder)
    }

    /// Opens a repository with an owner's identity.
    ///
    /// # Errors
    /// `NotFound` when there is none, `AccessDenied` when the identity opens none of its owner files, `Unsupported`
    /// for a newer format, `Damaged`, also when another repository stands where this machine knows one.
    pub async fn open(
        storage: Arc<dyn StorageDriver>,
        identity: &OwnerIdentity,
        options: RepositoryOptions,
    ) -> Result<Self> {
        let configs = Configs::read(&*storage).await?;
        let files = storage.list_all("keys/owners/").await?;
        let mut refused =
            Error::new(ErrorKind::Damaged, "the repository has no owner file").context("at", storage.location());
        for (key, _) in &files {
            let opened = match storage.get_bytes(key, MAX_RECORD).await {
                Ok(file) => OwnerKeys::decrypt(&file, identity),
                Err(error) => Err(error),
            };
            match opened {
                Ok(keys) => {
                    let owned = Owned { repository: keys.repository, owners: keys.signing.verifying()? };
                    match configs.choose(&owned) {
                        Ok(config) => {
                            if let Err(another) = expect_here(&options, &*storage, owned.repository) {
                                refused = another;
                                continue;
                            }
                            let Owned { repository, owners } = owned;
                            let folder = KeyFolder::read(&*storage, &options, repository, owners, &ADDITIONS).await?;
                            let file = key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
                            let own = keys.own.clone();
                            return Opening::of_owner(storage, config, keys, options).for_owner(file, own, &folder);
                        }
                        // The file may be another repository's.
                        Err(error) if error.kind() == ErrorKind::Damaged => refused = error.context("key", key),
                        Err(error) => return Err(error),
                    }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => refused = error.context("key", key),
            }
        }
        Err(refused)
    }

    /// Opens a repository with a writer's credential, for pushing and listing.
    ///
    /// # Errors
    /// `NotFound` when there is none, `AccessDenied` when the writer is not certified, or revoked, `Unsupported` for a
    /// newer format, `Damaged` when it is not the repository that the credential was made for.
    pub async fn open_as_writer(
        storage: Arc<dyn StorageDriver>,
        credential: &WriterCredential,
        options: RepositoryOptions,
    ) -> Result<Self> {
        let WriterCredential { repository, owners, signing, recipient, identity, domain } = credential.clone();
        let config = Configs::read(&*storage).await?.choose(&Owned { repository, owners })?;
        expect_here(&options, &*storage, repository)?;
        let folder = KeyFolder::read(&*storage, &options, repository, owners, &ADDITIONS).await?;
        let config = Config { recipient, ..config };
        let (identities, domains) = (BTreeMap::new(), vec![domain]);
        Opening { storage, config, signing, identities, identity, domains, options }.for_writer(&folder)
    }

    /// The repository's id.
    pub fn id(&self) -> RepositoryId {
        self.0.config.repository
    }

    /// Objects of the owners, below `keys/`, that this machine has seen and that were not there when the repository was
    /// opened: the storage shows an older state, or has lost them. What they say goes on counting here, and identities and
    /// domains are put back by the first session that writes. The card of an owner is
    /// named once only, for an owner may have removed it. A repository that is opened without a cache remembers none.
    pub fn missing_keys(&self) -> &[Key] {
        &self.0.keys_gone
    }

    /// The file in which this machine remembers those objects; none without a cache. Who has restored an older state of the
    /// storage on purpose deletes it, and it begins anew.
    pub fn keys_memory(&self) -> Option<PathBuf> {
        crate::keys::memory_of(&self.0.options, &*self.0.storage, self.id())
    }

    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.0.storage.location()
    }
}

impl Opening {
    fn of_owner(storage: Arc<dyn StorageDriver>, config: Config, keys: OwnerKeys, options: RepositoryOptions) -> Self {
        let OwnerKeys { identities, signing, domains, .. } = keys;
        let identity = identities.keys().next_back().copied().unwrap_or(0);
        Opening { storage, config, signing, identities, identity, domains, options }
    }

    /// Takes over what was added since the owner file was written.
    fn for_owner(mut self, file: String, own: Identity, folder: &KeyFolder) -> Result<Repository> {
        let mut missing = Vec::new();
        if let Some(newest) = self.identities.values().next_back() {
            self.config.recipient = newest.recipient();
        }
        for (number, (key, payload)) in folder.numbered(RecordKind::Identity) {
            let Ok(number) = u16::try_from(number) else { continue };
            if let Entry::Vacant(vacant) = self.identities.entry(number) {
                match read_identity(payload, &own, number) {
                    Ok(identity) => drop(vacant.insert(identity)),
                    Err(_) => missing.push(key.to_string()),
                }
            }
        }
        for (number, (key, payload)) in folder.numbered(RecordKind::Domain) {
            if self.domains.iter().all(|domain| domain.number != number) {
                match read_domain(payload, &own, number) {
                    Ok(domain) => self.domains.push(domain),
                    Err(_) => missing.push(key.to_string()),
                }
            }
        }
        self.domains.sort_by_key(|domain| domain.number);
        self.open(Access::Owner { file, own, missing }, folder)
    }

    fn for_writer(self, folder: &KeyFolder) -> Result<Repository> {
        let id = self.signing.verifying()?.id();
        let denied = |what: &'static str| Error::new(ErrorKind::AccessDenied, what).context("writer", id);
        let signers = Signers::new(self.config.repository, self.config.signing, folder, &self.domains);
        let writer = signers.writer(&id).ok_or_else(|| denied("no owner has certified this writer here"))?;
        if writer.revoked.is_some() {
            return Err(denied("this writer was revoked: an owner can certify another one"));
        }
        let terms = writer.terms.clone().ok_or_else(|| denied("the certificate is of another domain"))?;
        self.open(Access::Writer { id, terms }, folder)
    }

    fn open(mut self, access: Access, folder: &KeyFolder) -> Result<Repository> {
        // Who writes takes the newest public half that an owner signed, also one that it cannot open itself.
        for (number, (_, payload)) in folder.numbered(RecordKind::Identity) {
            if let Ok(number) = u16::try_from(number)
                && number > self.identity
            {
                (self.identity, self.config.recipient) = (number, recipient_of(payload)?);
            }
        }
        let signers = Signers::new(self.config.repository, self.config.signing, folder, &self.domains);
        let Opening { storage, config, signing, identities, identity, domains, options } = self;
        remember_here(&options, &*storage, config.repository, false);
        let first = domains.first().ok_or_else(|| Error::new(ErrorKind::Damaged, "the keys name no domain"))?;
        Ok(Repository(Arc::new(Inner {
            domain: first.number,
            keys: first.keys.clone(),
            storage,
            config,
            signing,
            identities: identities.into_values().collect(),
            identity,
            domains: domains.into(),
            access: Arc::new(access),
            signers: Arc::new(signers),
            keys_gone: folder.gone().into(),
            keys_owed: folder.owed().into(),
            options,
            needs: Arc::default(),
        })))
    }
}
