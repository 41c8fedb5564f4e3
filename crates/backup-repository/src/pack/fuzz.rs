//! The parsers of packs, for fuzzing.

use super::footer::{Footer, associated, key};
use super::segment::{SegmentPlace, Unpacker, associated as segment_associated};
use super::{HEADER_LEN, TRAILER_LEN, parse_header, parse_trailer};
use crate::crypto::SealKey;
use crate::fetch::Fetcher;
use crate::format::ids::{Kind, PackName};
use crate::format::wire::Fields;
use crate::fuzzing::keys;
use crate::repository::Inner;
use backup_core::Result;
use std::sync::Arc;

pub(crate) fn pack(data: &[u8]) {
    let _ = (parse_header(data), parse_trailer(data));
}

/// A footer's message.
pub(crate) fn footer(data: &[u8]) {
    // So long that the message fits, if nothing else is wrong with it.
    let mut segments: u64 = 0;
    let mut fields = Fields::new(data, &[]).ok();
    while let Some(Ok(Some((number, value)))) = fields.as_mut().map(Fields::next) {
        if let (1, Ok(table)) = (number, value.bytes()) {
            let lengths = table.as_chunks::<16>().0.iter().filter_map(|entry| entry.first_chunk::<4>());
            segments = lengths.map(|length| u64::from(u32::from_le_bytes(*length))).sum();
        }
    }
    sealed_footer(zstd::bulk::compress(data, 1).unwrap_or_default(), segments);
}

/// A footer that is these bytes in place of a zstd frame.
pub(crate) fn footer_frame(data: &[u8]) {
    sealed_footer(data.to_vec(), 0);
}

fn sealed_footer(mut sealed: Vec<u8>, segments: u64) {
    let Some(keys) = keys() else { return };
    let (index, name) = (keys.index(), keys.pack());
    let done = key(index, &name).and_then(|key| key.seal(0, &associated(&keys.repository, &name, &[]), &mut sealed));
    let length = segments + (HEADER_LEN + TRAILER_LEN + sealed.len()) as u64;
    if done.is_ok()
        && let Ok(footer) = Footer::open(index, &keys.repository, &name, &[], length, sealed)
    {
        let listed: usize = footer.places(name, Kind::Data).map(|(_, chunks)| chunks.len()).sum();
        assert_eq!(listed, footer.chunks.len(), "chunks that are in no segment");
    }
}

/// Flags (1) ‖ plain length (4) ‖ the plain text of a segment.
pub(crate) fn segment(data: &[u8]) {
    let (Some(keys), Some((head, stored))) = (keys(), data.split_first_chunk::<5>()) else { return };
    let [flags, a, b, c, d] = *head;
    let plain_len = u32::from_le_bytes([a, b, c, d]);
    let (pack, kind, number) = (keys.pack(), Kind::Data, 0);
    let place = SegmentPlace { pack, kind, number, offset: 80, sealed_len: stored.len() as u32 + 16, plain_len, flags };
    let bound = segment_associated(&keys.repository, &pack, number, kind, flags, plain_len);
    let mut sealed = stored.to_vec();
    if let (Ok(key), Ok(mut unpacker)) = (SealKey::new(&[7; 32]), Unpacker::new())
        && key.seal(0, &bound, &mut sealed).is_ok()
    {
        let _ = unpacker.unpack(&keys.repository, &key, &place, &mut sealed, &mut Vec::new());
    }
}

/// What a real pack gives these parsers to read.
pub(crate) fn harvest(inner: &Arc<Inner>, name: PackName, object: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let (header, end) = (parse_header(object)?, object.len().saturating_sub(TRAILER_LEN));
    let mut seeds = vec![(
        "pack",
        [object.get(..HEADER_LEN), object.get(end..)].into_iter().flatten().flatten().copied().collect(),
    )];
    let length = parse_trailer(object).map_or(0, |(length, _)| length as usize);
    let sealed = object.get(end.saturating_sub(length)..end).unwrap_or_default().to_vec();
    let (start, length) = (object.get(..HEADER_LEN).unwrap_or_default(), object.len() as u64);
    let footer = Footer::open(&inner.keys.index, &inner.config.repository, &name, start, length, sealed)?;
    let message = footer.message();
    seeds.push(("pack-footer-frame", zstd::bulk::compress(&message, 3).unwrap_or_default()));
    seeds.push(("pack-footer", message));
    let key = Fetcher::new(inner.clone()).key(&name, &header.wrapped)?;
    for (place, chunks) in footer.places(name, header.kind) {
        let start = place.offset as usize;
        let mut sealed = object.get(start..start + place.sealed_len as usize).unwrap_or_default().to_vec();
        let mut plain = Vec::new();
        Unpacker::new()?.unpack(&inner.config.repository, &key, &place, &mut sealed, &mut plain)?;
        let frame = if place.flags == 0 { plain.clone() } else { zstd::bulk::compress(&plain, 3).unwrap_or_default() };
        seeds.push(("segment", [&[place.flags][..], &place.plain_len.to_le_bytes(), &frame].concat()));
        let mut rest = plain.as_slice();
        for (_, length) in chunks {
            let (chunk, behind) = rest.split_at_checked(*length as usize).unwrap_or((rest, &[]));
            rest = behind;
            if header.kind == Kind::Metadata {
                seeds.push(("block", chunk.to_vec()));
            }
        }
    }
    Ok(seeds)
}
