//! Packs: segments of chunks, sealed one by one; docs/format.md, section 5.

mod footer;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod segment;
mod stored;
mod writer;

pub(crate) use footer::{Footer, MAX_FOOTER};
pub(crate) use frame::{parse_header, parse_trailer};
pub(crate) use segment::{Compressor, PlainSegment, SegmentPlace, Unpacker};

pub(crate) use stored::{domain_of, read_stored};
pub(crate) use writer::{FinishedPack, FinishedPacks, PackWriter, PackWriterOptions};

/// Bytes of the clear header: magic, kind, reserved, identity and domain numbers, wrapped key.
pub(crate) const HEADER_LEN: usize = 80;
/// Bytes behind the sealed footer: its length, the hash of all before, the end magic.
pub(crate) const TRAILER_LEN: usize = 44;
pub(crate) const MAGIC: &[u8; 8] = b"BKUPPAK1";
pub(crate) const END_MAGIC: &[u8; 8] = b"BKUPEND1";
