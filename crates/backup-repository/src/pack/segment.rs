use crate::crypto::{SealKey, TAG_LEN};
use crate::format::ids::{ChunkId, Kind, PackName, RepositoryId};
use crate::format::one_frame;
use crate::format::record::newer;
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
            self.bytes.reserve_exact(content.len());
        }
        self.bytes.extend_from_slice(content);
        self.chunks.push((id, content.len() as u32));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.chunks.clear();
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
        })
    }

    /// Puts the segment's stored form (before sealing) into `out` and gives its flags.
    pub(crate) fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<u8> {
        out.clear();
        if self.is_promising(plain)? {
            out.reserve(zstd::zstd_safe::compress_bound(plain.len()) + TAG_LEN);
            self.zstd.compress_to_buffer(plain, out).map_err(failed)?;
            if out.len() < plain.len() - plain.len() / 64 {
                return Ok(COMPRESSED);
            }
            out.clear();
        }
        out.reserve(plain.len() + TAG_LEN);
        out.extend_from_slice(plain);
        Ok(0)
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
        let mut compressor = Compressor::new(3).unwrap();
        let mut out = Vec::new();
        assert_eq!(compressor.compress(&b"some text ".repeat(100_000), &mut out).unwrap(), COMPRESSED);
        assert!(out.len() < 1000);
        let noise = noise(1 << 20);
        assert_eq!(compressor.compress(&noise, &mut out).unwrap(), 0);
        assert_eq!(out, noise);
        let mut mixed = noise.clone();
        mixed[..256 << 10].fill(7);
        assert_eq!(compressor.compress(&mixed, &mut out).unwrap(), COMPRESSED);
        assert_eq!(compressor.compress(b"x", &mut out).unwrap(), 0);
        assert_eq!(out, b"x");
    }
}
