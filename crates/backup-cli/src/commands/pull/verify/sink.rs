use super::ground::Ground;
use backup_core::{Batch, Entry, Error, ErrorKind, FileSink, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const PIECE_BYTES: usize = 256 << 10;

/// Takes the content of one batch and compares it with what stands in the target. Files are opened for each piece:
/// pieces come in the order in which they are stored, and no number of open files would be enough.
pub(super) struct Sink {
    ground: Arc<Ground>,
    batch: Arc<Batch>,
}

impl Sink {
    pub(super) fn new(ground: Arc<Ground>, batch: Arc<Batch>) -> Self {
        Sink { ground, batch }
    }

    fn open(&self, entry: u64) -> Result<(&Entry, File)> {
        let entry =
            self.batch.get(entry).ok_or_else(|| Error::new(ErrorKind::Internal, "no such entry in the batch"))?;
        let file = self.ground.file(&entry.path).map_err(|e| Error::io("cannot be opened", e))?;
        Ok((entry, file))
    }

    /// Content leaves holes out: there must be zeros.
    fn compare_holes(&self, number: u64) -> Result<()> {
        let (entry, file) = self.open(number)?;
        let zeros = vec![0; PIECE_BYTES];
        for hole in &entry.holes {
            let (mut at, end) = (hole.offset, hole.offset.saturating_add(hole.length));
            while at < end {
                let length = usize::try_from(end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
                compare(&file, at, zeros.get(..length).unwrap_or_default())?;
                at += length as u64;
            }
        }
        Ok(())
    }
}

impl FileSink for Sink {
    fn write(&self, entry: u64, offset: u64, data: &[u8]) -> Result<()> {
        compare(&self.open(entry)?.1, offset, data)
    }

    fn finish(&self, number: u64, result: Result<()>) -> bool {
        let Some(entry) = self.batch.get(number) else { return false };
        match result.and_then(|()| self.compare_holes(number)) {
            Ok(()) => {
                self.ground.is_same(1, entry.size_bytes.unwrap_or(0));
                true
            }
            Err(error) => {
                self.ground.differs(&entry.path, error.to_string());
                false
            }
        }
    }
}

/// That what was read back differs is no damage of the repository.
fn compare(file: &File, offset: u64, expected: &[u8]) -> Result<()> {
    let mut there = vec![0; expected.len().min(PIECE_BYTES)];
    for (at, expected) in (offset..).step_by(PIECE_BYTES).zip(expected.chunks(PIECE_BYTES)) {
        let there = there.get_mut(..expected.len()).unwrap_or_default();
        file.read_exact_at(there, at).map_err(|e| Error::io("cannot be read back", e))?;
        if there != expected {
            return Err(Error::new(ErrorKind::Io, "its content is not that of the snapshot"));
        }
    }
    Ok(())
}
