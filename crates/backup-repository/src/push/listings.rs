//! The listings that a push compares with: what interrupted pushes kept of theirs, then the last whole one.
//!
//! A listing is written under its own name, `<listing>.<session>`, with a lock on it, and takes the whole one's place
//! when it is finished. One without a lock is the sorted prefix that an interrupted push has got to.

use super::scan::{Record, ScanReader};
use crate::format::ids::SessionId;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Prefixes that are kept; older ones are removed.
const MAX_PREFIXES: usize = 4;

/// Where a session writes its listing.
pub(super) fn unfinished(listing: &Path, session: &SessionId) -> PathBuf {
    let mut name = listing.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{session}"));
    listing.with_file_name(name)
}

/// Several listings as one: each goes on behind the last path of those before.
#[derive(Default)]
pub(super) struct Listings {
    /// Prefixes, newest first, then the whole one.
    readers: VecDeque<ScanReader>,
    last_path: Vec<u8>,
    /// The one listing whose chunks are all known to be there.
    vouched: Option<[u8; 16]>,
    prefixes: Vec<PathBuf>,
}

impl Listings {
    /// Opens what there is of a listing.
    pub(super) fn open(listing: &Path, vouched: Option<[u8; 16]>) -> Self {
        let mut listings = Listings { vouched, ..Listings::default() };
        for path in prefixes(listing) {
            // One that is locked is being written.
            let Some(file) = File::open(&path).ok().filter(|file| file.try_lock().is_ok()) else { continue };
            if listings.prefixes.len() == MAX_PREFIXES {
                // It is not missed if it stays.
                let _ = fs::remove_file(path);
                continue;
            }
            listings.readers.extend(ScanReader::new(file));
            listings.prefixes.push(path);
        }
        listings.readers.extend(File::open(listing).ok().and_then(ScanReader::new));
        listings
    }

    /// The prefixes, which a finished listing makes useless.
    pub(super) fn prefixes(&self) -> Vec<PathBuf> {
        self.prefixes.clone()
    }

    /// The next record, and whether its chunks are known to be there.
    pub(super) fn next(&mut self) -> Option<(Record, bool)> {
        loop {
            let reader = self.readers.front_mut()?;
            // What one session read comes before what an older one did, also where the older has got further.
            match reader.next() {
                Some(record) if record.path > self.last_path || self.last_path.is_empty() => {
                    self.last_path.clone_from(&record.path);
                    return Some((record, self.vouched == Some(reader.tag)));
                }
                Some(_) => {}
                None => _ = self.readers.pop_front(),
            }
        }
    }
}

/// The unfinished listings beside one, newest first.
fn prefixes(listing: &Path) -> Vec<PathBuf> {
    let own = listing.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
    let is_session = |name: &str| name.strip_prefix(&own).is_some_and(|id| SessionId::from_hex(id).is_ok());
    let Some(Ok(folder)) = listing.parent().map(fs::read_dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = folder
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_session))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

#[cfg(test)]
mod tests {
    use super::super::scan::ScanWriter;
    use super::*;

    fn session(number: u8) -> SessionId {
        SessionId([number; 16])
    }

    /// Writes records of a session and leaves the listing unfinished.
    fn write(listing: &Path, number: u8, paths: impl IntoIterator<Item = u32>) -> ScanWriter {
        let mut writer = ScanWriter::create(listing, session(number), Vec::new()).unwrap();
        for path in paths {
            writer.push(&path.to_be_bytes(), Some(&[number; 32]), &[], &[]).unwrap();
        }
        writer
    }

    fn read(listing: &Path) -> Vec<(u32, u8, bool)> {
        let mut listings = Listings::open(listing, Some([1; 16]));
        let mut all = Vec::new();
        while let Some((record, vouched)) = listings.next() {
            let path = u32::from_be_bytes(record.path.try_into().unwrap());
            all.push((path, record.token.unwrap()[0], vouched));
        }
        all
    }

    #[test]
    fn each_goes_on_behind_the_one_before_and_only_the_whole_is_vouched_for() {
        let folder = tempfile::tempdir().unwrap();
        let listing = folder.path().join("x");
        write(&listing, 1, 0..10).finish().unwrap();
        drop(write(&listing, 2, 0..6));
        drop(write(&listing, 3, 0..4));
        let living = write(&listing, 4, 0..8);
        let from = |range: std::ops::Range<u32>, session| range.map(move |path| (path, session, session == 1));
        let expected: Vec<_> = from(0..4, 3).chain(from(4..6, 2)).chain(from(6..10, 1)).collect();
        assert_eq!(read(&listing), expected);
        assert_eq!(Listings::open(&listing, None).prefixes().len(), 2);
        drop(living);
        assert_eq!(read(&listing).iter().filter(|(_, session, _)| *session == 4).count(), 8);
    }

    #[test]
    fn a_finished_one_replaces_them_all_and_they_never_become_many() {
        let folder = tempfile::tempdir().unwrap();
        let listing = folder.path().join("x");
        // Nothing is kept of one that had nothing.
        drop(write(&listing, 1, 0..0));
        assert_eq!(prefixes(&listing).len(), 0);
        for number in 2..10 {
            drop(write(&listing, number, 0..3));
        }
        let prefixes_there = Listings::open(&listing, None).prefixes();
        assert_eq!((prefixes_there.len(), prefixes(&listing).len()), (MAX_PREFIXES, MAX_PREFIXES));
        ScanWriter::create(&listing, session(20), prefixes_there).unwrap().finish().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(read(&listing).is_empty());
    }
}
