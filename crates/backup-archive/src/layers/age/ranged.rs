//! Parts of an age file.

use super::header;
use super::keys::AgeIdentities;
use super::payload::{CHUNK_BYTES, Payload, SEALED_BYTES, TAG_BYTES};
use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;

/// The key of one age file, with which parts of it are read. Lengths and offsets are of the whole object.
pub(crate) struct AgeKey {
    payload: Payload,
    header_len: u64,
}

impl AgeKey {
    /// From the beginning of a file; none when more of it is needed. Keeps the thread busy with a passphrase.
    ///
    /// # Errors
    /// `AccessDenied` when none of the identities opens it; `Damaged` when it is no age file, or its header is longer
    /// than 256 KiB.
    pub(crate) fn open(head: &[u8], identities: &AgeIdentities) -> Result<Option<Self>> {
        let Some(end) = header::end(head)? else { return Ok(None) };
        let payload = header::open(head.get(..end).unwrap_or_default(), identities)?;
        Ok(Some(AgeKey { payload, header_len: end as u64 }))
    }

    /// How many bytes a file of this length holds.
    ///
    /// # Errors
    /// `Damaged` when no file has this length.
    pub(crate) fn plain_len(&self, stored_len: u64) -> Result<u64> {
        let impossible = || Error::new(ErrorKind::Damaged, "an age file was cut").context("stored_bytes", stored_len);
        let sealed = stored_len.checked_sub(self.header_len).filter(|len| *len > 0).ok_or_else(impossible)?;
        let chunks = sealed.div_ceil(SEALED_BYTES as u64);
        let last = sealed - (chunks - 1) * SEALED_BYTES as u64;
        let is_possible = last > TAG_BYTES as u64 || (last == TAG_BYTES as u64 && chunks == 1);
        if is_possible { Ok(sealed - chunks * TAG_BYTES as u64) } else { Err(impossible()) }
    }

    /// Which stored bytes are needed for some plain ones: whole chunks; none for none.
    ///
    /// # Errors
    /// `InvalidInput` when the file does not hold these; `Damaged` as [`AgeKey::plain_len`].
    pub(crate) fn stored_range(&self, plain: Range<u64>, stored_len: u64) -> Result<Range<u64>> {
        if plain.start > plain.end || plain.end > self.plain_len(stored_len)? {
            return Err(Error::new(ErrorKind::InvalidInput, "an age file does not hold these bytes")
                .context("from", plain.start)
                .context("to", plain.end));
        }
        let chunks = chunks(&plain);
        let at = |chunk: u64| stored_len.min(self.header_len + chunk * SEALED_BYTES as u64);
        Ok(at(chunks.start)..at(chunks.end))
    }

    /// The plain bytes from the stored ones of [`AgeKey::stored_range`].
    ///
    /// # Errors
    /// `Damaged`; and as [`AgeKey::stored_range`].
    pub(crate) fn decrypt(&self, stored: &[u8], plain: Range<u64>, stored_len: u64) -> Result<Vec<u8>> {
        let range = self.stored_range(plain.clone(), stored_len)?;
        if stored.len() as u64 != range.end - range.start {
            return Err(Error::new(ErrorKind::Damaged, "a part of an age file is not as long as it must be"));
        }
        if plain.is_empty() {
            return Ok(Vec::new());
        }
        let first = chunks(&plain).start;
        let mut opened = Vec::new();
        self.payload.open(first, range.end == stored_len, stored, &mut opened)?;
        // It lies inside what was opened, which is in memory.
        let start = (plain.start - first * CHUNK_BYTES as u64) as usize;
        opened.truncate(start + (plain.end - plain.start) as usize);
        opened.drain(..start);
        Ok(opened)
    }
}

/// The chunks in which these bytes lie.
fn chunks(plain: &Range<u64>) -> Range<u64> {
    let first = plain.start / CHUNK_BYTES as u64;
    if plain.is_empty() { first..first } else { first..plain.end.div_ceil(CHUNK_BYTES as u64) }
}
