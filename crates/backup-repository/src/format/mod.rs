//! Names and encodings: docs/format.md in code.

pub(crate) mod addition;
pub(crate) mod certificate;
pub(crate) mod config;
pub(crate) mod credential;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
pub(crate) mod ids;
pub(crate) mod owner;
pub(crate) mod record;
pub(crate) mod snapshot;
pub(crate) mod wire;

/// The bytes, if they are exactly one zstd frame.
pub(crate) fn one_frame(bytes: &[u8]) -> Option<&[u8]> {
    (zstd::zstd_safe::find_frame_compressed_size(bytes) == Ok(bytes.len())).then_some(bytes)
}
