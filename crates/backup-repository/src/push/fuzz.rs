//! The parsers of what a push keeps locally, for fuzzing.

use super::scan::ScanReader;
use super::trust::Witness;
use crate::meta::Body;
use std::io::{Seek, Write};
use xxhash_rust::xxh3::xxh3_128;

/// A listing's file.
pub(crate) fn listing(data: &[u8]) {
    let written = tempfile::tempfile().and_then(|mut file| {
        file.write_all(data)?;
        file.rewind()?;
        Ok(file)
    });
    let Some(mut reader) = written.ok().and_then(ScanReader::new) else { return };
    let mut records = 0;
    while let Some(record) = reader.next() {
        records += 1;
        if let Ok(body) = Body::parse(&record.body) {
            let _ = body.references(|_| {});
        }
    }
    assert!(records <= data.len().max(64 << 20), "records without bytes");
}

/// The plain text of a listing's only block.
pub(crate) fn listing_block(data: &[u8]) {
    let frame = zstd::bulk::compress(data, 1).unwrap_or_default();
    let (length, sum) = ((frame.len() as u32).to_le_bytes(), xxh3_128(&frame).to_le_bytes());
    listing(&[&b"BKUPSCN1"[..], &[7; 16], &length, &sum, &frame].concat());
}

/// What is known of a listing.
pub(crate) fn witness(data: &[u8]) {
    let _ = serde_json::from_slice::<Witness>(data);
}

/// What a real file gives these parsers to read.
pub(crate) fn harvest(name: &str, file: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    if name.ends_with(".json") {
        return vec![("witness", file.to_vec())];
    }
    let mut seeds = vec![("listing", file.to_vec())];
    if let Some(frame) = file.get(24 + 20..)
        && let Ok(plain) = zstd::bulk::decompress(frame, 1 << 20)
    {
        seeds.push(("listing-block", plain));
    }
    seeds
}
