use crate::crypto::{SealKey, TAG_LEN};
use crate::format::ids::{ChunkId, Kind, PackName, RepositoryId};
use crate::format::one_frame;
use crate::format::record::newer;
use backup_core::Spare;
use backup_core::{Error, ErrorKind, Result};

/// A plain segment is shorter than this.
pub(crate) const MAX_SEGMENT: usize = 1 << 24;
/// The flag of a segment that holds one zstd frame.
pub(crate) const COMPRESSED: u8 = 1;

const PROBES: usize = 8;
const PROBE_LEN: usize = 2048;

/// Chunks gathered in path order, one behind the other.
#[derive(Default)]
pub(crate) struct PlainSegment {
    pub(crate) bytes: Vec<u8>,
    /// Name and length of each, in order.
    pub(crate) chunks: Vec<(ChunkId, u32)>,
}

impl PlainSegment {
    pub(crate) fn push(&mut self, id: ChunkId, content: &[u8]) {
        // Not the doubling of `extend`: a segment is seldom much longer than it is when a large chunk comes.
        if self.bytes.capacity() - self.bytes.len() < content.len() && content.len() > self.bytes.len() / 4 {
            // What is not compressed is sealed where it is.
            self.bytes.reserve_exact(content.len() + TAG_LEN);
        }
        self.bytes.extend_from_slice(content);
        self.chunks.push((id, content.len() as u32));
    }
}

/// What a segment's seal is bound to.
pub(crate) fn associated(
    repository: &RepositoryId,
    pack: &PackName,
    number: u32,
    kind: Kind,
    flags: u8,
    plain_len: u32,
) -> [u8; 53] {
    let mut out = [0; 53];
    let parts: [&[u8]; 7] = [
        b"segment",
        &repository.0,
        &pack.to_bytes(),
        &number.to_le_bytes(),
        &[kind.to_byte()],
        &[flags],
        &plain_len.to_le_bytes(),
    ];
    for (to, from) in out.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
    }
    out
}

/// One thread's compression: contexts are kept between segments.
pub(crate) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    probe: zstd::bulk::Compressor<'static>,
    sample: Vec<u8>,
    scratch: Vec<u8>,
    /// A compressed form before its length is known.
    frame: Vec<u8>,
}

fn failed(e: std::io::Error) -> Error {
    Error::new(ErrorKind::Internal, "a segment cannot be compressed").source(e)
}

impl Compressor {
    pub(crate) fn new(level: i32) -> Result<Self> {
        Ok(Compressor {
            zstd: zstd::bulk::Compressor::new(level).map_err(failed)?,
            probe: zstd::bulk::Compressor::new(1).map_err(failed)?,
            sample: Vec::with_capacity(PROBES * PROBE_LEN),
            scratch: Vec::with_capacity(2 * PROBES * PROBE_LEN),
            frame: Vec::new(),
        })
    }

    /// A segment's stored form before sealing, and its flags. Either is the plain bytes themselves, or they go to `spare`.
    pub(crate) fn compress(&mut self, plain: Vec<u8>, spare: &Spare) -> Result<(Vec<u8>, u8)> {
        if self.is_promising(&plain)? {
            self.frame.clear();
            self.frame.reserve(zstd::zstd_safe::compress_bound(plain.len()));
            self.zstd.compress_to_buffer(&plain, &mut self.frame).map_err(failed)?;
            if self.frame.len() < plain.len() - plain.len() / 64 {
                spare.give(plain);
                // What waits for the storage takes no more memory than it must; with room for the seal's tag it does not move.
                let mut stored = Vec::with_capacity(self.frame.len() + TAG_LEN);
                stored.extend_from_slice(&self.frame);
                return Ok((stored, COMPRESSED));
            }
        }
        Ok((plain, 0))
    }

    /// Whether samples of it shrink: media and archives are not worth the time.
    fn is_promising(&mut self, plain: &[u8]) -> Result<bool> {
        if plain.len() < 4 * PROBES * PROBE_LEN {
            return Ok(true);
        }
        self.sample.clear();
        for probe in plain.chunks(plain.len() / PROBES).take(PROBES) {
            self.sample.extend_from_slice(probe.get(..PROBE_LEN).unwrap_or(probe));
        }
        self.scratch.clear();
        self.probe.compress_to_buffer(&self.sample, &mut self.scratch).map_err(failed)?;
        Ok(self.scratch.len() * 100 < self.sample.len() * 98)
    }
}

/// Where a segment stands and how it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SegmentPlace {
    pub(crate) pack: PackName,
    pub(crate) kind: Kind,
    pub(crate) number: u32,
    /// First byte in the pack.
    pub(crate) offset: u32,
    pub(crate) sealed_len: u32,
    pub(crate) plain_len: u32,
    pub(crate) flags: u8,
}

/// One thread's decompression.
pub(crate) struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new()
            .map_err(|e| Error::new(ErrorKind::Internal, "decompression cannot start").source(e))?;
        Ok(Unpacker { zstd })
    }

    /// Opens a sealed segment in place and gives its plain bytes in `plain`.
    ///
    /// # Errors
    /// `Damaged` when it is not the segment that was written at this place; `Unsupported` for unknown flags.
    pub(crate) fn unpack(
        &mut self,
        repository: &RepositoryId,
        key: &SealKey,
        place: &SegmentPlace,
        sealed: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<()> {
        let damaged = |because: &'static str| {
            Error::new(ErrorKind::Damaged, "a segment is damaged")
                .context("pack", place.pack)
                .context("segment", place.number)
                .context("because", because)
        };
        if place.flags & !COMPRESSED != 0 {
            return Err(newer()
                .context("unknown", "flags of a segment")
                .context("pack", place.pack)
                .context("segment", place.number));
        }
        let plain_len = place.plain_len as usize;
        if plain_len >= MAX_SEGMENT {
            return Err(damaged("its length is out of bounds"));
        }
        let associated = associated(repository, &place.pack, place.number, place.kind, place.flags, place.plain_len);
        let opened = key
            .open(u64::from(place.number), &associated, sealed)
            .map_err(|e| e.context("pack", place.pack).context("segment", place.number))?;
        plain.clear();
        if place.flags & COMPRESSED == 0 {
            plain.extend_from_slice(opened);
        } else {
            plain.reserve(plain_len);
            one_frame(opened)
                .and_then(|frame| self.zstd.decompress_to_buffer(frame, plain).ok())
                .ok_or_else(|| damaged("it does not decompress"))?;
        }
        if plain.len() == plain_len { Ok(()) } else { Err(damaged("it has another length than recorded")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn text_is_compressed_and_noise_is_not() {
        let (mut compressor, spare) = (Compressor::new(3).unwrap(), Spare::default());
        let mut stored = |plain: &[u8]| compressor.compress(plain.to_vec(), &spare).unwrap();
        let (text, flags) = stored(&b"some text ".repeat(110_000));
        assert!(text.len() < 1000 && flags == COMPRESSED);
        assert!(spare.take().capacity() >= 1_100_000, "its buffer can be used again");
        let noise = noise(1 << 20);
        assert_eq!(stored(&noise), (noise.clone(), 0));
        let mut mixed = noise.clone();
        mixed[..256 << 10].fill(7);
        assert_eq!(stored(&mixed).1, COMPRESSED);
        assert_eq!(stored(b"x"), (b"x".to_vec(), 0));
    }
}
