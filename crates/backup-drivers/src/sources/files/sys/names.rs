//! The names in one directory, sorted as bytes, in memory or, when there are very many, in runs on disk.

use super::super::scratch::Scratch;
use super::runs::{Merge, RunWriter};
use backup_core::Result;
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// So many names, or bytes of them, are sorted in memory; more go to disk.
const MAX_IN_MEMORY: usize = 100_000;
const MAX_BYTES_IN_MEMORY: usize = 8 << 20;

/// One name of a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    pub(crate) bytes: &'a [u8],
    /// The inode as the directory has it: good for the order of further calls, not for identity.
    pub(crate) inode: u64,
    /// What the directory says it is; unknown on some file systems.
    pub(crate) file_type: FileType,
}

/// A list of names in one allocation.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    inode: u64,
    start: u32,
    length: u16,
    file_type: u8,
}

impl Names {
    pub(crate) fn push(&mut self, name: Name<'_>) {
        let (Ok(start), Ok(length)) = (u32::try_from(self.bytes.len()), u16::try_from(name.bytes.len())) else {
            return;
        };
        self.bytes.extend_from_slice(name.bytes);
        self.places.push(Place { inode: name.inode, start, length, file_type: to_byte(name.file_type) });
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<Name<'_>> {
        self.places.get(index).map(|place| self.at(place))
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Name<'_>> {
        self.places.iter().map(|place| self.at(place))
    }

    fn at(&self, place: &Place) -> Name<'_> {
        let start = place.start as usize;
        let bytes = self.bytes.get(start..start + usize::from(place.length)).unwrap_or_default();
        Name { bytes, inode: place.inode, file_type: from_byte(place.file_type) }
    }

    /// A directory that changes while it is read may give a name twice.
    fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        places.sort_unstable_by(|a, b| self.at(a).bytes.cmp(self.at(b).bytes));
        places.dedup_by(|a, b| self.at(a).bytes == self.at(b).bytes);
        self.places = places;
    }

    fn write(&self, runs: &mut RunWriter) -> Result<()> {
        runs.run(self.iter().map(|name| (name.bytes, name.inode, to_byte(name.file_type))))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

/// All names of a directory in order, handed out from the front.
#[derive(Debug)]
pub(crate) enum SortedNames {
    /// Few enough.
    InMemory {
        /// All of them.
        names: Names,
        /// How many were handed out.
        next: usize,
    },
    /// Sorted runs on disk, merged as they are read.
    OnDisk(Box<Merge>),
}

impl SortedNames {
    /// Of names that are sorted already.
    pub(crate) fn of_sorted(names: Names) -> Self {
        SortedNames::InMemory { names, next: 0 }
    }

    /// Reads a directory to its end, or to where it cannot be read on: the reason is given then beside the names
    /// before it. `see` gets every name as it comes.
    ///
    /// # Errors
    /// When runs cannot be written.
    pub(crate) fn read(
        directory: &OwnedFd,
        scratch: &Scratch,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(Self, Option<Errno>)> {
        let mut problem = None;
        let mut names = Names::default();
        let mut runs: Option<RunWriter> = None;
        let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    problem = Some(errno);
                    break;
                }
            };
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            see(bytes);
            names.push(Name { bytes, inode: entry.ino(), file_type: entry.file_type() });
            if names.len() >= MAX_IN_MEMORY || names.bytes.len() >= MAX_BYTES_IN_MEMORY {
                names.sort();
                let runs = match &mut runs {
                    Some(runs) => runs,
                    none => none.insert(RunWriter::new(scratch)?),
                };
                names.write(runs)?;
                names.clear();
            }
        }
        names.sort();
        let sorted = match runs {
            None => SortedNames::InMemory { names, next: 0 },
            Some(mut runs) => {
                names.write(&mut runs)?;
                SortedNames::OnDisk(Box::new(runs.merge()?))
            }
        };
        Ok((sorted, problem))
    }

    /// The next names, at most `count`; fewer only at the end.
    ///
    /// # Errors
    /// When runs cannot be read back.
    pub(crate) fn take(&mut self, count: usize) -> Result<Names> {
        let mut taken = Names::default();
        match self {
            SortedNames::InMemory { names, next } => {
                if *next == 0 && names.len() <= count {
                    return Ok(std::mem::take(names));
                }
                while taken.len() < count
                    && let Some(name) = names.get(*next)
                {
                    taken.push(name);
                    *next += 1;
                }
            }
            SortedNames::OnDisk(merge) => {
                while taken.len() < count
                    && let Some(row) = merge.next()?
                {
                    taken.push(Name { bytes: &row.name, inode: row.inode, file_type: from_byte(row.file_type) });
                }
            }
        }
        Ok(taken)
    }

    /// How many names wait in memory.
    pub(crate) fn in_memory(&self) -> usize {
        match self {
            SortedNames::InMemory { names, next } => names.len().saturating_sub(*next),
            SortedNames::OnDisk(_) => 0,
        }
    }

    /// Whether all were handed out.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            SortedNames::InMemory { names, next } => *next >= names.len(),
            SortedNames::OnDisk(merge) => merge.is_empty(),
        }
    }
}

fn to_byte(file_type: FileType) -> u8 {
    match file_type {
        FileType::Unknown => 0,
        FileType::Directory => 1,
        FileType::RegularFile => 2,
        FileType::Symlink => 3,
        FileType::Fifo => 4,
        FileType::Socket => 5,
        FileType::CharacterDevice => 6,
        FileType::BlockDevice => 7,
    }
}

fn from_byte(byte: u8) -> FileType {
    match byte {
        1 => FileType::Directory,
        2 => FileType::RegularFile,
        3 => FileType::Symlink,
        4 => FileType::Fifo,
        5 => FileType::Socket,
        6 => FileType::CharacterDevice,
        7 => FileType::BlockDevice,
        _ => FileType::Unknown,
    }
}
