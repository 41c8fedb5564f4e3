//! Recipients and identities, from their texts.

use age::secrecy::SecretString;
use backup_core::{Error, ErrorKind, Result, Secret};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// 64 MiB and about 0.15 s, as for the keys of a repository.
const SCRYPT_LOG_N: u8 = 16;
/// What we are willing to spend on somebody else's file: `age` itself takes 18, `rage` a second's worth. 1 GiB.
pub(super) const SCRYPT_MAX_LOG_N: u8 = 20;

type Recipient = dyn age::Recipient + Send + Sync;
type Identity = dyn age::Identity + Send + Sync;

/// To whom a file is encrypted.
#[derive(Clone, Default)]
pub(super) struct Recipients(Vec<Arc<Recipient>>);

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipients({})", self.0.len())
    }
}

impl Recipients {
    pub(super) fn parse(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let recipients: Vec<_> =
            texts.into_iter().map(|text| recipient(text.as_ref().trim())).collect::<Result<_>>()?;
        if recipients.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "there is no recipient to encrypt to: name one"));
        }
        Ok(Recipients(recipients))
    }

    pub(super) fn passphrase(passphrase: &Secret) -> Result<Self> {
        let mut recipient = age::scrypt::Recipient::new(secret_string(passphrase)?);
        recipient.set_work_factor(SCRYPT_LOG_N);
        Ok(Recipients(vec![Arc::new(recipient)]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| &**recipient as _)
    }
}

fn recipient(text: &str) -> Result<Arc<Recipient>> {
    let invalid = |because: &str| {
        Error::new(ErrorKind::InvalidInput, "not an age recipient or SSH public key").context("because", because)
    };
    if text.starts_with("ssh-") {
        let key = age::ssh::Recipient::from_str(text).map_err(|e| invalid(&format!("{e:?}")))?;
        return Ok(Arc::new(key));
    }
    Ok(Arc::new(age::x25519::Recipient::from_str(text).map_err(invalid)?))
}

/// What opens age files. All are tried.
#[derive(Clone, Default)]
pub struct AgeIdentities(Vec<Arc<Identity>>);

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeIdentities({})", self.0.len())
    }
}

impl AgeIdentities {
    /// None.
    pub fn new() -> Self {
        AgeIdentities::default()
    }

    /// Adds the content of an age identity file (`AGE-SECRET-KEY-1…` lines, comments), or an SSH private key.
    ///
    /// # Errors
    /// `InvalidInput` when it is neither, or the key has a passphrase.
    pub fn with_key(self, key: &Secret) -> Result<Self> {
        if is_ssh(key)? {
            return match ssh(key)? {
                key @ age::ssh::Identity::Unencrypted(_) => Ok(self.and(key)),
                age::ssh::Identity::Encrypted(_) => Err(invalid("the SSH key has a passphrase: give that too")),
                age::ssh::Identity::Unsupported(_) => Err(invalid("age does not take SSH keys of this kind")),
            };
        }
        let lines = key.expose_str()?.lines().map(str::trim).filter(|line| line.starts_with("AGE-SECRET-KEY-1"));
        let keys: Vec<_> = lines.map(age::x25519::Identity::from_str).collect::<Result<_, _>>().map_err(invalid)?;
        if keys.is_empty() {
            return Err(invalid("it holds no AGE-SECRET-KEY-1 line"));
        }
        Ok(keys.into_iter().fold(self, Self::and))
    }

    /// Adds an SSH private key that has a passphrase.
    ///
    /// # Errors
    /// `InvalidInput` when it is not that; `AccessDenied` when the passphrase is another.
    pub fn with_locked_key(self, key: &Secret, passphrase: &Secret) -> Result<Self> {
        if !is_ssh(key)? {
            return Err(invalid("only SSH keys have a passphrase here"));
        }
        let age::ssh::Identity::Encrypted(key) = ssh(key)? else { return self.with_key(key) };
        let key = key.decrypt(secret_string(passphrase)?).map_err(|e| {
            Error::new(ErrorKind::AccessDenied, "the passphrase does not open the SSH private key").source(e)
        })?;
        Ok(self.and(age::ssh::Identity::from(key)))
    }

    /// Adds a passphrase.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or no UTF-8.
    pub fn with_passphrase(self, passphrase: &Secret) -> Result<Self> {
        let mut identity = age::scrypt::Identity::new(secret_string(passphrase)?);
        identity.set_max_work_factor(SCRYPT_MAX_LOG_N);
        Ok(self.and(identity))
    }

    fn and(mut self, identity: impl age::Identity + Send + Sync + 'static) -> Self {
        self.0.push(Arc::new(identity));
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| &**identity as _)
    }
}

fn invalid(because: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, "not an age identity or SSH private key").context("because", because)
}

fn is_ssh(key: &Secret) -> Result<bool> {
    Ok(key.expose_str()?.contains("PRIVATE KEY-----"))
}

fn ssh(key: &Secret) -> Result<age::ssh::Identity> {
    age::ssh::Identity::from_buffer(key.expose(), None).map_err(|e| invalid(&e.to_string()))
}

fn secret_string(passphrase: &Secret) -> Result<SecretString> {
    match passphrase.expose_str()? {
        "" => Err(Error::new(ErrorKind::InvalidInput, "a passphrase is empty")),
        text => Ok(text.to_owned().into()),
    }
}
