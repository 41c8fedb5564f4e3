//! A writer's credential: docs/format.md, section 2.

use super::ids::RepositoryId;
use super::owner::{Domain, DomainJson};
use super::record::{from_json, hexed, to_json};
use crate::crypto::{Recipient, SignerId, SigningKey, VerifyingKey};
use backup_core::{Error, ErrorKind, Result, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

const PREFIX: &str = "BACKUP-WRITER-1-";
const CHECK_LEN: usize = 8;

/// What lets a host back up and deduplicate, and read nothing. Made by [`crate::Repository::add_writer`], kept as text.
#[derive(Clone)]
pub struct WriterCredential {
    pub(crate) repository: RepositoryId,
    /// Verifies what owners sign.
    pub(crate) owners: VerifyingKey,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) recipient: Recipient,
    /// The number of the identity behind the recipient.
    pub(crate) identity: u16,
    pub(crate) domain: Domain,
}

#[derive(Serialize, Deserialize)]
struct CredentialJson {
    format: u32,
    #[serde(with = "hexed")]
    repository: [u8; 16],
    #[serde(with = "hexed")]
    owners: [u8; 32],
    #[serde(with = "hexed")]
    signing: [u8; 32],
    identity: u16,
    recipient: String,
    domain: DomainJson,
}

impl Drop for CredentialJson {
    fn drop(&mut self) {
        self.signing.zeroize();
    }
}

impl fmt::Debug for WriterCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterCredential").field("repository", &self.repository).finish_non_exhaustive()
    }
}

impl WriterCredential {
    /// Whether a text means to be a credential, and not an identity.
    pub fn is_one(text: &Secret) -> bool {
        line(text).is_some()
    }

    /// Reads a credential's text.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is not, or no more, one; `Unsupported` for one of a newer version.
    pub fn parse(text: &Secret) -> Result<Self> {
        let invalid = |because: &'static str| {
            Error::new(ErrorKind::InvalidInput, "not a writer's credential").context("because", because)
        };
        let coded = line(text).ok_or_else(|| invalid("it has no line that begins with BACKUP-WRITER-1-"))?;
        let cut = || invalid("its characters are not all there, or were changed");
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(coded).map_err(|_| cut())?);
        let (json, check) = bytes.split_last_chunk::<CHECK_LEN>().ok_or_else(cut)?;
        if !blake3::hash(json).as_bytes().starts_with(check) {
            return Err(cut());
        }
        let json: CredentialJson = from_json(json).map_err(|e| match e.kind() {
            ErrorKind::Unsupported => e,
            _ => e.with_kind(ErrorKind::InvalidInput),
        })?;
        Ok(WriterCredential {
            repository: RepositoryId(json.repository),
            owners: VerifyingKey(json.owners),
            signing: Arc::new(SigningKey::from_seed(Zeroizing::new(json.signing))?),
            recipient: Recipient::parse(&json.recipient)?,
            identity: json.identity,
            domain: json.domain.to_domain(),
        })
    }

    /// The text to keep, all of it secret.
    ///
    /// # Errors
    /// `Internal`.
    pub fn to_text(&self) -> Result<Secret> {
        let json = CredentialJson {
            format: super::config::FORMAT,
            repository: self.repository.0,
            owners: self.owners.0,
            signing: *self.signing.seed(),
            identity: self.identity,
            recipient: self.recipient.0.to_string(),
            domain: DomainJson::new(&self.domain),
        };
        let json = Zeroizing::new(to_json(&json)?);
        // As long as it will be: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(json.len() + CHECK_LEN));
        bytes.extend_from_slice(&json);
        bytes.extend(blake3::hash(&json).as_bytes().iter().take(CHECK_LEN));
        let coded = Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes));
        let (id, repository) = (self.id()?, self.repository);
        Ok(Secret::new(format!("# writer {id} of the backup repository {repository}\n{PREFIX}{}\n", coded.as_str())))
    }

    /// Who the writer is, as [`crate::Repository::keys`] lists it.
    ///
    /// # Errors
    /// `Internal`.
    pub fn id(&self) -> Result<SignerId> {
        Ok(self.signing.verifying()?.id())
    }

    /// The name of the domain in which it deduplicates.
    pub fn domain(&self) -> &str {
        &self.domain.name
    }
}

fn line(text: &Secret) -> Option<&str> {
    text.expose_str().ok()?.lines().find_map(|line| line.trim().strip_prefix(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{ChunkKey, DomainKeys, Identity, IndexKey};

    #[test]
    fn a_credential_goes_both_ways_and_tells_every_changed_character() {
        let keys = DomainKeys { chunk: ChunkKey([1; 32]), index: IndexKey([2; 32]), seed: 9 };
        let signing = Arc::new(SigningKey::generate().unwrap());
        let credential = WriterCredential {
            repository: RepositoryId([5; 16]),
            owners: SigningKey::generate().unwrap().verifying().unwrap(),
            signing: signing.clone(),
            recipient: Identity::generate().recipient(),
            identity: 2,
            domain: Domain { number: 4, name: "d".into(), keys },
        };
        let text = credential.to_text().unwrap();
        assert!(WriterCredential::is_one(&text) && !WriterCredential::is_one(&Secret::new("AGE-SECRET-KEY-1X")));
        let again = WriterCredential::parse(&text).unwrap();
        assert_eq!(again.to_text().unwrap(), text);
        assert_eq!((again.identity, again.domain.number, again.domain.keys.seed), (2, 4, 9));
        assert_eq!(again.id().unwrap(), credential.id().unwrap());
        let shown = format!("{credential:?}");
        assert!(!shown.contains(&hex::encode(signing.seed())) && !shown.contains("signing"), "{shown}");
        let text = text.expose_str().unwrap();
        let at = text.find(PREFIX).unwrap() + PREFIX.len();
        for i in (at..text.len() - 1).step_by(7) {
            let mut changed = text.as_bytes().to_vec();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let error = WriterCredential::parse(&Secret::new(changed)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{i}");
        }
    }
}
