use super::segment::{MAX_SEGMENT, SegmentPlace};
use super::{HEADER_LEN, TRAILER_LEN};
use crate::crypto::{IndexKey, SealKey, TAG_LEN, derive};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId, Kind, PackName, RepositoryId};
use crate::format::one_frame;
use crate::format::record::newer;
use crate::format::wire::{Fields, put_bytes};
use backup_core::{Error, ErrorKind, Result};

const CONTEXT: &str = "backup repository 2026 footer";
/// No footer, sealed or plain, is longer.
pub(crate) const MAX_FOOTER: usize = 64 << 20;
const SEGMENT_LEN: usize = 16;

/// What a pack holds: its segments, and the chunks of each in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) segments: Vec<FooterSegment>,
    /// Name and length of every chunk, segment after segment.
    pub(crate) chunks: Vec<(ChunkId, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FooterSegment {
    pub(crate) sealed_len: u32,
    pub(crate) plain_len: u32,
    pub(crate) chunks: u32,
    pub(crate) flags: u8,
}

pub(super) fn key(index: &IndexKey, pack: &PackName) -> Result<SealKey> {
    SealKey::new(&derive(CONTEXT, &index.0, &pack.to_bytes()))
}

/// What a footer's seal is bound to: the header is copied from here into signed runs.
pub(super) fn associated(repository: &RepositoryId, pack: &PackName, header: &[u8]) -> Vec<u8> {
    [b"footer".as_slice(), &repository.0, &pack.to_bytes(), header].concat()
}

fn damaged(pack: &PackName, because: &'static str) -> Error {
    Error::new(ErrorKind::Damaged, "a pack's footer is damaged").context("pack", pack).context("because", because)
}

impl Footer {
    /// The plain message.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut segments = Vec::with_capacity(self.segments.len() * SEGMENT_LEN);
        for s in &self.segments {
            for number in [s.sealed_len, s.plain_len, s.chunks, u32::from(s.flags)] {
                segments.extend_from_slice(&number.to_le_bytes());
            }
        }
        let mut message = Vec::with_capacity(segments.len() + self.chunks.len() * (CHUNK_ID_LEN + 3) + 32);
        put_bytes(&mut message, 1, &segments);
        drop(segments);
        let ids: Vec<u8> = self.chunks.iter().flat_map(|(id, _)| id.0).collect();
        put_bytes(&mut message, 2, &ids);
        drop(ids);
        let lengths: Vec<u8> = self.chunks.iter().flat_map(|(_, len)| len.to_le_bytes().into_iter().take(3)).collect();
        put_bytes(&mut message, 3, &lengths);
        message
    }

    /// The sealed footer.
    pub(crate) fn seal(
        &self,
        index: &IndexKey,
        repository: &RepositoryId,
        pack: &PackName,
        header: &[u8],
    ) -> Result<Vec<u8>> {
        let message = self.message();
        let mut sealed = zstd::bulk::compress(&message, 3)
            .map_err(|e| Error::new(ErrorKind::Internal, "a footer cannot be compressed").source(e))?;
        key(index, pack)?.seal(0, &associated(repository, pack, header), &mut sealed)?;
        Ok(sealed)
    }

    /// Opens a sealed footer and checks that it fits a pack of `pack_len` bytes that begins with `header`.
    pub(crate) fn open(
        index: &IndexKey,
        repository: &RepositoryId,
        pack: &PackName,
        header: &[u8],
        pack_len: u64,
        mut sealed: Vec<u8>,
    ) -> Result<Self> {
        let sealed_len = sealed.len();
        let plain = key(index, pack)?
            .open(0, &associated(repository, pack, header), &mut sealed)
            .map_err(|e| e.context("pack", pack).context("part", "footer"))?;
        let message = one_frame(plain)
            .and_then(|frame| zstd::bulk::decompress(frame, MAX_FOOTER).ok())
            .ok_or_else(|| damaged(pack, "it does not decompress"))?;
        let (mut segments, mut ids, mut lengths) = (&[][..], &[][..], &[][..]);
        let mut fields = Fields::new(&message, &[1, 2, 3])?;
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => segments = value.bytes()?,
                2 => ids = value.bytes()?,
                3 => lengths = value.bytes()?,
                _ => {}
            }
        }
        let (ids, rest) = ids.as_chunks::<CHUNK_ID_LEN>();
        let (lengths, rest2) = lengths.as_chunks::<3>();
        let (segments, rest3) = segments.as_chunks::<SEGMENT_LEN>();
        if ids.len() != lengths.len() || !rest.is_empty() || !rest2.is_empty() || !rest3.is_empty() {
            return Err(damaged(pack, "its tables do not fit each other"));
        }
        let footer = Footer {
            segments: segments.iter().map(parse_segment).collect::<Result<_>>()?,
            chunks: ids
                .iter()
                .zip(lengths)
                .map(|(id, [a, b, c])| (ChunkId(*id), u32::from_le_bytes([*a, *b, *c, 0])))
                .collect(),
        };
        footer.check(pack, pack_len, sealed_len)?;
        Ok(footer)
    }

    fn check(&self, pack: &PackName, pack_len: u64, sealed_footer_len: usize) -> Result<()> {
        let mut chunks = self.chunks.iter();
        let mut end = HEADER_LEN as u64;
        for segment in &self.segments {
            end += u64::from(segment.sealed_len);
            let plain: u64 = chunks.by_ref().take(segment.chunks as usize).map(|(_, len)| u64::from(*len)).sum();
            if plain != u64::from(segment.plain_len)
                || segment.plain_len as usize >= MAX_SEGMENT
                || (segment.sealed_len as usize) < TAG_LEN
            {
                return Err(damaged(pack, "a segment's lengths do not fit"));
            }
        }
        if chunks.next().is_some() || end + sealed_footer_len as u64 + TRAILER_LEN as u64 != pack_len {
            return Err(damaged(pack, "its tables do not fit the pack"));
        }
        Ok(())
    }

    /// Every segment's place, with its chunks.
    pub(crate) fn places(&self, pack: PackName, kind: Kind) -> impl Iterator<Item = (SegmentPlace, &[(ChunkId, u32)])> {
        let mut offset = HEADER_LEN as u32;
        let mut chunks = self.chunks.as_slice();
        self.segments.iter().zip(0..).map(move |(s, number)| {
            let place = SegmentPlace {
                pack,
                kind,
                number,
                offset,
                sealed_len: s.sealed_len,
                plain_len: s.plain_len,
                flags: s.flags,
            };
            offset = offset.saturating_add(s.sealed_len);
            let (own, rest) = chunks.split_at_checked(s.chunks as usize).unwrap_or((chunks, &[]));
            chunks = rest;
            (place, own)
        })
    }
}

fn parse_segment(bytes: &[u8; SEGMENT_LEN]) -> Result<FooterSegment> {
    let [sealed_len, plain_len, chunks, flags] =
        [0, 1, 2, 3].map(|i| bytes.as_chunks::<4>().0.get(i).map_or(0, |b| u32::from_le_bytes(*b)));
    let flags = u8::try_from(flags).map_err(|_| newer().context("unknown", "flags of a segment"))?;
    Ok(FooterSegment { sealed_len, plain_len, chunks, flags })
}
