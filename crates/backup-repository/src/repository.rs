use crate::crypto::{DomainKeys, Identity, IndexKey, Recipient, SignerId, SigningKey};
use crate::format::addition::{read_domain, read_identity, recipient_of};
use crate::format::config::{ChunkSizes, Config, Configs, Owned};
use crate::format::credential::WriterCredential;
use crate::format::ids::{RepositoryId, SessionId};
use crate::format::owner::{Domain, OwnerIdentity, OwnerKeys, OwnerRecipient};
use crate::format::record::{MAX_RECORD, RawRecord, RecordKind};
use crate::format::snapshot::{Head, OpenHead, open_head, snapshot_key, to_ms};
use crate::keys::{ADDITIONS, Access, KeyFolder, Signer, Signers, expect_here, remember_here, write_owner};
use crate::named::Named;
use crate::notes::Folder;
use crate::options::RepositoryOptions;
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use bytes::Bytes;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// An open repository: its config was found and verified, and an identity opened its keys.
#[derive(Clone)]
pub struct Repository(pub(crate) Arc<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) storage: Arc<dyn StorageDriver>,
    /// Its recipient is that of the newest identity.
    pub(crate) config: Config,
    pub(crate) signing: Arc<SigningKey>,
    /// Newest last; what reads. Empty for who may only write.
    pub(crate) identities: Arc<[Identity]>,
    /// The number of the newest identity.
    pub(crate) identity: u16,
    /// The domain that this works in, for writing and for reading.
    pub(crate) domain: u32,
    pub(crate) keys: DomainKeys,
    /// All domains whose keys are here.
    pub(crate) domains: Arc<[Domain]>,
    pub(crate) access: Arc<Access>,
    pub(crate) signers: Arc<Signers>,
    /// What was below `keys/` and is not any more.
    pub(crate) keys_gone: Arc<[Key]>,
    /// The identities and domains among them, which stand there again before this writes.
    pub(crate) keys_owed: Arc<[(Key, Bytes)]>,
    pub(crate) options: RepositoryOptions,
    /// What snapshots that were read need, which never changes.
    pub(crate) needs: Arc<Mutex<HashMap<SessionId, Needs>>>,
}

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

impl Inner {
    /// This repository's part of the cache folder.
    pub(crate) fn cache_dir(&self) -> Option<PathBuf> {
        Some(self.options.cache_dir.as_ref()?.join(self.config.repository.to_string()))
    }

    /// Whether somebody else's session may be ended by taking its names: the storage said so when the repository was made,
    /// and says so now.
    pub(crate) fn may_fence(&self) -> bool {
        self.config.create_only && self.storage.capabilities().create_only
    }

    /// The number of the newest identity, to which new keys are wrapped.
    pub(crate) fn identity_number(&self) -> u16 {
        self.identity
    }

    /// The same repository, at work in another domain.
    ///
    /// # Errors
    /// `AccessDenied` when the domain's keys are not here.
    pub(crate) fn in_domain(self: &Arc<Self>, number: u32) -> Result<Arc<Inner>> {
        if number == self.domain {
            return Ok(self.clone());
        }
        let domain = self.domains.iter().find(|domain| domain.number == number).ok_or_else(|| not_here(number))?;
        Ok(Arc::new(Inner { domain: number, keys: domain.keys.clone(), ..Inner::clone(self) }))
    }

    /// The index key of a domain.
    ///
    /// # Errors
    /// `AccessDenied` when it is not here.
    pub(crate) fn index_key_of(&self, number: u32) -> Result<&IndexKey> {
        self.index_keys().find(|(domain, _)| *domain == number).map(|(_, key)| key).ok_or_else(|| not_here(number))
    }

    /// The index keys of all domains that are known here, and their numbers.
    pub(crate) fn index_keys(&self) -> impl Iterator<Item = (u32, &IndexKey)> {
        self.domains.iter().map(|domain| (domain.number, &domain.keys.index))
    }

    /// What new packs and snapshots are wrapped to, and its number.
    pub(crate) fn recipient(&self) -> (&Recipient, u16) {
        (&self.config.recipient, self.identity)
    }

    /// The four bytes that sessions of this writer and name have in common.
    pub(crate) fn series(&self, name: &str) -> Result<[u8; 4]> {
        Ok(series(&self.keys.index, &self.signing.verifying()?.id(), name))
    }

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

    /// The same; none for what does not count, or is not there.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn if_counting(&self, id: &SessionId) -> Result<Option<Counting>> {
        match self.counting(id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => Ok(None),
            other => other.map(Some),
        }
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

/// The four bytes that the sessions of a writer have in common that are of one name, in the domain of this key.
pub(crate) fn series(index: &IndexKey, signer: &SignerId, name: &str) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new_keyed(&index.0);
    hasher.update(&signer.0);
    hasher.update(name.as_bytes());
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    [a, b, c, d]
}

fn not_here(domain: u32) -> Error {
    Error::new(ErrorKind::AccessDenied, "the keys of this domain are not here").context("domain", domain)
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
