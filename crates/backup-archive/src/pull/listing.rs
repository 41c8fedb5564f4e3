use super::blocks::Blocks;
use super::object::Object;
use super::pieces::Pieces;
use super::scan::{Scan, Sum};
use super::{Folder, blocking, damaged};
use crate::layers;
use crate::manifest::Content;
use backup_core::{Layers, Reader, Result};
use bytes::Bytes;
use std::io::Cursor;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// An index that is not longer, as it is stored, stays in memory from the first look to the others.
const MAX_KEPT: u64 = 32 << 20;

/// The content of one component: its index and, through it, its archive.
#[derive(Debug)]
pub(crate) struct Listing {
    folder: Arc<Folder>,
    archive: String,
    component: String,
    pub(crate) content: Content,
    index: OnceCell<Arc<Index>>,
}

/// An index that was looked through and is the one that the manifest means.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) pieces: Arc<Pieces>,
    /// Of each block: what is read again must be the same.
    pub(crate) blocks: Vec<Sum>,
    kept: Option<Bytes>,
}

impl Listing {
    pub(crate) fn new(folder: Arc<Folder>, archive: &str, component: &str, content: Content) -> Self {
        let (archive, component) = (archive.to_owned(), component.to_owned());
        Listing { folder, archive, component, content, index: OnceCell::new() }
    }

    /// The index; the first call reads it all.
    ///
    /// # Errors
    /// `Damaged`, `AccessDenied` without the key; what the storage said.
    pub(crate) async fn index(&self) -> Result<Arc<Index>> {
        self.index.get_or_try_init(|| self.scan()).await.cloned()
    }

    /// The index from the start, once more.
    pub(crate) async fn blocks(&self, index: &Index) -> Result<Blocks> {
        self.open(index.kept.clone()).await
    }

    async fn scan(&self) -> Result<Arc<Index>> {
        let object = self.object()?;
        let looked = self.look(&object).await;
        let (kept, (table, blocks)) = looked.map_err(|e| object.on(e))?;
        let pieces = Arc::new(Pieces::new(&self.folder, &self.content.archive, table)?);
        Ok(Arc::new(Index { pieces, blocks, kept }))
    }

    async fn look(&self, object: &Object) -> Result<(Option<Bytes>, (super::scan::Table, Vec<Sum>))> {
        let kept = if object.bytes <= MAX_KEPT { Some(object.whole().await?) } else { None };
        if let Some(kept) = &kept
            && blake3::hash(kept).to_hex().as_str() != self.content.index.stored.blake3
        {
            return Err(damaged("an index is not what was stored: its checksum differs from the manifest's"));
        }
        let mut blocks = self.open(kept.clone()).await?;
        let mut scan = Scan::new(&self.archive, &self.component, &self.content);
        while let Some(block) = blocks.next().await? {
            scan = blocking(move || scan.block(&block).map(|()| scan)).await?;
        }
        Ok((kept, scan.finish()?))
    }

    async fn open(&self, kept: Option<Bytes>) -> Result<Blocks> {
        let stored: Reader = match kept {
            Some(kept) => Box::new(Cursor::new(kept)),
            None => self.object()?.stream().await?,
        };
        let index = &self.content.index;
        let layers = Layers::from_records(&index.records(), |record| layers::make(record, &self.folder.keys))?;
        Ok(Blocks::new(layers.decode(stored)?, index.plain.bytes))
    }

    fn object(&self) -> Result<Object> {
        Object::new(self.folder.storage.clone(), &self.content.index)
    }
}
