use super::damaged;
use backup_core::{Error, Reader, Result};
use tokio::io::AsyncReadExt;

/// Plain bytes of an index that are read, and looked through, at once.
pub(crate) const BLOCK_BYTES: u64 = 1 << 20;

/// The plain bytes of an index, as many as its manifest says.
pub(crate) struct Blocks {
    plain: Reader,
    left: u64,
}

impl Blocks {
    pub(crate) fn new(plain: Reader, bytes: u64) -> Self {
        Blocks { plain, left: bytes }
    }

    /// The next block; none at the end, once all layers have said that it is the end.
    ///
    /// # Errors
    /// `Damaged` when there are more or less; what layers and storage said.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let wanted = self.left.min(BLOCK_BYTES);
        // One byte too many shows that there are more.
        let asked = wanted.max(1);
        let mut block = Vec::with_capacity(asked as usize);
        let read = (&mut self.plain).take(asked).read_to_end(&mut block).await;
        let read = read.map_err(|e| Error::io("cannot read an index", e))? as u64;
        self.left -= wanted;
        match read == wanted {
            true if wanted == 0 => Ok(None),
            true => Ok(Some(block)),
            false if wanted == 0 => Err(damaged("an index is longer than its manifest says")),
            false => Err(damaged("an index is shorter than its manifest says")),
        }
    }
}
