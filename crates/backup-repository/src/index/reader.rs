use super::cache::{Found, IndexCache, mismatch};
use super::cache_file;
use super::filter::FilterShape;
use super::footer::Footer;
use super::layout::{Layout, PAGE, PAGES_PER_BLOCK};
use super::page::{BLANK, Page, is_intact};
use super::page_cache::PageKey;
use super::seal::{RunKeys, RunSeal};
use crate::crypto::{SignerId, VerifyingKey};
use crate::format::ids::{ChunkId, Kind, RunName};
use backup_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Gives the key of a signer that may write runs.
pub(crate) type KeyOf<'a> = &'a dyn Fn(&SignerId) -> Option<VerifyingKey>;

/// An open run: its footer in memory, its pages in the cache, in the local file, or still in the storage.
pub(crate) struct RunReader {
    seal: RunSeal,
    pub(super) footer: Footer,
    signer: SignerId,
    pub(super) shape: FilterShape,
    file: Option<LocalFile>,
    cache: Arc<IndexCache>,
    number: u32,
}

struct LocalFile {
    file: File,
    writable: bool,
    complete: AtomicBool,
}

/// Why a page could not be looked at.
pub(super) enum Fault {
    /// This page is not here.
    Missing(u32),
    /// It says what cannot be.
    Damaged(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Damaged(error)
    }
}

/// What needs pages.
pub(super) type Paged<T> = Result<T, Fault>;

impl RunReader {
    /// Opens a run from its local file. None when there is no file, or none that fits an object of `object_len` bytes;
    /// then read the tail ([`super::tail_guess`], [`super::find_tail`]) and call [`RunReader::from_tail`].
    ///
    /// # Errors
    /// `AccessDenied` when the signer is not one who may write runs.
    pub(crate) fn open_cached(
        cache: &Arc<IndexCache>,
        keys: RunKeys,
        object_len: u64,
        key_of: KeyOf<'_>,
    ) -> Result<Option<Self>> {
        let name = keys.name;
        let Found::File { file, frame, writable } = cache.find(name) else { return Ok(None) };
        let image_len = frame.image_len;
        let file = LocalFile { file, writable, complete: AtomicBool::new(frame.complete) };
        match RunReader::new(cache, keys, &frame.tail, object_len, key_of, |_| Some(file)) {
            Ok(reader) if reader.footer.layout.image_len() == image_len => Ok(Some(reader)),
            Err(error) if error.kind() == ErrorKind::AccessDenied => Err(error),
            _ => {
                cache.discard(name);
                Ok(None)
            }
        }
    }

    /// Opens a run with the tail of its object, and makes an empty local file for its blocks.
    ///
    /// # Errors
    /// `AccessDenied` when the signer is not one who may write runs; `Damaged`.
    pub(crate) fn from_tail(
        cache: &Arc<IndexCache>,
        keys: RunKeys,
        tail: &[u8],
        object_len: u64,
        key_of: KeyOf<'_>,
    ) -> Result<Self> {
        let name = keys.name;
        RunReader::new(cache, keys, tail, object_len, key_of, |layout| {
            let file = cache.create_empty(name, layout.image_len(), tail)?;
            Some(LocalFile { file, writable: true, complete: AtomicBool::new(false) })
        })
    }

    fn new(
        cache: &Arc<IndexCache>,
        keys: RunKeys,
        tail: &[u8],
        object_len: u64,
        key_of: KeyOf<'_>,
        file: impl FnOnce(&Layout) -> Option<LocalFile>,
    ) -> Result<Self> {
        if keys.repository != cache.repository {
            return Err(Error::new(ErrorKind::Internal, "an index cache serves one repository"));
        }
        let (footer, signer, seal) = Footer::open(tail, &keys, key_of)?;
        if footer.blocks.end().checked_add(tail.len() as u64) != Some(object_len) {
            return Err(mismatch(seal.name));
        }
        let shape = FilterShape::new(&footer.layout, &footer.first, &footer.last);
        let (file, number) = (file(&footer.layout), cache.next_reader());
        Ok(RunReader { seal, footer, signer, shape, file, cache: cache.clone(), number })
    }

    pub(crate) fn name(&self) -> RunName {
        self.seal.name
    }

    pub(crate) fn kind(&self) -> Kind {
        self.footer.kind
    }

    pub(crate) fn domain(&self) -> u32 {
        self.footer.domain
    }

    pub(crate) fn signer(&self) -> SignerId {
        self.signer
    }

    /// The runs that this one makes superfluous.
    pub(crate) fn replaces(&self) -> &[RunName] {
        &self.footer.replaces
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.footer.layout
    }

    /// The smallest and the largest id.
    pub(crate) fn ids(&self) -> (ChunkId, ChunkId) {
        (self.footer.first, self.footer.last)
    }

    /// Whether the id lies in the run's range.
    pub(crate) fn covers(&self, id: &ChunkId) -> bool {
        (self.footer.first..=self.footer.last).contains(id)
    }

    /// Whether the whole image was stored locally. Pages of it may still prove damaged, and be asked for.
    pub(crate) fn is_complete(&self) -> bool {
        self.file.as_ref().is_some_and(|local| local.complete.load(Ordering::Relaxed))
    }

    /// What `read` makes of a checked page.
    pub(super) fn page<R>(&self, number: u32, read: impl Fn(&Page) -> R) -> Paged<R> {
        let key = PageKey::new(self.number, number);
        if let Some(result) = self.cache.pages.read(key, &read) {
            return Ok(result);
        }
        let page = self.local_page(number)?;
        self.cache.pages.insert(key, &page, true);
        Ok(read(&page))
    }

    /// What `read` makes of a page that will not be wanted again soon.
    pub(super) fn page_once<R>(&self, number: u32, read: impl Fn(&Page) -> R) -> Paged<R> {
        match self.cache.pages.read(PageKey::new(self.number, number), &read) {
            Some(result) => Ok(result),
            None => Ok(read(&self.local_page(number)?)),
        }
    }

    fn local_page(&self, number: u32) -> Paged<Page> {
        let mut page = BLANK;
        let file = self.file.as_ref().filter(|_| number < self.footer.layout.page_count());
        match file.map(|local| cache_file::read_page(&local.file, number, &mut page)) {
            Some(Ok(())) if is_intact(&page, number) => Ok(page),
            // Whatever is wrong with the local copy, the storage has another.
            _ => Err(Fault::Missing(number)),
        }
    }

    /// The block that a page is in, and the block's bytes in the object.
    pub(crate) fn block_of(&self, page: u32) -> Option<(u32, Range<u64>)> {
        let block = page / PAGES_PER_BLOCK;
        self.footer.blocks.get(block).map(|(_, range)| (block, range))
    }

    /// Takes a sealed block that was asked for, because of `page` where that is known.
    ///
    /// # Errors
    /// `Damaged` when it is not the block that was written.
    pub(crate) fn provide(&self, block: u32, page: Option<u32>, sealed: Vec<u8>) -> Result<()> {
        let plain = self.open_block(block, sealed)?;
        let stored = self.store(block, &plain);
        let first = block * PAGES_PER_BLOCK;
        for (number, bytes) in (first..).zip(plain.as_chunks::<PAGE>().0) {
            let wanted = page == Some(number);
            if wanted || !stored {
                self.cache.pages.insert(PageKey::new(self.number, number), bytes, wanted);
            }
        }
        Ok(())
    }

    pub(super) fn open_block(&self, block: u32, mut sealed: Vec<u8>) -> Result<Vec<u8>> {
        let missing = || Error::new(ErrorKind::InvalidInput, "an index run has no such block").context("block", block);
        let (entry, _) = self.footer.blocks.get(block).ok_or_else(missing)?;
        let plain = self.seal.open_block(block, &entry, self.footer.layout.block_len(block), &mut sealed)?;
        let first = block * PAGES_PER_BLOCK;
        if (first..).zip(plain.as_chunks::<PAGE>().0).all(|(number, page)| is_intact(page, number)) {
            Ok(plain)
        } else {
            Err(Error::new(ErrorKind::Damaged, "a block of an index run was written with damaged pages")
                .context("run", self.seal.name)
                .context("block", block))
        }
    }

    /// Whether the block could be stored.
    pub(super) fn store(&self, block: u32, plain: &[u8]) -> bool {
        let Some(local) = self.file.as_ref().filter(|local| local.writable) else { return false };
        let at = u64::from(block) * u64::from(PAGES_PER_BLOCK) * PAGE as u64;
        match cache_file::write_image(&local.file, at, plain) {
            Ok(()) => true,
            Err(e) => {
                self.cache.warn("the index cache cannot be written", e);
                false
            }
        }
    }

    /// Notes that the whole image is stored.
    pub(super) fn set_complete(&self) {
        if let Some(local) = &self.file {
            local.complete.store(true, Ordering::Relaxed);
            self.cache.set_complete(self.seal.name, &local.file, self.footer.layout.image_len());
        }
    }

    #[cfg(feature = "fuzzing")]
    pub(super) fn footer_message(&self) -> Vec<u8> {
        self.footer.encode()
    }
}

#[cfg(test)]
impl RunReader {
    /// Whether there is a place for the whole image. Without one, blocks are fetched whenever they are needed.
    pub(super) fn is_stored(&self) -> bool {
        self.file.as_ref().is_some_and(|local| local.writable)
    }

    /// Replaces the local file by a handle that cannot write: as if the disk were full.
    pub(super) fn with_file_that_fails(mut self, path: &std::path::Path) -> Self {
        if let Some(local) = &mut self.file {
            local.file = File::open(path).unwrap();
        }
        self
    }
}
