mod cache;
mod cold;
mod damage;
mod hostile;
mod merge;
mod oracle;
pub(super) mod support;

use super::blocks::MAGIC;
use super::seal::RunSeal;
use crate::format::ids::RunName;
use crate::repository::Inner;

/// A run without blocks whose footer is this message, signed by whoever opened the repository.
pub(crate) fn that_says(inner: &Inner, name: RunName, message: &[u8]) -> Vec<u8> {
    let seal = RunSeal::new(inner.config.repository, &inner.keys.index, name).unwrap();
    // As long as what is no tombstone.
    [&MAGIC[..], &[0; 300], &hostile::tail_of(&seal, &inner.signing, message)].concat()
}
