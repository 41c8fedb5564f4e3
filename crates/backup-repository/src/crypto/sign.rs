use super::random;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use backup_core::{Error, ErrorKind, Result};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of an Ed25519 signature.
pub(crate) const SIGNATURE_LEN: usize = 64;

/// Who signed: the first 16 bytes of the BLAKE3 hash of the public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerId(pub [u8; 16]);

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 key pair.
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl SigningKey {
    pub(crate) fn generate() -> Result<Self> {
        SigningKey::from_seed(Zeroizing::new(random()?))
    }

    pub(crate) fn from_seed(seed: Zeroizing<[u8; 32]>) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..])
            .map_err(|_| Error::new(ErrorKind::Damaged, "a signing key is malformed"))?;
        Ok(SigningKey { pair, seed })
    }

    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn verifying(&self) -> Result<VerifyingKey> {
        VerifyingKey::from_slice(self.pair.public_key().as_ref())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN]> {
        self.pair
            .sign(message)
            .as_ref()
            .try_into()
            .map_err(|_| Error::new(ErrorKind::Internal, "a signature has the wrong length"))
    }
}

/// The public half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VerifyingKey(pub(crate) [u8; 32]);

impl VerifyingKey {
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self> {
        bytes
            .try_into()
            .map(VerifyingKey)
            .map_err(|_| Error::new(ErrorKind::Damaged, "a public key has the wrong length"))
    }

    pub(crate) fn id(&self) -> SignerId {
        let hash = blake3::hash(&self.0);
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        SignerId(id)
    }

    /// # Errors
    /// `Damaged` when the signature is not this key's over this message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .map_err(|_| Error::new(ErrorKind::Damaged, "a signature is not valid").context("signer", self.id()))
    }
}
