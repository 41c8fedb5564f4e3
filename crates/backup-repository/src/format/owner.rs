//! Owner files: docs/format.md, section 2. An age file that holds the keys, one for each owner.

use super::ids::RepositoryId;
use super::record::{from_json, hexed, newer, to_json};
use crate::crypto::{ChunkKey, DomainKeys, Identity, IndexKey, SigningKey, random};
use backup_core::{Error, ErrorKind, Result, Secret};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// 64 MiB and about 0.15 s.
const SCRYPT_LOG_N: u8 = 16;
/// What we are willing to spend on somebody else's file.
const SCRYPT_MAX_LOG_N: u8 = 18;
const MAX_PLAIN: u64 = 1 << 20;
/// The name of domain 0.
pub(crate) const DEFAULT_DOMAIN: &str = "default";

/// To whom an owner file is encrypted.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum OwnerRecipient {
    /// An age recipient (`age1…`) or an SSH public key (`ssh-ed25519 …`, `ssh-rsa …`).
    PublicKey(String),
    /// A passphrase.
    Passphrase(Secret),
}

impl OwnerRecipient {
    /// What it is, in a word that shows nothing of it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            OwnerRecipient::PublicKey(text) if text.starts_with("ssh-") => "ssh",
            OwnerRecipient::PublicKey(_) => "age",
            OwnerRecipient::Passphrase(_) => "passphrase",
        }
    }
}

/// What opens an owner file.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum OwnerIdentity {
    /// The content of an age identity file, or of an unencrypted SSH private key.
    Key(Secret),
    /// A passphrase.
    Passphrase(Secret),
}

/// A domain and its keys.
#[derive(Clone)]
pub(crate) struct Domain {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) keys: DomainKeys,
}

impl Domain {
    /// With new keys.
    pub(crate) fn generate(number: u32, name: &str) -> Result<Self> {
        let (chunk, index) = (ChunkKey(random()?), IndexKey(random()?));
        let keys = DomainKeys { chunk, index, seed: u64::from_le_bytes(random()?) };
        Ok(Domain { number, name: name.to_owned(), keys })
    }
}

/// What an owner file holds.
pub(crate) struct OwnerKeys {
    pub(crate) repository: RepositoryId,
    /// This owner's own, for what is added later.
    pub(crate) own: Identity,
    /// The repository's identities by number; never empty.
    pub(crate) identities: BTreeMap<u16, Identity>,
    pub(crate) signing: Arc<SigningKey>,
    /// Ascending by number; never empty.
    pub(crate) domains: Vec<Domain>,
}

#[derive(Serialize, Deserialize)]
struct OwnerJson {
    format: u32,
    #[serde(with = "hexed")]
    repository: [u8; 16],
    own: String,
    identities: Vec<IdentityJson>,
    signing: Vec<SigningJson>,
    domains: Vec<DomainJson>,
}

/// An identity as owner files and additions hold it.
#[derive(Serialize, Deserialize)]
pub(crate) struct IdentityJson {
    pub(crate) number: u16,
    identity: String,
}

impl IdentityJson {
    pub(crate) fn new(number: u16, identity: &Identity) -> Self {
        IdentityJson { number, identity: identity.to_text().to_string() }
    }

    pub(crate) fn to_identity(&self) -> Result<Identity> {
        Identity::parse(&self.identity)
    }
}

impl Drop for IdentityJson {
    fn drop(&mut self) {
        self.identity.zeroize();
    }
}

/// The owners' signing key. In this format there is one, number 0.
#[derive(Serialize, Deserialize)]
struct SigningJson {
    number: u32,
    #[serde(with = "hexed")]
    seed: [u8; 32],
}

impl Drop for SigningJson {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// A domain as owner files, additions and credentials hold it.
#[derive(Serialize, Deserialize)]
pub(crate) struct DomainJson {
    number: u32,
    name: String,
    #[serde(with = "hexed")]
    chunk_id_key: [u8; 32],
    #[serde(with = "hexed")]
    index_key: [u8; 32],
    #[serde(with = "hexed")]
    seed: [u8; 8],
}

impl DomainJson {
    pub(crate) fn new(domain: &Domain) -> Self {
        let DomainKeys { chunk, index, seed } = &domain.keys;
        let (number, name, seed) = (domain.number, domain.name.clone(), seed.to_le_bytes());
        DomainJson { number, name, chunk_id_key: chunk.0, index_key: index.0, seed }
    }

    pub(crate) fn to_domain(&self) -> Domain {
        let (chunk, index) = (ChunkKey(self.chunk_id_key), IndexKey(self.index_key));
        let keys = DomainKeys { chunk, index, seed: u64::from_le_bytes(self.seed) };
        Domain { number: self.number, name: self.name.clone(), keys }
    }
}

impl Drop for DomainJson {
    fn drop(&mut self) {
        self.chunk_id_key.zeroize();
        self.index_key.zeroize();
    }
}

impl Drop for OwnerJson {
    fn drop(&mut self) {
        self.own.zeroize();
    }
}

impl OwnerKeys {
    /// Those of a new repository.
    pub(crate) fn generate() -> Result<Self> {
        Ok(OwnerKeys {
            repository: RepositoryId(random()?),
            own: Identity::generate(),
            identities: BTreeMap::from([(0, Identity::generate())]),
            signing: Arc::new(SigningKey::generate()?),
            domains: vec![Domain::generate(0, DEFAULT_DOMAIN)?],
        })
    }

    /// The owner file for one owner, whose own key this is.
    pub(crate) fn encrypt(&self, owner: &OwnerRecipient, own: &Identity) -> Result<Vec<u8>> {
        let json = OwnerJson {
            format: super::config::FORMAT,
            repository: self.repository.0,
            own: own.to_text().to_string(),
            identities: self.identities.iter().map(|(number, i)| IdentityJson::new(*number, i)).collect(),
            signing: vec![SigningJson { number: 0, seed: *self.signing.seed() }],
            domains: self.domains.iter().map(DomainJson::new).collect(),
        };
        let plain = Zeroizing::new(to_json(&json)?);
        if plain.len() as u64 > MAX_PLAIN {
            return Err(Error::new(ErrorKind::Unsupported, "there are more keys than an owner file can hold"));
        }
        age_encrypt(std::iter::once(&*recipient(owner)?), &plain)
    }

    /// # Errors
    /// `AccessDenied` when the identity is not this owner's; `Damaged` when it is and the file is not as written.
    pub(crate) fn decrypt(file: &[u8], owner: &OwnerIdentity) -> Result<Self> {
        let identities = identities(owner)?;
        let plain = age_decrypt(file, identities.iter().map(|i| &**i))?;
        let json: OwnerJson = from_json(&plain)?;
        let [SigningJson { number: 0, seed }] = &json.signing[..] else {
            return Err(newer().context("of", "signing keys"));
        };
        if !ascend(json.identities.iter().map(|i| u32::from(i.number)))
            || !ascend(json.domains.iter().map(|d| d.number))
        {
            return Err(Error::new(
                ErrorKind::Damaged,
                "an owner file holds no identities or domains, or not by number",
            ));
        }
        let identities = json.identities.iter().map(|i| Ok((i.number, i.to_identity()?)));
        Ok(OwnerKeys {
            repository: RepositoryId(json.repository),
            own: Identity::parse(&json.own)?,
            identities: identities.collect::<Result<_>>()?,
            signing: Arc::new(SigningKey::from_seed(Zeroizing::new(*seed))?),
            domains: json.domains.iter().map(DomainJson::to_domain).collect(),
        })
    }
}

/// Whether there is something, and the numbers ascend.
fn ascend(numbers: impl Iterator<Item = u32>) -> bool {
    let numbers: Vec<u32> = numbers.collect();
    !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b)
}

/// An age file for all these recipients.
pub(crate) fn age_encrypt<'a>(
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    plain: &[u8],
) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::InvalidInput, "the keys cannot be encrypted to this owner").context("because", e)
    };
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|e| failed(&e))?;
    let mut out = Vec::new();
    let mut writer = encryptor.wrap_output(&mut out).map_err(|e| failed(&e))?;
    writer.write_all(plain).and_then(|()| writer.finish().map(|_| ())).map_err(|e| failed(&e))?;
    Ok(out)
}

/// What an age file holds.
///
/// # Errors
/// `AccessDenied` when none of the identities opens it; `Damaged`.
pub(crate) fn age_decrypt<'a>(
    file: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>> {
    let damaged =
        |e: &dyn std::fmt::Display| Error::new(ErrorKind::Damaged, "an owner file is damaged").context("because", e);
    let decryptor = age::Decryptor::new(file).map_err(|e| damaged(&e))?;
    let reader = decryptor.decrypt(identities).map_err(|e| match e {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::DecryptionFailed
        | age::DecryptError::KeyDecryptionFailed => {
            Error::new(ErrorKind::AccessDenied, "this identity or passphrase does not open the owner file")
        }
        age::DecryptError::ExcessiveWork { .. } => {
            Error::new(ErrorKind::AccessDenied, "opening the owner file would take more work than is accepted")
                .context("limit_log_n", SCRYPT_MAX_LOG_N)
        }
        other => damaged(&other),
    })?;
    let mut plain = Zeroizing::new(Vec::new());
    reader.take(MAX_PLAIN + 1).read_to_end(&mut plain).map_err(|e| damaged(&e))?;
    if plain.len() as u64 > MAX_PLAIN {
        return Err(damaged(&"it is too long"));
    }
    Ok(plain)
}

fn recipient(owner: &OwnerRecipient) -> Result<Box<dyn age::Recipient>> {
    let invalid = |because: &str| {
        Error::new(ErrorKind::InvalidInput, "not an age recipient or SSH public key").context("because", because)
    };
    match owner {
        OwnerRecipient::PublicKey(text) if text.starts_with("ssh-") => {
            let key = age::ssh::Recipient::from_str(text.trim()).map_err(|e| invalid(&format!("{e:?}")))?;
            Ok(Box::new(key))
        }
        OwnerRecipient::PublicKey(text) => {
            Ok(Box::new(age::x25519::Recipient::from_str(text.trim()).map_err(invalid)?))
        }
        OwnerRecipient::Passphrase(secret) => {
            let mut recipient = age::scrypt::Recipient::new(secret.expose_str()?.to_owned().into());
            recipient.set_work_factor(SCRYPT_LOG_N);
            Ok(Box::new(recipient))
        }
    }
}

fn identities(owner: &OwnerIdentity) -> Result<Vec<Box<dyn age::Identity>>> {
    let invalid = |because: String| {
        Error::new(ErrorKind::InvalidInput, "not an age identity or SSH private key").context("because", because)
    };
    match owner {
        OwnerIdentity::Passphrase(secret) => {
            let mut identity = age::scrypt::Identity::new(secret.expose_str()?.to_owned().into());
            identity.set_max_work_factor(SCRYPT_MAX_LOG_N);
            Ok(vec![Box::new(identity)])
        }
        OwnerIdentity::Key(secret) if secret.expose_str()?.contains("PRIVATE KEY-----") => {
            let identity =
                age::ssh::Identity::from_buffer(secret.expose(), None).map_err(|e| invalid(e.to_string()))?;
            match identity {
                age::ssh::Identity::Unencrypted(_) => Ok(vec![Box::new(identity)]),
                _ => Err(invalid("an SSH key with a passphrase, or of a kind age does not know".into())),
            }
        }
        OwnerIdentity::Key(secret) => {
            let keys: Vec<Box<dyn age::Identity>> = secret
                .expose_str()?
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("AGE-SECRET-KEY-1"))
                .map(|line| {
                    age::x25519::Identity::from_str(line).map(|i| Box::new(i) as _).map_err(|e| invalid(e.into()))
                })
                .collect::<Result<_>>()?;
            if keys.is_empty() { Err(invalid("it holds no AGE-SECRET-KEY-1 line".into())) } else { Ok(keys) }
        }
    }
}

/// A new age identity: the text of an identity file, and the recipient that belongs to it.
pub fn new_identity() -> (Secret, OwnerRecipient) {
    let identity = Identity::generate();
    let recipient = identity.recipient().0.to_string();
    let text = format!("# public key: {recipient}\n{}\n", identity.to_text().as_str());
    (Secret::new(text), OwnerRecipient::PublicKey(recipient))
}

/// The recipient that belongs to the first identity of an age identity file.
///
/// # Errors
/// `InvalidInput` when the file holds none.
pub fn recipient_of(identity_file: &Secret) -> Result<OwnerRecipient> {
    identity_file
        .expose_str()?
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the identity file holds no AGE-SECRET-KEY-1 line"))
        .and_then(Identity::parse)
        .map(|identity| OwnerRecipient::PublicKey(identity.recipient().0.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> OwnerKeys {
        OwnerKeys {
            repository: RepositoryId([3; 16]),
            own: Identity::generate(),
            identities: BTreeMap::from([(0, Identity::generate())]),
            signing: Arc::new(SigningKey::generate().unwrap()),
            domains: vec![Domain {
                number: 0,
                name: "default".into(),
                keys: DomainKeys { chunk: ChunkKey([1; 32]), index: IndexKey([2; 32]), seed: 99 },
            }],
        }
    }

    #[test]
    fn opens_with_the_right_owner_only() {
        let keys = keys();
        let (identity, recipient) = new_identity();
        let file = keys.encrypt(&recipient, &keys.own).unwrap();
        let again = OwnerKeys::decrypt(&file, &OwnerIdentity::Key(identity.clone())).unwrap();
        assert_eq!(again.signing.seed(), keys.signing.seed());
        assert_eq!(again.domains[0].keys.seed, 99);
        let stranger = OwnerIdentity::Key(new_identity().0);
        assert_eq!(OwnerKeys::decrypt(&file, &stranger).err().unwrap().kind(), ErrorKind::AccessDenied);
        let wrong = OwnerIdentity::Passphrase(Secret::new("x"));
        assert_eq!(OwnerKeys::decrypt(&file, &wrong).err().unwrap().kind(), ErrorKind::AccessDenied);
        assert!(
            matches!(recipient_of(&identity).unwrap(), OwnerRecipient::PublicKey(r) if matches!(&recipient, OwnerRecipient::PublicKey(s) if *s == r))
        );
    }

    #[test]
    fn numbers_are_kept_and_what_is_not_of_this_format_is_newer() {
        let (identity, recipient) = new_identity();
        let identity = OwnerIdentity::Key(identity);
        let mut keys = keys();
        keys.identities.insert(7, Identity::generate());
        keys.domains.push(Domain::generate(3, "lab").unwrap());
        let file = keys.encrypt(&recipient, &keys.own).unwrap();
        let again = OwnerKeys::decrypt(&file, &identity).unwrap();
        assert_eq!(again.identities.into_keys().collect::<Vec<_>>(), [0, 7]);
        assert_eq!(again.domains.iter().map(|domain| domain.number).collect::<Vec<_>>(), [0, 3]);

        let own = match &identity {
            OwnerIdentity::Key(secret) => {
                Identity::parse(secret.expose_str().unwrap().lines().nth(1).unwrap()).unwrap()
            }
            OwnerIdentity::Passphrase(_) => unreachable!(),
        };
        let plain = age_decrypt(&file, std::iter::once(own.as_age())).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let changed = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            let plain = serde_json::to_vec(&json).unwrap();
            let file = age_encrypt(std::iter::once(&own.recipient().0 as &dyn age::Recipient), &plain).unwrap();
            OwnerKeys::decrypt(&file, &identity).map(drop).map_err(|e| e.kind())
        };
        assert_eq!(changed(&|_| {}), Ok(()));
        assert_eq!(changed(&|json| json["signing"][0]["number"] = 1.into()), Err(ErrorKind::Unsupported));
        let twice = |json: &mut serde_json::Value| json["signing"] = vec![json["signing"][0].clone(); 2].into();
        assert_eq!(changed(&twice), Err(ErrorKind::Unsupported));
        assert_eq!(changed(&|json| json["domains"][1]["number"] = 0.into()), Err(ErrorKind::Damaged));
        assert_eq!(changed(&|json| json["identities"] = Vec::<String>::new().into()), Err(ErrorKind::Damaged));
        // Neither is cut where it becomes too long.
        let long = |json: &mut serde_json::Value| json["pad"] = " ".repeat(MAX_PLAIN as usize).into();
        assert_eq!(changed(&long), Err(ErrorKind::Damaged));
        keys.domains[0].name = " ".repeat(MAX_PLAIN as usize);
        assert_eq!(keys.encrypt(&recipient, &keys.own).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_passphrase_opens() {
        let keys = keys();
        let file = keys.encrypt(&OwnerRecipient::Passphrase(Secret::new("correct horse")), &keys.own).unwrap();
        assert!(OwnerKeys::decrypt(&file, &OwnerIdentity::Passphrase(Secret::new("correct horse"))).is_ok());
        let error = OwnerKeys::decrypt(&file, &OwnerIdentity::Passphrase(Secret::new("wrong"))).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
    }
}
