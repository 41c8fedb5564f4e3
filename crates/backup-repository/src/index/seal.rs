use super::layout::BLOCK;
use crate::crypto::{IndexKey, SIGNATURE_LEN, SealKey, SignerId, TAG_LEN, derive};
use crate::format::ids::{PackName, RepositoryId, RunName};
use backup_core::{Error, ErrorKind, Result};

const CONTEXT: &str = "backup repository 2026 run";
/// The flag of a block that holds one zstd frame.
const COMPRESSED: u8 = 1;
/// Bytes of a run's name, as in pack names.
pub(super) const NAME_LEN: usize = 20;
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

/// Seals and opens the parts of one run.
pub(crate) struct RunSeal {
    pub(crate) repository: RepositoryId,
    pub(crate) name: RunName,
    key: SealKey,
    /// The domain whose key this is, where it matters.
    domain: Option<u32>,
    /// Until the footer is open: the keys of further domains whose run this may be.
    others: Vec<(u32, SealKey)>,
}

impl RunSeal {
    pub(crate) fn new(repository: RepositoryId, index_key: &IndexKey, name: RunName) -> Result<Self> {
        Ok(RunSeal { repository, name, key: run_key(index_key, name)?, domain: None, others: Vec::new() })
    }

    /// For a run of one of these domains; opening its footer finds out which.
    ///
    /// # Errors
    /// `Internal` without any domain.
    pub(crate) fn of_any<'a>(
        repository: RepositoryId,
        domains: impl Iterator<Item = (u32, &'a IndexKey)>,
        name: RunName,
    ) -> Result<Self> {
        let mut others = domains.map(|(n, key)| Ok((n, run_key(key, name)?))).collect::<Result<Vec<_>>>()?;
        let (domain, key) = others.pop().ok_or_else(|| Error::new(ErrorKind::Internal, "there is no domain"))?;
        Ok(RunSeal { repository, name, key, domain: Some(domain), others })
    }

    /// Whether a footer that this opened may say that it is of this domain.
    pub(super) fn is_of(&self, domain: u32) -> bool {
        self.domain.is_none_or(|own| own == domain)
    }

    fn bound(&self, purpose: &[u8], rest: &[u8]) -> Vec<u8> {
        [purpose, &self.repository.0, &name_bytes(self.name), rest].concat()
    }

    fn block_bound(&self, flags: u8, plain_len: usize) -> Vec<u8> {
        let [a, b, c, d] = (plain_len as u32).to_le_bytes();
        self.bound(b"run", &[flags, a, b, c, d])
    }

    /// What a run's signature is over.
    pub(super) fn signed(&self, signer: SignerId, sealed_footer: &[u8]) -> Vec<u8> {
        self.bound(b"backup run 0", &[&signer.0, sealed_footer].concat())
    }

    pub(super) fn seal_footer(&self, footer: &mut Vec<u8>) -> Result<()> {
        self.key.seal(FOOTER_NONCE, &self.bound(b"run footer", &[]), footer)
    }

    /// The plain footer. From here on the seal is that of the domain whose key opened it.
    ///
    /// # Errors
    /// `AccessDenied` when no key opens it. It was signed by somebody who may: it is of a domain whose keys are not here.
    pub(super) fn open_footer(&mut self, sealed: &[u8]) -> Result<Vec<u8>> {
        let bound = self.bound(b"run footer", &[]);
        loop {
            let mut footer = sealed.to_vec();
            if let Ok(plain) = self.key.open(FOOTER_NONCE, &bound, &mut footer) {
                let length = plain.len();
                footer.truncate(length);
                self.others.clear();
                return Ok(footer);
            }
            let Some((domain, key)) = self.others.pop() else {
                return Err(Error::new(ErrorKind::AccessDenied, "an index run is of a domain whose keys are not here")
                    .context("run", self.name));
            };
            (self.domain, self.key) = (Some(domain), key);
        }
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
        if sealed.len() != entry.sealed_len as usize || block_hash(sealed) != entry.hash {
            return Err(damaged("its bytes are not those that were written"));
        }
        let opened = self
            .key
            .open(u64::from(number), &self.block_bound(entry.flags, plain_len), sealed)
            .map_err(|e| e.context("run", self.name).context("block", number))?;
        let plain = match entry.flags {
            0 => opened.to_vec(),
            COMPRESSED => zstd::bulk::decompress(opened, plain_len).map_err(|_| damaged("it does not decompress"))?,
            _ => return Err(damaged("it has unknown flags")),
        };
        if plain.len() == plain_len { Ok(plain) } else { Err(damaged("it has another length than recorded")) }
    }
}

fn run_key(index_key: &IndexKey, name: RunName) -> Result<SealKey> {
    SealKey::new(&derive(CONTEXT, &index_key.0, &name_bytes(name)))
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
pub(super) const TRAILER_LEN: usize = 16 + SIGNATURE_LEN + 4 + 8;
