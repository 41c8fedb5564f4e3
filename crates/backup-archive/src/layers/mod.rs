//! The layers built in: what an archive's records name, and how they are made again.

mod age;
mod blocks;
mod frames;
mod gzip;
#[cfg(test)]
mod tests;
mod zstd;

pub(crate) use age::AgeKey;
pub use age::{Age, AgeIdentities};
pub(crate) use blocks::reader;
pub(crate) use frames::FrameLengths;
pub use gzip::Gzip;
pub use zstd::Zstd;

use backup_core::{Layer, LayerRecord, Result, unknown_layer};
use frames::Expand;
use std::sync::Arc;

/// What decoding needs and no record holds.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    age: AgeIdentities,
}

impl Keys {
    /// None.
    pub fn new() -> Self {
        Keys::default()
    }

    /// With what opens age files.
    #[must_use]
    pub fn with_age(mut self, identities: AgeIdentities) -> Self {
        self.age = identities;
        self
    }

    /// What opens age files.
    pub fn age(&self) -> &AgeIdentities {
        &self.age
    }
}

type MakeExpand = fn() -> Result<Box<dyn Expand>>;

/// A layer built in.
struct BuiltIn {
    name: &'static str,
    /// Of the names of objects, without the dot.
    extension: &'static str,
    make: fn(&LayerRecord, &Keys) -> Result<Arc<dyn Layer>>,
    /// For those that write a frame for each piece.
    expand: Option<MakeExpand>,
}

const BUILT_IN: &[BuiltIn] = &[zstd::BUILT_IN, gzip::BUILT_IN, age::BUILT_IN];

fn built_in(record: &LayerRecord) -> Result<&'static BuiltIn> {
    BUILT_IN.iter().find(|known| known.name == record.name).ok_or_else(|| unknown_layer(record))
}

/// A layer from its record.
///
/// # Errors
/// `Unsupported` for one that is not built in; `Damaged` for parameters that make no sense.
pub(crate) fn make(record: &LayerRecord, keys: &Keys) -> Result<Arc<dyn Layer>> {
    (built_in(record)?.make)(record, keys)
}

/// What a layer adds to the name of an object, without the dot.
///
/// # Errors
/// `Unsupported` for one that is not built in.
pub(crate) fn extension(record: &LayerRecord) -> Result<&'static str> {
    built_in(record).map(|known| known.extension)
}

/// Whether a layer writes a frame for each piece.
pub(crate) fn has_frames(record: &LayerRecord) -> bool {
    built_in(record).is_ok_and(|known| known.expand.is_some())
}

/// The piece behind one frame. Keeps the calling thread busy.
///
/// # Errors
/// `Damaged` when it is not exactly one whole frame, or holds more than `plain_len_at_most` bytes or a piece;
/// `Unsupported` when the layer has no frames.
pub(crate) fn decode_frame(record: &LayerRecord, stored: &[u8], plain_len_at_most: usize) -> Result<Vec<u8>> {
    let expand = built_in(record)?.expand.ok_or_else(|| unknown_layer(record))?;
    frames::decode_one(&mut *expand()?, stored, plain_len_at_most)
}
