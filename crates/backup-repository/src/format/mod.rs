//! Names and encodings: docs/format.md in code.

pub(crate) mod ids;
pub(crate) mod wire;
