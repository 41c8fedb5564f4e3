//! The items of the sections rows, segments and packs.

use super::layout::Section;
use crate::crypto::{WRAP_KIND, WrappedKey, known_wrap};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId, Kind, PackName};
use crate::format::record::newer;
use backup_core::{Error, ErrorKind, Result};

/// Offsets and lengths inside a plain segment stay below this.
const U24: u32 = 1 << 24;

/// One chunk in one segment. Compares by id first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Row {
    pub(crate) id: ChunkId,
    /// Which of the run's segments, from 0.
    pub(crate) segment: u32,
    /// First byte in the plain segment, below 16 MiB.
    pub(crate) offset: u32,
    /// Bytes, below 16 MiB.
    pub(crate) length: u32,
}

/// One segment of a pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SegmentRecord {
    /// Which of the run's packs, from 0.
    pub(crate) pack: u32,
    /// First byte in the pack.
    pub(crate) offset: u32,
    pub(crate) sealed_len: u32,
    pub(crate) plain_len: u32,
    /// Which of the pack's segments, from 0.
    pub(crate) number: u32,
    pub(crate) flags: u8,
}

/// One pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PackRecord {
    pub(crate) name: PackName,
    pub(crate) kind: Kind,
    /// Which of the repository's identities unwraps the key.
    pub(crate) identity: u16,
    pub(crate) length: u64,
    /// BLAKE3 of the stored bytes.
    pub(crate) hash: [u8; 32],
    pub(crate) wrapped: WrappedKey,
}

fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "an index run holds an impossible record").context("because", what)
}

/// Takes a fixed number of bytes off the front; an item is never shorter than its fields.
fn take<const N: usize>(item: &mut &[u8]) -> Result<[u8; N]> {
    let (head, rest) = item.split_first_chunk::<N>().ok_or_else(|| damaged("it is too short"))?;
    *item = rest;
    Ok(*head)
}

fn take_u24(item: &mut &[u8]) -> Result<u32> {
    let [a, b, c] = take(item)?;
    Ok(u32::from_le_bytes([a, b, c, 0]))
}

fn take_u32(item: &mut &[u8]) -> Result<u32> {
    take(item).map(u32::from_le_bytes)
}

fn put_u24(out: &mut Vec<u8>, value: u32) -> Result<()> {
    if value >= U24 {
        return Err(Error::new(ErrorKind::InvalidInput, "a chunk lies outside of what a segment may hold"));
    }
    out.extend(value.to_le_bytes().into_iter().take(3));
    Ok(())
}

/// What has a section of its own.
pub(crate) trait Record: Sized {
    const SECTION: Section;
    /// Appends the stored form.
    ///
    /// # Errors
    /// `InvalidInput` when a number does not fit.
    fn put(&self, out: &mut Vec<u8>) -> Result<()>;
    /// Reads the stored form.
    ///
    /// # Errors
    /// `Damaged` when it is too short, or says what cannot be.
    fn get(item: &[u8]) -> Result<Self>;
}

impl Record for Row {
    const SECTION: Section = Section::Rows;

    fn put(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.id.0);
        out.extend_from_slice(&self.segment.to_le_bytes());
        put_u24(out, self.offset)?;
        put_u24(out, self.length)
    }

    fn get(mut item: &[u8]) -> Result<Self> {
        Ok(Row {
            id: ChunkId(take::<CHUNK_ID_LEN>(&mut item)?),
            segment: take_u32(&mut item)?,
            offset: take_u24(&mut item)?,
            length: take_u24(&mut item)?,
        })
    }
}

impl Record for SegmentRecord {
    const SECTION: Section = Section::Segments;

    fn put(&self, out: &mut Vec<u8>) -> Result<()> {
        let fields = [self.pack, self.offset, self.sealed_len, self.plain_len, self.number, u32::from(self.flags)];
        out.extend(fields.into_iter().flat_map(u32::to_le_bytes));
        Ok(())
    }

    fn get(mut item: &[u8]) -> Result<Self> {
        let pack = take_u32(&mut item)?;
        let offset = take_u32(&mut item)?;
        let sealed_len = take_u32(&mut item)?;
        let plain_len = take_u32(&mut item)?;
        let number = take_u32(&mut item)?;
        let flags = u8::try_from(take_u32(&mut item)?).map_err(|_| newer().context("unknown", "flags of a segment"))?;
        if plain_len >= U24 {
            return Err(damaged("a segment is too long"));
        }
        Ok(SegmentRecord { pack, offset, sealed_len, plain_len, number, flags })
    }
}

impl Record for PackRecord {
    const SECTION: Section = Section::Packs;

    fn put(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(&self.name.to_bytes());
        out.extend_from_slice(&[self.kind.to_byte(), WRAP_KIND]);
        out.extend_from_slice(&self.identity.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.wrapped);
        Ok(())
    }

    fn get(mut item: &[u8]) -> Result<Self> {
        let name = PackName::from_bytes(&take(&mut item)?);
        let [kind, wrap] = take(&mut item)?;
        known_wrap(wrap)?;
        Ok(PackRecord {
            name,
            kind: Kind::from_byte(kind)?,
            identity: u16::from_le_bytes(take(&mut item)?),
            length: u64::from_le_bytes(take(&mut item)?),
            hash: take(&mut item)?,
            wrapped: take(&mut item)?,
        })
    }
}

/// The `index`th item on a page of this kind of record.
pub(crate) fn item<R: Record>(page: &[u8], index: u32) -> &[u8] {
    let len = R::SECTION.item_len();
    page.get(index as usize * len..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ids::{SessionId, SessionObject};

    fn round<R: Record + PartialEq + std::fmt::Debug>(record: R) {
        let mut bytes = Vec::new();
        record.put(&mut bytes).unwrap();
        assert_eq!(bytes.len(), R::SECTION.item_len());
        assert_eq!(R::get(&bytes).unwrap(), record);
        assert_eq!(R::get(&bytes[..bytes.len() - 1]).unwrap_err().kind(), ErrorKind::Damaged);
    }

    #[test]
    fn records_go_both_ways() {
        round(Row { id: ChunkId([7; 20]), segment: 1 << 31, offset: U24 - 1, length: 3 });
        round(SegmentRecord { pack: 1, offset: u32::MAX, sealed_len: 2, plain_len: U24 - 1, number: 3, flags: 1 });
        let name = PackName(SessionObject { session: SessionId([9; 16]), number: 5 });
        let (length, hash, wrapped) = (1 << 40, [1; 32], [2; 64]);
        round(PackRecord { name, kind: Kind::Metadata, identity: 513, length, hash, wrapped });
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let row = Row { id: ChunkId([7; 20]), segment: 0, offset: U24, length: 3 };
        assert_eq!(row.put(&mut Vec::new()).unwrap_err().kind(), ErrorKind::InvalidInput);
        let mut segment = vec![0; 24];
        segment[15] = 1;
        assert!(SegmentRecord::get(&segment).is_err());
    }
}
