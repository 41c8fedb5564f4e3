//! Archives: one object per backup, beside a manifest, opened with stock tools. docs/archive.md has the format.

mod catalogue;
mod folder;
mod index;
mod layers;
mod manifest;
mod names;
mod pull;
mod push;
mod settings;
mod tar;
mod text;

pub use folder::ArchiveFolder;
pub use layers::{Age, AgeIdentities, Gzip, Keys, Zstd};
pub use settings::{ArchiveSettings, Compression, Encryption, WhenTaken};
