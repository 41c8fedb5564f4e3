//! Who may read and who may write: owners, writers, identities, domains (docs/format.md, section 2).

mod access;
mod folder;
mod info;
mod owners;
mod pattern;
mod seen;
mod signers;
mod succession;
#[cfg(test)]
mod tests;
mod writers;

pub(crate) use access::Access;
pub(crate) use folder::{ADDITIONS, KeyFolder, kind_of, put_back};
pub use info::{Keys, OwnerInfo, WriterInfo};
pub(crate) use owners::write_owner;
pub(crate) use pattern::fits;
pub(crate) use seen::{expect_here, memory_of, remember_here};
pub(crate) use signers::{Signer, Signers};
pub use succession::Rotated;
pub use writers::WriterSpec;
