use super::access::Access;
use super::folder::read_now;
use super::owners::owners;
use super::signers::Signers;
use super::succession::domains_now;
use crate::crypto::SignerId;
use crate::format::record::RecordKind;
use crate::format::snapshot::from_ms;
use crate::repository::Repository;
use backup_core::Result;
use std::time::SystemTime;

/// Who can read and who can write, as the storage says it now.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Keys {
    /// By id.
    pub owners: Vec<OwnerInfo>,
    /// The longest certified first.
    pub writers: Vec<WriterInfo>,
    /// Names of the domains, by number.
    pub domains: Vec<String>,
    /// How often the identity was rotated.
    pub rotations: u16,
}

/// An owner.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct OwnerInfo {
    /// For [`Repository::remove_owner`].
    pub id: String,
    /// What opens its file: `age`, `ssh` or `passphrase`; none when no owner vouches for the file.
    pub kind: Option<String>,
    /// By the clock of who added it.
    pub added: Option<SystemTime>,
    /// Whether the repository was opened with it.
    pub current: bool,
}

/// A writer.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct WriterInfo {
    /// For [`Repository::revoke_writer`].
    pub id: SignerId,
    /// Patterns for the names of its snapshots.
    pub names: Vec<String>,
    /// The name of its domain.
    pub domain: String,
    /// When it was certified, by the clock of who did.
    pub since: SystemTime,
    /// When the certificate ends.
    pub until: Option<SystemTime>,
    /// When it was revoked.
    pub revoked: Option<SystemTime>,
}

impl Repository {
    /// Lists owners, writers and domains.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; what the storage said.
    pub async fn keys(&self) -> Result<Keys> {
        let inner = &*self.0;
        inner.need_owner("list the keys")?;
        let current = |id: &str| matches!(&*inner.access, Access::Owner { file, .. } if file == id);
        let owners = owners(inner).await?.into_iter().map(|(id, card)| OwnerInfo {
            kind: card.as_ref().map(|card| card.kind.clone()),
            added: card.map(|card| from_ms(card.added)),
            current: current(&id),
            id,
        });
        let domains = domains_now(inner).await?;
        let kinds = [RecordKind::Certificate, RecordKind::Revocation, RecordKind::Identity];
        let folder = read_now(inner, &kinds).await?;
        let signers = Signers::new(inner.config.repository, inner.config.signing, &folder, &domains);
        let mut writers: Vec<WriterInfo> = signers
            .writers()
            .filter_map(|writer| {
                let terms = writer.terms.as_ref()?;
                Some(WriterInfo {
                    id: writer.id,
                    names: terms.names.clone(),
                    domain: domains.iter().find(|domain| domain.number == writer.domain)?.name.clone(),
                    since: from_ms(terms.since),
                    until: terms.until.map(from_ms),
                    revoked: writer.revoked.as_ref().map(|revocation| from_ms(revocation.time)),
                })
            })
            .collect();
        writers.sort_by_key(|writer| (writer.since, writer.id));
        let rotations = folder.numbered(RecordKind::Identity).into_keys().next_back().unwrap_or(0);
        Ok(Keys {
            owners: owners.collect(),
            writers,
            domains: domains.into_iter().map(|domain| domain.name).collect(),
            rotations: u16::try_from(rotations).unwrap_or(u16::MAX),
        })
    }
}
