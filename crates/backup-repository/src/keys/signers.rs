use super::folder::KeyFolder;
use crate::crypto::{SignerId, VerifyingKey};
use crate::format::certificate::{Certificate, Revocation, Terms, revocation_key};
use crate::format::ids::{RepositoryId, SessionId};
use crate::format::owner::Domain;
use crate::format::record::{RawRecord, RecordKind};
use crate::index::RunReader;
use backup_core::{Error, ErrorKind, Key, Result};
use std::collections::HashMap;

/// Whose signatures count, as it was when the repository was opened.
pub(crate) struct Signers {
    repository: RepositoryId,
    owners: VerifyingKey,
    writers: HashMap<SignerId, Writer>,
    /// A certificate or revocation that only a newer version understands.
    newer: Option<Key>,
}

/// A certified writer.
pub(crate) struct Writer {
    pub(crate) id: SignerId,
    key: VerifyingKey,
    pub(crate) domain: u32,
    /// None for a domain whose keys are not here.
    pub(crate) terms: Option<Terms>,
    pub(crate) revoked: Option<Revocation>,
}

/// Who signed.
#[derive(Clone, Copy)]
pub(crate) enum Signer<'a> {
    Owner,
    Writer(&'a Writer),
}

impl Signer<'_> {
    /// Whether what it signed can be of this domain.
    pub(crate) fn may_be_in(self, domain: u32) -> bool {
        match self {
            Signer::Owner => true,
            Signer::Writer(writer) => writer.domain == domain,
        }
    }
}

fn refused(because: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "it was not signed by somebody who may").context("because", because)
}

impl Signers {
    /// Those whom the folder certifies.
    pub(crate) fn new(repository: RepositoryId, owners: VerifyingKey, folder: &KeyFolder, domains: &[Domain]) -> Self {
        let (mut writers, mut newer) = (HashMap::new(), None);
        for (key, payload) in folder.of(RecordKind::Certificate) {
            match Writer::read(key, payload, folder, domains) {
                Ok(writer) => drop(writers.insert(writer.id, writer)),
                // What an owner signed and cannot be read is of a newer version: it certifies nobody here.
                Err(_) => newer = newer.or(Some(key.clone())),
            }
        }
        Signers { repository, owners, writers, newer }
    }

    /// What an owner signed of writers and cannot be read here: then nobody knows whose word counts.
    pub(crate) fn newer(&self) -> Option<&Key> {
        self.newer.as_ref()
    }

    pub(crate) fn writers(&self) -> impl Iterator<Item = &Writer> {
        self.writers.values()
    }

    pub(crate) fn writer(&self, id: &SignerId) -> Option<&Writer> {
        self.writers.get(id)
    }

    /// The key of one who may sign at all.
    pub(crate) fn key_of(&self, id: &SignerId) -> Option<VerifyingKey> {
        if self.owners.id() == *id { Some(self.owners) } else { self.writers.get(id).map(|writer| writer.key) }
    }

    /// Whose record this is. Of snapshots this is half the truth: [`Writer::vouches_for`].
    ///
    /// # Errors
    /// `Damaged` when it was not signed, as this kind and under this key, by somebody who may sign such.
    pub(crate) fn verify(&self, kind: RecordKind, key: &Key, raw: &RawRecord<'_>) -> Result<Signer<'_>> {
        let (verifying, signer) = match self.writers.get(&raw.signer) {
            Some(writer) if kind.is_writers() => (&writer.key, Signer::Writer(writer)),
            _ => (&self.owners, Signer::Owner),
        };
        raw.verify(kind, &self.repository, key.as_str(), verifying)?;
        Ok(signer)
    }

    /// Whether a run is one that its signer may write.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn may_index(&self, run: &RunReader) -> Result<()> {
        let denied = |what: &'static str| {
            Error::new(ErrorKind::AccessDenied, what).context("run", run.name()).context("signer", run.signer())
        };
        match self.writers.get(&run.signer()) {
            Some(writer) if writer.domain != run.domain() => {
                Err(denied("an index run is of another domain than its writer"))
            }
            Some(_) if !run.replaces().is_empty() => Err(denied("an index run of a writer replaces others")),
            _ => Ok(()),
        }
    }

    /// Whether a run's signer still counts when it says what is stored.
    fn is_revoked(&self, signer: &SignerId) -> bool {
        self.writers.get(signer).is_some_and(|writer| writer.revoked.is_some())
    }

    /// What is wrong with a run of this signer. Others who say that a newer version wrote it are believed: then it is not
    /// for this version to delete. Of who was revoked it is damage.
    pub(crate) fn judge(&self, signer: &SignerId, error: Error) -> Error {
        let is_lie = error.kind() == ErrorKind::Unsupported && self.is_revoked(signer);
        if is_lie { error.with_kind(ErrorKind::Damaged) } else { error }
    }

    pub(crate) fn is_trusted(&self, run: &RunReader) -> bool {
        !self.is_revoked(&run.signer())
    }
}

impl Writer {
    fn read(key: &Key, payload: &[u8], folder: &KeyFolder, domains: &[Domain]) -> Result<Self> {
        let certificate = Certificate::parse(key, payload)?;
        let id = certificate.key.id();
        let terms = match domains.iter().find(|domain| domain.number == certificate.domain) {
            Some(domain) => Some(certificate.terms(&domain.keys.index)?),
            None => None,
        };
        let revoked = folder.get(&revocation_key(&id)?).map(Revocation::parse).transpose()?;
        Ok(Writer { id, key: certificate.key, domain: certificate.domain, terms, revoked })
    }

    /// Whether a snapshot that it signed counts.
    ///
    /// # Errors
    /// `Damaged`, with what it is not allowed to.
    pub(crate) fn vouches_for(&self, id: &SessionId, name: &str, hash: &[u8; 32]) -> Result<()> {
        let terms = self.terms.as_ref().ok_or_else(|| refused("its writer is of another domain"))?;
        let named = |e: Error| e.context("writer", self.id);
        if !terms.allow_name(name) {
            return Err(named(refused("its writer may not use this name").context("name", name)));
        }
        if !terms.allow_time(i64::try_from(id.time_ms()).unwrap_or(i64::MAX)) {
            return Err(named(refused("its writer was not certified at that time")));
        }
        match &self.revoked {
            Some(revocation) if revocation.snapshots.get(&id.to_string()).is_none_or(|kept| hash != kept) => {
                Err(named(refused("its writer was revoked before")))
            }
            _ => Ok(()),
        }
    }
}
