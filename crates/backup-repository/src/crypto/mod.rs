//! Keys, sealing, signing: the primitives of docs/format.md, nothing of our own making.

mod keys;
mod seal;
mod sign;
mod wrap;

pub(crate) use keys::{ChunkKey, DomainKeys, IndexKey, derive};
pub(crate) use seal::{SealKey, TAG_LEN};
pub use sign::SignerId;
pub(crate) use sign::{SIGNATURE_LEN, SigningKey, VerifyingKey};
pub(crate) use wrap::{Identity, Recipient, WRAP_KIND, WRAPPED_LEN, WrappedKey, known_wrap};

use backup_core::{Error, ErrorKind, Result};

/// Fills an array with random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::new(ErrorKind::Internal, "the operating system gave no random bytes"))?;
    Ok(bytes)
}
