//! What everything that works on an open repository shares.

use super::snapshots::Needs;
use crate::crypto::{DomainKeys, Identity, IndexKey, Recipient, SignerId, SigningKey};
use crate::format::config::Config;
use crate::format::ids::SessionId;
use crate::format::owner::Domain;
use crate::keys::{Access, Signers};
use crate::options::RepositoryOptions;
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

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
