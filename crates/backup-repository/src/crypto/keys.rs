use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of every symmetric key.
pub(crate) const KEY_LEN: usize = 32;

/// A key from another, for one purpose: BLAKE3 in its key derivation mode. `context` is a constant of this program;
/// what varies goes into `material`, behind the key.
pub(crate) fn derive(context: &str, key: &[u8; KEY_LEN], material: &[u8]) -> Zeroizing<[u8; KEY_LEN]> {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(key);
    hasher.update(material);
    Zeroizing::new(hasher.finalize().into())
}

/// Names chunks, and decides where metadata blocks are cut.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct ChunkKey(pub(crate) [u8; KEY_LEN]);

impl ChunkKey {
    /// A chunk's name.
    pub(crate) fn id(&self, content: &[u8]) -> ChunkId {
        let hash = blake3::keyed_hash(&self.0, content);
        let mut id = [0; CHUNK_ID_LEN];
        for (to, from) in id.iter_mut().zip(hash.as_bytes()) {
            *to = *from;
        }
        ChunkId(id)
    }
}

/// Seals index runs, pack footers, snapshot heads and session records.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct IndexKey(pub(crate) [u8; KEY_LEN]);

/// The keys that hosts of one domain share.
#[derive(Clone)]
pub(crate) struct DomainKeys {
    pub(crate) chunk: ChunkKey,
    pub(crate) index: IndexKey,
    /// Seed of the content-defined chunker.
    pub(crate) seed: u64,
}
