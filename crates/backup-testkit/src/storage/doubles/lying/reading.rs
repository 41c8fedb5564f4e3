use super::{Lie, Lying};
use backup_core::{Error, ErrorKind, Key, Reader, Result};
use std::io::Cursor;
use std::ops::Range;

impl Lying {
    pub(super) async fn read(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let found = self.inner.stat(key).await;
        let missing = found.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
        if missing && (self.tells(Lie::MissingIsEmpty) || self.is_folder(key).await?) {
            return Ok(Box::new(Cursor::new([])));
        }
        let Some(range) = range else { return self.inner.get(key, None).await };
        let size_bytes = found?.size_bytes;
        let range = match self.lie {
            Lie::RangeOffByOne if range.start > 0 => Some(range.start + 1..range.end.saturating_add(1)),
            Lie::EmptyRangeIsAll if range.is_empty() => None,
            Lie::CutsLargeRanges => Some(range.start..range.end.min(range.start.saturating_add(8 << 20))),
            Lie::RangePastTheEndFails if range.start >= size_bytes && !range.is_empty() => {
                return Err(Error::new(ErrorKind::InvalidInput, "the range is not satisfiable").context("key", key));
            }
            _ => Some(range),
        };
        self.inner.get(key, range).await
    }

    /// Whether this lie has objects for folders, and here is one.
    pub(super) async fn is_folder(&self, key: &Key) -> Result<bool> {
        if !self.tells(Lie::FoldersAreObjects) {
            return Ok(false);
        }
        let below = self.inner.list(&format!("{key}/"), None).await?;
        Ok(!below.objects.is_empty())
    }
}
