use super::super::scratch::Scratch;
use backup_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// So much is kept in memory; what comes before goes to disk.
const IN_MEMORY: usize = 4 << 20;

/// A list of records that only grows, read at any place. The latest are in memory, the others in a file.
#[derive(Debug)]
pub(super) struct Spool {
    scratch: Scratch,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    tail: Vec<u8>,
}

impl Spool {
    pub(super) fn new(scratch: Scratch) -> Spool {
        Spool { scratch, file: None, written: 0, tail: Vec::new() }
    }

    /// Where the next record will stand.
    pub(super) fn end(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    /// Appends a record: its length before and behind it, so that the list can be read from both ends.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<()> {
        let length = u32::try_from(record.len())
            .map_err(|_| Error::new(ErrorKind::InvalidInput, "an entry's metadata is too large"))?
            .to_le_bytes();
        for part in [&length, record, &length] {
            self.tail.extend_from_slice(part);
        }
        if self.tail.len() > IN_MEMORY {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(self.scratch.file()?),
            };
            file.write_all_at(&self.tail, self.written).map_err(|e| Error::io("cannot write a temporary file", e))?;
            self.written += self.tail.len() as u64;
            self.tail.clear();
        }
        Ok(())
    }

    /// The record that begins at `at`, and where the next one does.
    pub(super) fn read(&self, at: u64) -> Result<(Vec<u8>, u64)> {
        let length = self.length(at)?;
        let record = self.bytes(at + 4, length as usize)?;
        Ok((record, at + 8 + u64::from(length)))
    }

    /// The record that ends at `end`, and where it begins.
    pub(super) fn read_back(&self, end: u64) -> Result<(Vec<u8>, u64)> {
        let bad = || Error::new(ErrorKind::Internal, "a temporary list is damaged");
        let length = self.length(end.checked_sub(4).ok_or_else(bad)?)?;
        let begin = end.checked_sub(8 + u64::from(length)).ok_or_else(bad)?;
        Ok((self.bytes(begin + 4, length as usize)?, begin))
    }

    fn length(&self, at: u64) -> Result<u32> {
        let bytes = self.bytes(at, 4)?;
        Ok(u32::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// A record never stands on both sides of the border between file and memory.
    fn bytes(&self, at: u64, length: usize) -> Result<Vec<u8>> {
        let bad = || Error::new(ErrorKind::Internal, "a temporary list is damaged");
        if let Some(start) = at.checked_sub(self.written) {
            let start = usize::try_from(start).map_err(|_| bad())?;
            let end = start.checked_add(length).ok_or_else(bad)?;
            return Ok(self.tail.get(start..end).ok_or_else(bad)?.to_vec());
        }
        let mut bytes = vec![0; length];
        let file = self.file.as_ref().ok_or_else(bad)?;
        file.read_exact_at(&mut bytes, at).map_err(|e| Error::io("cannot read a temporary file", e))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_from_both_ends_and_both_places() {
        let mut spool = Spool::new(Scratch::default());
        let record = |n: usize| vec![n as u8; n % 3000];
        let mut places = Vec::new();
        for n in 0..5000 {
            places.push(spool.end());
            spool.append(&record(n)).unwrap();
        }
        assert!(spool.file.is_some() && !spool.tail.is_empty());
        let mut at = 0;
        let mut end = spool.end();
        for (n, place) in places.into_iter().enumerate() {
            assert_eq!(at, place);
            let (forwards, next) = spool.read(at).unwrap();
            assert_eq!(forwards, record(n));
            at = next;
            let (backwards, begin) = spool.read_back(end).unwrap();
            assert_eq!(backwards, record(4999 - n));
            end = begin;
        }
        assert_eq!((at, end), (spool.end(), 0));
        assert!(spool.read(spool.end()).is_err());
    }
}
