//! What owners add for all owners: identities and domains.

use super::access::Access;
use super::folder::{publish, read_now};
use super::owners::owners;
use crate::crypto::{Identity, Recipient};
use crate::format::addition::{read_domain, write_domain, write_identity};
use crate::format::owner::Domain;
use crate::format::record::RecordKind;
use crate::format::snapshot::to_ms;
use crate::repository::{Inner, Repository};
use backup_core::{Error, ErrorKind, Key, Result};
use std::time::SystemTime;

/// What came of a rotation.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The number of the new identity.
    pub identity: u16,
    /// The owners that can read what is written from now on.
    pub owners: Vec<String>,
    /// Owners that were added at the same moment and cannot: remove and add them again.
    pub left_out: Vec<String>,
}

impl Repository {
    /// Makes a new identity, to which everything that is written from now on is wrapped. What is there stays readable
    /// for all owners. Whoever has only the identities before it, as an owner that was removed may have, cannot read new data.
    ///
    /// This opening goes on with the former identity: open the repository again. So does a push that is under way.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `AlreadyExists` when another owner was faster; `Damaged` when an owner has no card.
    pub async fn rotate(&self) -> Result<Rotated> {
        let inner = &*self.0;
        inner.need_owner("rotate the identity")?;
        refuse_stale(inner).await?;
        let (names, recipients) = recipients(inner).await?;
        let number = inner
            .identity
            .checked_add(1)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "there are too many identities"))?;
        let payload = write_identity(number, &Identity::generate(), &recipients, to_ms(SystemTime::now()))?;
        publish(inner, RecordKind::Identity, &Key::new(format!("keys/identity/{number}"))?, &payload).await?;
        let left_out = owners(inner).await?.into_keys().filter(|owner| !names.contains(owner)).collect();
        Ok(Rotated { identity: number, owners: names, left_out })
    }
}

/// All owners, and the public halves of their own keys.
///
/// # Errors
/// `Damaged` when one of them would be left out.
async fn recipients(inner: &Inner) -> Result<(Vec<String>, Vec<Recipient>)> {
    let mut all = (Vec::new(), Vec::new());
    for (owner, card) in owners(inner).await? {
        let card = card.ok_or_else(|| {
            Error::new(
                ErrorKind::Damaged,
                "an owner has no valid card and would be locked out: remove and add it again",
            )
            .context("owner", &owner)
        })?;
        all.1.push(card.recipient()?);
        all.0.push(owner);
    }
    Ok(all)
}

/// Refuses to go on when this opening does not know all identities and domains.
///
/// # Errors
/// `AccessDenied` when one was added that does not open for this owner; `Unavailable` when one was added since.
pub(super) async fn refuse_stale(inner: &Inner) -> Result<()> {
    if let Access::Owner { missing, .. } = &*inner.access
        && !missing.is_empty()
    {
        return Err(Error::new(
            ErrorKind::AccessDenied,
            "this owner was added at the moment in which keys were made, and lacks them: another owner removes and adds it again",
        )
        .context("missing", missing.join(" ")));
    }
    let there = read_now(inner, &[RecordKind::Identity, RecordKind::Domain]).await?;
    let highest = |kind| there.numbered(kind).into_keys().next_back().unwrap_or(0);
    let last_domain = inner.domains.iter().map(|domain| domain.number).max().unwrap_or(0);
    if highest(RecordKind::Identity) > u32::from(inner.identity) || highest(RecordKind::Domain) > last_domain {
        return Err(Error::new(ErrorKind::Unavailable, "the keys changed since the repository was opened: try again"));
    }
    Ok(())
}

/// Refuses to write an owner file while an identity or domain cannot be read that was there once: it would lack it.
///
/// # Errors
/// `Damaged`.
pub(super) fn refuse_gaps(inner: &Inner) -> Result<()> {
    // Numbers are distinct: as many as the highest one says are all of them.
    let identities = inner.identities.len() == usize::from(inner.identity) + 1;
    let domains = (0..).zip(inner.domains.iter()).all(|(expected, domain)| expected == domain.number);
    if identities && domains {
        return Ok(());
    }
    let what = "keys that were added cannot be read any more: bring the object back from a copy of the repository";
    let below = if identities { "keys/domains/" } else { "keys/identity/" };
    Err(Error::new(ErrorKind::Damaged, what).context("below", below))
}

/// The domain of this name, as the storage has it now; made if there is none.
///
/// # Errors
/// As [`Repository::rotate`].
pub(super) async fn domain_named(inner: &Inner, name: &str) -> Result<Domain> {
    let all = domains_now(inner).await?;
    if let Some(domain) = all.iter().find(|domain| domain.name == name) {
        return Ok(domain.clone());
    }
    let number = all.iter().map(|domain| domain.number).max().unwrap_or(0) + 1;
    let domain = Domain::generate(number, name)?;
    let payload = write_domain(&domain, &recipients(inner).await?.1, to_ms(SystemTime::now()))?;
    publish(inner, RecordKind::Domain, &Key::new(format!("keys/domains/{number}"))?, &payload).await?;
    Ok(domain)
}

/// All domains, also those that were added since this opening.
///
/// # Errors
/// `AccessDenied` when one does not open for this owner; `Damaged`.
pub(super) async fn domains_now(inner: &Inner) -> Result<Vec<Domain>> {
    let Access::Owner { own, .. } = &*inner.access else { return Ok(inner.domains.to_vec()) };
    let mut all = inner.domains.to_vec();
    for (number, (key, payload)) in read_now(inner, &[RecordKind::Domain]).await?.numbered(RecordKind::Domain) {
        if !all.iter().any(|domain| domain.number == number) {
            all.push(read_domain(payload, own, number).map_err(|e| e.context("key", key))?);
        }
    }
    Ok(all)
}
