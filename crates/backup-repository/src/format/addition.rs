//! What is added for owners after their owner files were written, and the cards that say to whom: docs/format.md,
//! sections 2 and 3.

use super::owner::{Domain, DomainJson, IdentityJson, OwnerRecipient, age_decrypt, age_encrypt};
use super::record::{from_json, to_json};
use crate::crypto::{Identity, Recipient};
use backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The public half of an owner's own key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Card {
    recipient: String,
    /// What opens the owner file: `age`, `ssh`, `passphrase`.
    pub(crate) kind: String,
    /// Milliseconds since 1970.
    pub(crate) added: i64,
}

impl Card {
    pub(crate) fn new(own: &Identity, owner: &OwnerRecipient, added: i64) -> Self {
        Card { recipient: own.recipient().0.to_string(), kind: owner.kind().to_owned(), added }
    }

    /// # Errors
    /// `InvalidInput` when it names no age recipient.
    pub(crate) fn recipient(&self) -> Result<Recipient> {
        Recipient::parse(&self.recipient)
    }
}

/// What everybody may read of an addition.
#[derive(Serialize, Deserialize)]
struct Clear {
    created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
}

fn damaged() -> Error {
    Error::new(ErrorKind::Damaged, "an addition to the keys is damaged")
}

fn write(clear: &Clear, secret: &impl Serialize, owners: &[Recipient]) -> Result<Vec<u8>> {
    let (clear, secret) = (to_json(clear)?, Zeroizing::new(to_json(secret)?));
    let mut payload = (clear.len() as u32).to_le_bytes().to_vec();
    payload.extend(clear);
    payload.extend(age_encrypt(owners.iter().map(|owner| &owner.0 as &dyn age::Recipient), &secret)?);
    Ok(payload)
}

fn split(payload: &[u8]) -> Result<(Clear, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (clear, file) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    Ok((from_json(clear)?, file))
}

/// The payload of `keys/identity/<n>`.
pub(crate) fn write_identity(number: u16, identity: &Identity, owners: &[Recipient], created: i64) -> Result<Vec<u8>> {
    let clear = Clear { created, recipient: Some(identity.recipient().0.to_string()) };
    write(&clear, &IdentityJson::new(number, identity), owners)
}

/// The public half of an added identity, which everybody reads.
///
/// # Errors
/// `Damaged`.
pub(crate) fn recipient_of(payload: &[u8]) -> Result<Recipient> {
    let (clear, _) = split(payload)?;
    Recipient::parse(&clear.recipient.ok_or_else(damaged)?).map_err(|e| e.with_kind(ErrorKind::Damaged))
}

/// An added identity.
///
/// # Errors
/// `AccessDenied` when it was not encrypted to this owner; `Damaged`, also when it has another number.
pub(crate) fn read_identity(payload: &[u8], own: &Identity, number: u16) -> Result<Identity> {
    let json: IdentityJson = from_json(&age_decrypt(split(payload)?.1, std::iter::once(own.as_age()))?)?;
    let identity = json.to_identity()?;
    // What writers wrap to must be what owners open.
    if json.number == number && identity.recipient() == recipient_of(payload)? { Ok(identity) } else { Err(damaged()) }
}

/// The payload of `keys/domains/<n>`.
pub(crate) fn write_domain(domain: &Domain, owners: &[Recipient], created: i64) -> Result<Vec<u8>> {
    write(&Clear { created, recipient: None }, &DomainJson::new(domain), owners)
}

/// An added domain.
///
/// # Errors
/// `AccessDenied` when it was not encrypted to this owner; `Damaged`, also when it has another number.
pub(crate) fn read_domain(payload: &[u8], own: &Identity, number: u32) -> Result<Domain> {
    let json: DomainJson = from_json(&age_decrypt(split(payload)?.1, std::iter::once(own.as_age()))?)?;
    let domain = json.to_domain();
    if domain.number == number { Ok(domain) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_for_the_owners_that_there_are() {
        let (first, second, gone) = (Identity::generate(), Identity::generate(), Identity::generate());
        let owners = [first.recipient(), second.recipient()];
        let new = Identity::generate();
        let payload = write_identity(2, &new, &owners, 5).unwrap();
        assert_eq!(recipient_of(&payload).unwrap(), new.recipient());
        for owner in [&first, &second] {
            assert_eq!(read_identity(&payload, owner, 2).unwrap().recipient(), new.recipient());
            assert_eq!(read_identity(&payload, owner, 1).err().unwrap().kind(), ErrorKind::Damaged);
        }
        assert_eq!(read_identity(&payload, &gone, 2).err().unwrap().kind(), ErrorKind::AccessDenied);
        let domain = Domain::generate(3, "lab").unwrap();
        let payload = write_domain(&domain, &owners, 5).unwrap();
        assert!(!payload.windows(3).any(|window| window == b"lab"), "names are secret");
        let again = read_domain(&payload, &second, 3).unwrap();
        assert_eq!((again.number, again.name.as_str(), again.keys.chunk.0), (3, "lab", domain.keys.chunk.0));
        assert_eq!(read_domain(&payload, &second, 4).err().unwrap().kind(), ErrorKind::Damaged);
        assert_eq!(read_domain(&payload, &gone, 3).err().unwrap().kind(), ErrorKind::AccessDenied);
        for cut in 0..payload.len() {
            assert!(read_domain(&payload[..cut], &first, 3).is_err());
        }
    }
}
