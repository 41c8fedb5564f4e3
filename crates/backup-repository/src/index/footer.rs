use super::blocks::{BlockTable, MAGIC, damaged};
use super::layout::{Layout, Section};
use super::seal::{NAME_LEN, RunKeys, RunSeal, SALT_LEN, TRAILER_LEN, name_bytes, signed};
use crate::crypto::{SIGNATURE_LEN, SignerId, SigningKey, VerifyingKey};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId, Kind, PackName, RunName};
use crate::format::record::newer;
use crate::format::wire::{Fields, put_bytes, put_uint, put_varint, take_varint};
use backup_core::{Error, ErrorKind, Result};
use std::ops::Range;

/// The longest sealed footer, in bytes.
pub(crate) const MAX_FOOTER: usize = 64 << 20;
const END_MAGIC: &[u8; 8] = b"BKUPEND1";

/// What a run says of itself.
#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) kind: Kind,
    pub(crate) domain: u32,
    pub(crate) layout: Layout,
    pub(super) blocks: BlockTable,
    pub(crate) replaces: Vec<RunName>,
    pub(crate) first: ChunkId,
    pub(crate) last: ChunkId,
}

impl Footer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blocks.stored().len() + 128);
        put_uint(&mut out, 1, u64::from(self.kind.to_byte()) + 1);
        put_uint(&mut out, 2, u64::from(self.domain));
        let mut counts = Vec::new();
        for count in self.layout.counts() {
            put_varint(&mut counts, u64::from(count));
        }
        put_bytes(&mut out, 3, &counts);
        put_bytes(&mut out, 4, self.blocks.stored());
        for name in &self.replaces {
            put_bytes(&mut out, 5, &name_bytes(*name));
        }
        put_bytes(&mut out, 6, &self.first.0);
        put_bytes(&mut out, 7, &self.last.0);
        out
    }

    pub(super) fn parse(message: &[u8]) -> Result<Self> {
        let (mut kind, mut domain, mut counts, mut blocks) = (0, 0, None, None);
        let (mut replaces, mut first, mut last) = (Vec::new(), None, None);
        let mut fields = Fields::new(message, &[1, 2, 3, 4, 6, 7])?;
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => kind = value.u32()?,
                2 => domain = value.u32()?,
                3 => counts = Some(value.bytes()?),
                4 => blocks = Some(value.bytes()?),
                5 => replaces.push(run_name(value.bytes()?)?),
                6 => first = Some(chunk_id(value.bytes()?)?),
                7 => last = Some(chunk_id(value.bytes()?)?),
                _ => {}
            }
        }
        let kind = kind.checked_sub(1).and_then(|kind| u8::try_from(kind).ok());
        let kind = Kind::from_byte(kind.ok_or_else(|| damaged("it has no kind"))?)?;
        let layout = parse_counts(counts.ok_or_else(|| damaged("it has no counts"))?)?;
        let stored = blocks.ok_or_else(|| damaged("it has no blocks"))?;
        let blocks = BlockTable::parse(stored, layout.block_count())?;
        match (first, last) {
            (Some(first), Some(last)) if first <= last => {
                Ok(Footer { kind, domain, layout, blocks, replaces, first, last })
            }
            _ => Err(damaged("it has no range of ids")),
        }
    }

    /// Seals and signs it: everything of the object that stands behind the blocks.
    pub(super) fn seal(&self, seal: &RunSeal, signer: &SigningKey) -> Result<Vec<u8>> {
        let mut tail = self.encode();
        seal.seal_footer(&mut tail)?;
        if tail.len() > MAX_FOOTER {
            return Err(Error::new(ErrorKind::InvalidInput, "an index run's footer would be too long"));
        }
        let id = signer.verifying()?.id();
        let signature = signer.sign(&signed(seal.repository, seal.name, &seal.salt, id, &tail))?;
        let length = tail.len() as u32;
        tail.extend_from_slice(&seal.salt);
        tail.extend_from_slice(&id.0);
        tail.extend_from_slice(&signature);
        tail.extend_from_slice(&length.to_le_bytes());
        tail.extend_from_slice(END_MAGIC);
        Ok(tail)
    }

    /// Verifies and opens what stands behind the blocks. `key_of` gives the key of a signer that may write runs.
    ///
    /// # Errors
    /// `AccessDenied` when the signer is not one of those, or the run is of a domain whose keys are not here; `Damaged`.
    pub(super) fn open(
        tail: &[u8],
        keys: &RunKeys,
        key_of: &dyn Fn(&SignerId) -> Option<VerifyingKey>,
    ) -> Result<(Self, SignerId, RunSeal)> {
        let name = keys.name;
        let named = |e: Error| e.context("run", name);
        let Tail { sealed, salt, signer, signature } =
            split(tail).ok_or_else(|| named(damaged("it is cut short or too long")))?;
        let key = key_of(&signer).ok_or_else(|| {
            named(
                Error::new(ErrorKind::AccessDenied, "an index run is signed by nobody who may")
                    .context("signer", signer),
            )
        })?;
        key.verify(&signed(keys.repository, name, &salt, signer, sealed), signature).map_err(named)?;
        let (footer, domain, seal) = keys.open_footer(salt, sealed)?;
        let footer = Footer::parse(&footer).map_err(named)?;
        if footer.domain != domain {
            return Err(named(damaged("it names another domain than the one whose key opens it")));
        }
        Ok((footer, signer, seal))
    }
}

/// A tail of exactly the right length, in its parts.
struct Tail<'a> {
    sealed: &'a [u8],
    salt: [u8; SALT_LEN],
    signer: SignerId,
    signature: &'a [u8; SIGNATURE_LEN],
}

fn split(tail: &[u8]) -> Option<Tail<'_>> {
    let (rest, magic) = tail.split_last_chunk::<8>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let (rest, signature) = rest.split_last_chunk::<SIGNATURE_LEN>()?;
    let (rest, signer) = rest.split_last_chunk::<16>()?;
    let (sealed, salt) = rest.split_last_chunk::<SALT_LEN>()?;
    let fits = magic == END_MAGIC && sealed.len() == u32::from_le_bytes(*length) as usize && sealed.len() <= MAX_FOOTER;
    fits.then_some(Tail { sealed, salt: *salt, signer: SignerId(*signer), signature })
}

/// Who signed a run, as its tail says.
pub(crate) fn signer_of(tail: &[u8]) -> Option<SignerId> {
    let (rest, _) = tail.split_last_chunk::<{ SIGNATURE_LEN + 4 + 8 }>()?;
    rest.last_chunk::<16>().map(|signer| SignerId(*signer))
}

fn parse_counts(mut stored: &[u8]) -> Result<Layout> {
    let mut counts = [0; 5];
    for count in &mut counts {
        *count = take_varint(&mut stored)?;
    }
    let [_, rows, segments, packs, _] = counts;
    let layout = Layout::new(rows, segments, packs).map_err(|e| e.with_kind(ErrorKind::Damaged))?;
    let agrees = Section::ALL.iter().zip(counts).all(|(section, count)| u64::from(layout.count(*section)) == count);
    if !stored.is_empty() {
        return Err(newer().context("unknown", "sections of an index run"));
    }
    if agrees { Ok(layout) } else { Err(damaged("its counts do not fit each other")) }
}

fn run_name(bytes: &[u8]) -> Result<RunName> {
    let bytes: &[u8; NAME_LEN] = bytes.try_into().map_err(|_| damaged("a run's name has the wrong length"))?;
    Ok(RunName(PackName::from_bytes(bytes).0))
}

fn chunk_id(bytes: &[u8]) -> Result<ChunkId> {
    bytes.try_into().map(|id: [u8; CHUNK_ID_LEN]| ChunkId(id)).map_err(|_| damaged("an id has the wrong length"))
}

/// The range of an object of `object_len` bytes to read first: nearly always its whole tail.
pub(crate) fn tail_guess(object_len: u64) -> Range<u64> {
    // Blocks are seldom compressed below a third: their entries, a few replaced runs, the rest of the footer.
    let guess = object_len / 1000 + 4096;
    object_len.saturating_sub(guess)..object_len
}

/// What the end of an object says of its tail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TailEnd {
    /// The last so many bytes are the tail.
    Whole(usize),
    /// This range must be read instead.
    Longer(Range<u64>),
}

/// Finds the tail of an object of `object_len` bytes in its last bytes.
///
/// # Errors
/// `Damaged` when this is not the end of an index run.
pub(crate) fn find_tail(end: &[u8], object_len: u64) -> Result<TailEnd> {
    let (rest, magic) = end.split_last_chunk::<8>().ok_or_else(|| damaged("the object is cut short"))?;
    let (_, length) = rest.split_last_chunk::<4>().ok_or_else(|| damaged("the object is cut short"))?;
    let sealed = u32::from_le_bytes(*length) as usize;
    let tail = sealed.saturating_add(TRAILER_LEN);
    let blocks = object_len.checked_sub(tail as u64);
    match blocks {
        Some(blocks) if magic == END_MAGIC && sealed <= MAX_FOOTER && blocks > MAGIC.len() as u64 => {
            if tail <= end.len() { Ok(TailEnd::Whole(tail)) } else { Ok(TailEnd::Longer(blocks..object_len)) }
        }
        _ => Err(damaged("the object does not end as an index run does")),
    }
}
