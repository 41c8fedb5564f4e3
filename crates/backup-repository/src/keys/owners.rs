use super::access::Access;
use super::folder::read_now;
use super::seen::SeenKeys;
use super::succession::{refuse_gaps, refuse_stale};
use crate::crypto::{Identity, random};
use crate::format::addition::Card;
use crate::format::owner::{OwnerKeys, OwnerRecipient};
use crate::format::record::{self, MAX_RECORD, RecordKind, from_json, to_json};
use crate::format::snapshot::to_ms;
use crate::repository::{Inner, Repository};
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver, StorageExt};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// `keys/owners/<id>`.
pub(crate) fn owner_key(id: &str) -> Result<Key> {
    Key::new(format!("keys/owners/{id}"))
}

/// `keys/cards/<id>`.
pub(crate) fn card_key(id: &str) -> Result<Key> {
    Key::new(format!("keys/cards/{id}"))
}

/// Every owner file there is, and its card, if it has a valid one.
///
/// # Errors
/// What the storage said.
pub(super) async fn owners(inner: &Inner) -> Result<BTreeMap<String, Option<Card>>> {
    let cards = read_now(inner, &[RecordKind::Card]).await?;
    let mut owners = BTreeMap::new();
    for (key, _) in inner.storage.list_all("keys/owners/").await? {
        let id = key.as_str().rsplit('/').next().unwrap_or_default();
        if owner_key(id)? == key {
            let card = cards.get(&card_key(id)?).and_then(|payload| from_json::<Card>(payload).ok());
            owners.insert(id.to_owned(), card);
        }
    }
    Ok(owners)
}

/// Writes an owner file with an own key in it, and its card. Gives the name of both, and the key.
pub(crate) async fn write_owner(
    storage: &dyn StorageDriver,
    keys: &OwnerKeys,
    owner: &OwnerRecipient,
) -> Result<(String, Identity)> {
    let (id, own) = (hex::encode(random::<8>()?), Identity::generate());
    let key = card_key(&id)?;
    let card = to_json(&Card::new(&own, owner, to_ms(SystemTime::now())))?;
    let card = record::write(RecordKind::Card, &keys.repository, key.as_str(), &keys.signing, &card)?;
    storage.create(&owner_key(&id)?, keys.encrypt(owner, &own)?.into()).await?;
    storage.create(&key, card).await?;
    Ok((id, own))
}

impl Repository {
    /// Lets somebody else open this repository, and everything in it, as an owner. Gives the owner's id.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `InvalidInput` for a recipient that cannot be encrypted to; `Unavailable` when
    /// another owner changed the keys meanwhile; `Damaged` when keys that the new owner needs cannot be read any more.
    pub async fn add_owner(&self, owner: &OwnerRecipient) -> Result<String> {
        let inner = &*self.0;
        inner.need_owner("add an owner")?;
        inner.may_write()?;
        refuse_stale(inner).await?;
        refuse_gaps(inner)?;
        let Access::Owner { own, .. } = &*inner.access else {
            return Err(Error::new(ErrorKind::Internal, "an owner has owner's access"));
        };
        let keys = OwnerKeys {
            repository: inner.config.repository,
            own: own.clone(),
            identities: (0..).zip(inner.identities.iter().cloned()).collect(),
            signing: inner.signing.clone(),
            domains: inner.domains.to_vec(),
        };
        let (id, _) = write_owner(&*inner.storage, &keys, owner).await?;
        // What was added since is not in the new file, and whoever added it did not know of the new owner.
        if let Err(stale) = refuse_stale(inner).await {
            inner.storage.delete(&[card_key(&id)?, owner_key(&id)?]).await?;
            return Err(stale);
        }
        Ok(id)
    }

    /// Removes an owner. Whoever opened the repository with that file before may have kept what is in it:
    /// [`Repository::rotate`] keeps new data from them.
    ///
    /// # Errors
    /// `AccessDenied` for a writer; `NotFound`; `InvalidInput` for the last owner.
    pub async fn remove_owner(&self, id: &str) -> Result<()> {
        let inner = &*self.0;
        inner.need_owner("remove an owner")?;
        inner.may_write()?;
        let owners = owners(inner).await?;
        if !owners.contains_key(id) {
            return Err(Error::new(ErrorKind::NotFound, "there is no such owner").context("owner", id));
        }
        // An owner file that no owner vouches for may open for nobody.
        if !owners.iter().any(|(other, card)| other != id && card.is_some()) {
            return Err(Error::new(ErrorKind::InvalidInput, "the last owner cannot be removed: add another one first")
                .context("owner", id));
        }
        let (file, card) = (owner_key(id)?, card_key(id)?);
        let kept = [
            inner.storage.get_bytes(&file, MAX_RECORD).await?,
            inner.storage.get_bytes(&card, MAX_RECORD).await.unwrap_or_default(),
        ];
        inner.storage.delete(&[card.clone(), file.clone()]).await?;
        if inner.storage.list("keys/owners/", None).await?.objects.is_empty() {
            // Two owners removed each other at the same time.
            for (key, bytes) in [file, card].iter().zip(kept) {
                inner.storage.create(key, bytes).await?;
            }
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the other owners were removed meanwhile: nothing was done",
            ));
        }
        SeenKeys::load(&inner.options, &*inner.storage, inner.config.repository).drop_card(&card_key(id)?);
        Ok(())
    }
}
