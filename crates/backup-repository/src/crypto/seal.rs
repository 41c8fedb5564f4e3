use super::keys::KEY_LEN;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use backup_core::{Error, ErrorKind, Result};

/// Bytes that sealing adds.
pub(crate) const TAG_LEN: usize = 16;

/// An AES-256-GCM key whose nonces are counted by the caller: no number may be used twice with one key.
pub(crate) struct SealKey(LessSafeKey);

impl SealKey {
    pub(crate) fn new(key: &[u8; KEY_LEN]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key)
            .map_err(|_| Error::new(ErrorKind::Internal, "a key has the wrong length"))?;
        Ok(SealKey(LessSafeKey::new(key)))
    }

    fn nonce(number: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *to = from;
        }
        nonce
    }

    /// Encrypts `buffer` in place and appends the tag.
    pub(crate) fn seal(&self, number: u64, associated: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
        self.seal_with_nonce(Self::nonce(number), associated, buffer)
    }

    /// [`SealKey::seal`] with a nonce that was drawn at random.
    pub(crate) fn seal_with_nonce(&self, nonce: [u8; 12], associated: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), buffer)
            .map_err(|_| Error::new(ErrorKind::Internal, "a message cannot be sealed").context("bytes", buffer.len()))
    }

    /// Decrypts `buffer` in place and gives the plain bytes.
    ///
    /// # Errors
    /// `Damaged` when it is not exactly what was sealed under this number and associated data.
    pub(crate) fn open<'a>(&self, number: u64, associated: &[u8], buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
        self.open_with_nonce(Self::nonce(number), associated, buffer)
    }

    /// [`SealKey::open`] for [`SealKey::seal_with_nonce`].
    pub(crate) fn open_with_nonce<'a>(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        buffer: &'a mut [u8],
    ) -> Result<&'a mut [u8]> {
        self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(associated), buffer).map_err(|_| {
            Error::new(
                ErrorKind::Damaged,
                "a sealed part does not open: its bytes, name or key are not the ones it was written with",
            )
        })
    }
}
