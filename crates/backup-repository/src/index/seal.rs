use super::layout::BLOCK;
use crate::crypto::{IndexKey, SIGNATURE_LEN, SealKey, SignerId, TAG_LEN, derive, random};
use crate::format::ids::{PackName, RepositoryId, RunName};
use crate::format::one_frame;
use crate::format::record::newer;
use backup_core::{Error, ErrorKind, Result};

const CONTEXT: &str = "backup repository 2026 run";
/// The flag of a block that holds one zstd frame.
const COMPRESSED: u8 = 1;
/// Bytes of a run's name, as in pack names.
pub(super) const NAME_LEN: usize = 20;
/// Bytes that make a run's key its own.
pub(super) const SALT_LEN: usize = 16;
/// Bytes of a block's hash in the footer.
pub(super) const HASH_LEN: usize = 16;
const FOOTER_NONCE: u64 = u64::MAX;

/// A run's name as bytes.
pub(super) fn name_bytes(name: RunName) -> [u8; NAME_LEN] {
    PackName(name.0).to_bytes()
}

/// What the footer knows of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockEntry {
    /// At most that of a full block and its tag.
    pub(crate) sealed_len: u32,
    pub(crate) flags: u8,
    /// The first bytes of the BLAKE3 hash of the sealed block.
    pub(crate) hash: [u8; HASH_LEN],
}

/// The longest sealed block, in bytes.
pub(super) const MAX_SEALED: u32 = (BLOCK + TAG_LEN) as u32;

/// A run that is to be read, and the domains whose it may be: its footer finds out which.
pub(crate) struct RunKeys {
    pub(crate) repository: RepositoryId,
    pub(crate) name: RunName,
    domains: Vec<(u32, IndexKey)>,
}

impl RunKeys {
    pub(crate) fn new<'a>(
        repository: RepositoryId,
        domains: impl Iterator<Item = (u32, &'a IndexKey)>,
        name: RunName,
    ) -> Self {
        RunKeys { repository, name, domains: domains.map(|(n, key)| (n, key.clone())).collect() }
    }

    /// The plain footer, the domain whose key opened it, and what opens the blocks.
    ///
    /// # Errors
    /// `AccessDenied` when no key opens it. It was signed by somebody who may: it is of a domain whose keys are not here.
    pub(super) fn open_footer(&self, salt: [u8; SALT_LEN], sealed: &[u8]) -> Result<(Vec<u8>, u32, RunSeal)> {
        for (domain, key) in &self.domains {
            let seal = RunSeal::salted(self.repository, key, self.name, salt)?;
            let mut footer = sealed.to_vec();
            if let Ok(plain) = seal.key.open(FOOTER_NONCE, &seal.bound(b"run footer", &[]), &mut footer) {
                let length = plain.len();
                footer.truncate(length);
                return Ok((footer, *domain, seal));
            }
        }
        Err(Error::new(ErrorKind::AccessDenied, "an index run is of a domain whose keys are not here")
            .context("run", self.name))
    }
}

/// What a run's signature is over.
pub(super) fn signed(
    repository: RepositoryId,
    name: RunName,
    salt: &[u8; SALT_LEN],
    signer: SignerId,
    sealed_footer: &[u8],
) -> Vec<u8> {
    [&b"backup run 1"[..], &repository.0, &name_bytes(name), salt, &signer.0, sealed_footer].concat()
}

/// Seals and opens the parts of one run.
pub(crate) struct RunSeal {
    pub(crate) repository: RepositoryId,
    pub(crate) name: RunName,
    /// Two copies of a repository may have different runs of one name: their keys differ.
    pub(super) salt: [u8; SALT_LEN],
    key: SealKey,
}

impl RunSeal {
    /// For a run that is to be written.
    ///
    /// # Errors
    /// `Internal` when the operating system gives no random bytes.
    pub(crate) fn new(repository: RepositoryId, index_key: &IndexKey, name: RunName) -> Result<Self> {
        RunSeal::salted(repository, index_key, name, random()?)
    }

    fn salted(repository: RepositoryId, index_key: &IndexKey, name: RunName, salt: [u8; SALT_LEN]) -> Result<Self> {
        let material = [&name_bytes(name)[..], &salt].concat();
        Ok(RunSeal { repository, name, salt, key: SealKey::new(&derive(CONTEXT, &index_key.0, &material))? })
    }

    fn bound(&self, purpose: &[u8], rest: &[u8]) -> Vec<u8> {
        [purpose, &self.repository.0, &name_bytes(self.name), rest].concat()
    }

    fn block_bound(&self, flags: u8, plain_len: usize) -> Vec<u8> {
        let [a, b, c, d] = (plain_len as u32).to_le_bytes();
        self.bound(b"run", &[flags, a, b, c, d])
    }

    pub(super) fn seal_footer(&self, footer: &mut Vec<u8>) -> Result<()> {
        self.key.seal(FOOTER_NONCE, &self.bound(b"run footer", &[]), footer)
    }

    /// Opens a block of `plain_len` bytes; `sealed` is used up.
    ///
    /// # Errors
    /// `Damaged` when it is not the block that the footer names.
    pub(super) fn open_block(
        &self,
        number: u32,
        entry: &BlockEntry,
        plain_len: usize,
        sealed: &mut [u8],
    ) -> Result<Vec<u8>> {
        let damaged = |because: &'static str| {
            Error::new(ErrorKind::Damaged, "a block of an index run is damaged")
                .context("run", self.name)
                .context("block", number)
                .context("because", because)
        };
        if entry.flags & !COMPRESSED != 0 {
            return Err(newer().context("unknown", "flags of a block").context("run", self.name));
        }
        if sealed.len() != entry.sealed_len as usize || block_hash(sealed) != entry.hash {
            return Err(damaged("its bytes are not those that were written"));
        }
        let opened = self
            .key
            .open(u64::from(number), &self.block_bound(entry.flags, plain_len), sealed)
            .map_err(|e| e.context("run", self.name).context("block", number))?;
        let plain = match entry.flags {
            0 => opened.to_vec(),
            _ => one_frame(opened)
                .and_then(|frame| zstd::bulk::decompress(frame, plain_len).ok())
                .ok_or_else(|| damaged("it does not decompress"))?,
        };
        if plain.len() == plain_len { Ok(plain) } else { Err(damaged("it has another length than recorded")) }
    }
}

fn block_hash(sealed: &[u8]) -> [u8; HASH_LEN] {
    let mut hash = [0; HASH_LEN];
    blake3::Hasher::new().update(sealed).finalize_xof().fill(&mut hash);
    hash
}

/// Compresses and seals blocks one after the other.
pub(super) struct BlockSealer {
    zstd: zstd::bulk::Compressor<'static>,
    number: u32,
}

impl BlockSealer {
    pub(super) fn new() -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(3)
            .map_err(|e| Error::new(ErrorKind::Internal, "compression cannot start").source(e))?;
        Ok(BlockSealer { zstd, number: 0 })
    }

    /// Seals the next block into `sealed`, replacing what is there.
    pub(super) fn seal(&mut self, seal: &RunSeal, plain: &[u8], sealed: &mut Vec<u8>) -> Result<BlockEntry> {
        sealed.clear();
        sealed.reserve(zstd::zstd_safe::compress_bound(plain.len()) + TAG_LEN);
        self.zstd
            .compress_to_buffer(plain, sealed)
            .map_err(|e| Error::new(ErrorKind::Internal, "a block of an index run cannot be compressed").source(e))?;
        let mut flags = COMPRESSED;
        if sealed.len() >= plain.len() {
            flags = 0;
            sealed.clear();
            sealed.extend_from_slice(plain);
        }
        self.close(seal, flags, plain.len(), sealed)
    }

    fn close(&mut self, seal: &RunSeal, flags: u8, plain_len: usize, sealed: &mut Vec<u8>) -> Result<BlockEntry> {
        seal.key.seal(u64::from(self.number), &seal.block_bound(flags, plain_len), sealed)?;
        self.number += 1;
        Ok(BlockEntry { sealed_len: sealed.len() as u32, flags, hash: block_hash(sealed) })
    }

    /// Seals anything as the next block, whatever the flags say of it.
    #[cfg(feature = "fuzzing")]
    pub(super) fn seal_as(
        &mut self,
        seal: &RunSeal,
        flags: u8,
        plain_len: usize,
        stored: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<BlockEntry> {
        sealed.clear();
        sealed.extend_from_slice(stored);
        self.close(seal, flags, plain_len, sealed)
    }
}

/// Bytes of what stands behind the sealed footer.
pub(super) const TRAILER_LEN: usize = SALT_LEN + 16 + SIGNATURE_LEN + 4 + 8;
