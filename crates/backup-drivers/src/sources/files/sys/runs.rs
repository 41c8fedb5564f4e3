//! Sorted runs of names in one temporary file, and their merge.

use super::super::scratch::Scratch;
use backup_core::{Error, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// One name with what the directory says of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) name: Vec<u8>,
    pub(super) inode: u64,
    pub(super) file_type: u8,
}

/// Writes sorted runs, one after the other.
pub(super) struct RunWriter {
    file: BufWriter<File>,
    ends: Vec<u64>,
    written: u64,
}

impl RunWriter {
    pub(super) fn new(scratch: &Scratch) -> Result<Self> {
        Ok(RunWriter { file: BufWriter::with_capacity(1 << 16, scratch.file()?), ends: Vec::new(), written: 0 })
    }

    /// Writes one run of names that are sorted already, each shorter than 64 KiB.
    pub(super) fn run<'a>(&mut self, sorted: impl Iterator<Item = (&'a [u8], u64, u8)>) -> Result<()> {
        for (name, inode, file_type) in sorted {
            let length = (name.len() as u16).to_le_bytes();
            let parts: [&[u8]; 4] = [&length, &inode.to_le_bytes(), &[file_type], name];
            for part in parts {
                self.file.write_all(part).map_err(|e| Error::io("cannot write a temporary file", e))?;
                self.written += part.len() as u64;
            }
        }
        self.ends.push(self.written);
        Ok(())
    }

    /// All runs as one sorted list.
    pub(super) fn merge(self) -> Result<Merge> {
        let file = self.file.into_inner().map_err(|e| Error::io("cannot write a temporary file", e.into_error()))?;
        let file = Arc::new(file);
        let mut merge = Merge { runs: Vec::new(), heads: BinaryHeap::new(), last: None };
        let mut start = 0;
        for (index, end) in self.ends.into_iter().enumerate() {
            let part = FilePart { file: file.clone(), at: start, end };
            let mut run = BufReader::with_capacity(16 * 1024, part);
            if let Some(row) = read_row(&mut run)? {
                merge.heads.push(Reverse((row, index)));
            }
            merge.runs.push(run);
            start = end;
        }
        Ok(merge)
    }
}

/// Merges sorted runs; equal names come once.
#[derive(Debug)]
pub(crate) struct Merge {
    runs: Vec<BufReader<FilePart>>,
    heads: BinaryHeap<Reverse<(Row, usize)>>,
    last: Option<Vec<u8>>,
}

impl Merge {
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        while let Some(mut head) = self.heads.peek_mut() {
            let Reverse((row, run)) = &mut *head;
            let following = match self.runs.get_mut(*run) {
                Some(run) => read_row(run)?,
                None => None,
            };
            let row = match following {
                Some(following) => std::mem::replace(row, following),
                None => PeekMut::pop(head).0.0,
            };
            if self.last.as_ref() != Some(&row.name) {
                self.last = Some(row.name.clone());
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Whether nothing is left but, perhaps, names that were given already.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

fn read_row(run: &mut BufReader<FilePart>) -> Result<Option<Row>> {
    let failed = |e| Error::io("cannot read a temporary file", e);
    if run.buffer().is_empty() && run.get_ref().is_at_end() {
        return Ok(None);
    }
    let (mut length, mut inode, mut file_type) = ([0; 2], [0; 8], [0; 1]);
    for part in [&mut length[..], &mut inode[..], &mut file_type[..]] {
        run.read_exact(part).map_err(failed)?;
    }
    let mut name = vec![0; usize::from(u16::from_le_bytes(length))];
    run.read_exact(&mut name).map_err(failed)?;
    let [file_type] = file_type;
    Ok(Some(Row { name, inode: u64::from_le_bytes(inode), file_type }))
}

/// A range of a file, read without moving its position.
#[derive(Debug)]
struct FilePart {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl FilePart {
    fn is_at_end(&self) -> bool {
        self.at >= self.end
    }
}

impl Read for FilePart {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let got = self.file.read_at(buffer.get_mut(..left).unwrap_or_default(), self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_out_as_one_list_with_each_name_once() {
        let mut writer = RunWriter::new(&Scratch::default()).unwrap();
        let long = vec![b'm'; 40_000];
        for run in [&[&b"a"[..], b"b", &long, b"z"][..], &[], &[b"b"], &[b"", b"b", b"bb", b"z"]] {
            writer.run(run.iter().map(|name| (*name, name.len() as u64, 3))).unwrap();
        }
        let mut merge = writer.merge().unwrap();
        let mut names = Vec::new();
        while let Some(row) = merge.next().unwrap() {
            assert_eq!((row.inode, row.file_type), (row.name.len() as u64, 3));
            names.push(row.name);
        }
        assert_eq!(names, [&b""[..], b"a", b"b", b"bb", &long, b"z"]);
        assert!(merge.is_empty());
    }
}
