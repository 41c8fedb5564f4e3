//! What follows the header: chunks of 64 KiB, each sealed under its number and whether it is the last.

use age::secrecy::ExposeSecret;
use age_core::format::FileKey;
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use backup_core::{Error, ErrorKind, Result};

/// Plain bytes of a chunk; the last has the rest.
pub(super) const CHUNK_BYTES: usize = 64 << 10;
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a sealed chunk.
pub(super) const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Of the nonce between the header and the chunks.
pub(super) const NONCE_BYTES: usize = 16;

/// Seals and opens chunks.
pub(super) struct Payload(LessSafeKey);

impl Payload {
    /// # Errors
    /// `Internal`.
    pub(super) fn new(file_key: &FileKey, nonce: &[u8]) -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Internal, "the key of an age file cannot be derived");
        let derived = Salt::new(HKDF_SHA256, nonce).extract(file_key.expose_secret());
        let key = derived.expand(&[b"payload"], &CHACHA20_POLY1305).map_err(failed)?;
        Ok(Payload(LessSafeKey::new(UnboundKey::from(key))))
    }

    /// Seals the chunks from the one with number `first` behind what is in `sealed`. All but the last are whole; no
    /// bytes at all are one empty chunk.
    ///
    /// # Errors
    /// `Internal`.
    pub(super) fn seal(&self, first: u64, is_last: bool, plain: &[u8], sealed: &mut Vec<u8>) -> Result<()> {
        let failed = |_| Error::new(ErrorKind::Internal, "a chunk of an age file cannot be sealed");
        let count = plain.len().div_ceil(CHUNK_BYTES).max(1);
        sealed.reserve_exact(plain.len() + count * TAG_BYTES);
        for (number, chunk) in (first..).zip(chunks(plain, CHUNK_BYTES)) {
            let is_last = is_last && number - first + 1 == count as u64;
            let start = sealed.len();
            sealed.extend_from_slice(chunk);
            let bytes = sealed.get_mut(start..).unwrap_or_default();
            let tag = self.0.seal_in_place_separate_tag(nonce(number, is_last), Aad::empty(), bytes).map_err(failed)?;
            sealed.extend_from_slice(tag.as_ref());
        }
        Ok(())
    }

    /// Undoes [`Payload::seal`].
    ///
    /// # Errors
    /// `Damaged` when they are not these chunks.
    pub(super) fn open(&self, first: u64, is_last: bool, sealed: &[u8], plain: &mut Vec<u8>) -> Result<()> {
        let damaged = |number| {
            Error::new(ErrorKind::Damaged, "a chunk of an age file is damaged, or the file was cut")
                .context("chunk", number)
        };
        let count = sealed.len().div_ceil(SEALED_BYTES).max(1);
        plain.reserve_exact(sealed.len());
        for (number, chunk) in (first..).zip(chunks(sealed, SEALED_BYTES)) {
            let is_last = is_last && number - first + 1 == count as u64;
            let start = plain.len();
            plain.extend_from_slice(chunk);
            let bytes = plain.get_mut(start..).unwrap_or_default();
            let opened = self.0.open_in_place(nonce(number, is_last), Aad::empty(), bytes);
            let len = opened.map_err(|_| damaged(number))?.len();
            // Only an empty file has an empty chunk.
            if len == 0 && number > 0 {
                return Err(damaged(number));
            }
            plain.truncate(start + len);
        }
        Ok(())
    }
}

/// As `chunks`, but nothing is one empty chunk.
fn chunks(bytes: &[u8], len: usize) -> impl Iterator<Item = &[u8]> {
    let empty = bytes.is_empty().then_some(bytes);
    bytes.chunks(len).chain(empty)
}

/// Eleven bytes of number and one that marks the last chunk.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let bytes = (u128::from(number) << 8) | u128::from(is_last);
    let [_, _, _, _, nonce @ ..] = bytes.to_be_bytes();
    Nonce::assume_unique_for_key(nonce)
}
