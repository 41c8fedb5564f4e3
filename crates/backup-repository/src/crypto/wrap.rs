use super::keys::{KEY_LEN, derive};
use super::random;
use crate::format::record::newer;
use age::secrecy::ExposeSecret;
use age::{Identity as _, Recipient as _};
use age_core::format::{FileKey, Stanza};
use backup_core::{Error, ErrorKind, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Bytes of a wrapped key: the ephemeral share (32) and the sealed file key (32) of an age X25519 stanza.
pub(crate) const WRAPPED_LEN: usize = 64;

/// A key that only the repository's identity can unwrap.
pub(crate) type WrappedKey = [u8; WRAPPED_LEN];

/// The way in which all keys are wrapped: to an X25519 identity.
pub(crate) const WRAP_KIND: u8 = 0;

/// Refuses what is wrapped in another way.
///
/// # Errors
/// `Unsupported`.
pub(crate) fn known_wrap(kind: u8) -> Result<()> {
    if kind == WRAP_KIND { Ok(()) } else { Err(newer().context("unknown", "way to wrap a key").context("kind", kind)) }
}

const CONTEXT: &str = "backup repository 2026 wrapped key";
const TAG: &str = "X25519";

/// The public half of a repository's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recipient(pub(crate) age::x25519::Recipient);

impl Recipient {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        age::x25519::Recipient::from_str(text)
            .map(Recipient)
            .map_err(|e| Error::new(ErrorKind::InvalidInput, "not an age recipient").context("because", e))
    }

    /// A new random key and its wrapped form.
    pub(crate) fn new_key(&self) -> Result<(Zeroizing<[u8; KEY_LEN]>, WrappedKey)> {
        let file_key = Zeroizing::new(random::<16>()?);
        let failed = || Error::new(ErrorKind::Internal, "a key cannot be wrapped");
        let (stanzas, _) =
            self.0.wrap_file_key(&FileKey::new(Box::new(*file_key))).map_err(|e| failed().context("because", e))?;
        let stanza = stanzas.first().ok_or_else(failed)?;
        let share = stanza.args.first().and_then(|arg| STANDARD_NO_PAD.decode(arg).ok()).ok_or_else(failed)?;
        let mut wrapped = [0; WRAPPED_LEN];
        let (head, tail) = wrapped.split_at_mut(32);
        if share.len() != head.len() || stanza.body.len() != tail.len() {
            return Err(failed());
        }
        head.copy_from_slice(&share);
        tail.copy_from_slice(&stanza.body);
        Ok((expand(&file_key), wrapped))
    }
}

/// The repository's identity: unwraps keys.
#[derive(Clone)]
pub(crate) struct Identity(age::x25519::Identity);

impl Identity {
    pub(crate) fn generate() -> Self {
        Identity(age::x25519::Identity::generate())
    }

    /// From its `AGE-SECRET-KEY-1…` form.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        age::x25519::Identity::from_str(text)
            .map(Identity)
            .map_err(|e| Error::new(ErrorKind::InvalidInput, "not an age identity").context("because", e))
    }

    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// For opening age files.
    pub(crate) fn as_age(&self) -> &dyn age::Identity {
        &self.0
    }

    pub(crate) fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// # Errors
    /// `AccessDenied` when the key was wrapped to another identity, or is damaged: the two cannot be told apart.
    pub(crate) fn unwrap(&self, wrapped: &WrappedKey) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        let denied = || Error::new(ErrorKind::AccessDenied, "a wrapped key does not open with this identity");
        let (share, body) = wrapped.split_at(32);
        let stanza = Stanza { tag: TAG.to_owned(), args: vec![STANDARD_NO_PAD.encode(share)], body: body.to_vec() };
        let file_key = self.0.unwrap_stanza(&stanza).ok_or_else(denied)?.map_err(|e| denied().source(e))?;
        Ok(expand(file_key.expose_secret()))
    }
}

fn expand(file_key: &[u8; 16]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    for (to, from) in key.iter_mut().zip(file_key) {
        *to = *from;
    }
    derive(CONTEXT, &key, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_keys_open_with_the_identity_alone() {
        let identity = Identity::generate();
        let (key, wrapped) = Recipient::parse(&identity.recipient().0.to_string()).unwrap().new_key().unwrap();
        assert_eq!(*identity.unwrap(&wrapped).unwrap(), *key);
        assert_eq!(Identity::generate().unwrap(&wrapped).unwrap_err().kind(), ErrorKind::AccessDenied);
        let again = Identity::parse(&identity.to_text()).unwrap();
        assert_eq!(*again.unwrap(&wrapped).unwrap(), *key);
    }
}
