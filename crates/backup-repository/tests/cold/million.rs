//! A tree of very many small files that is in no memory: entries and contents are made as they are asked for.

use async_trait::async_trait;
use backup_core::*;
use std::sync::Arc;

const FILES_A_FOLDER: u64 = 1000;

/// The tree as it is after some rounds of changes.
#[derive(Clone, Copy)]
pub struct Million {
    pub files: u64,
    /// Each round changes a few files all over the tree, once.
    pub round: u64,
    pub rounds: u64,
}

impl Million {
    /// Folders and the files in them, in canonical order.
    pub fn entries(&self) -> u64 {
        self.files + self.files.div_ceil(FILES_A_FOLDER)
    }

    fn path(file: u64) -> TreePath {
        let name = format!("folder {:04}/report-{:07}.txt", file / FILES_A_FOLDER, file);
        TreePath::from_slashed(name.as_bytes()).unwrap()
    }

    /// The file that a round changes first.
    pub fn changed_in(&self, round: u64) -> u64 {
        round * self.files / (self.rounds + 1) / 20
    }

    fn version(&self, file: u64) -> u64 {
        let every = self.files / 20;
        (1..=self.round).find(|round| self.changed_in(*round) == file % every).unwrap_or(0)
    }

    /// Bytes that are like no others and cannot be made shorter.
    pub fn content(&self, file: u64) -> Vec<u8> {
        let mut seed = blake3::Hasher::new();
        seed.update(&file.to_le_bytes()).update(&self.version(file).to_le_bytes());
        let mut bytes = vec![0; 120 + file as usize % 80];
        seed.finalize_xof().fill(&mut bytes);
        bytes
    }

    fn entry(&self, number: u64) -> Entry {
        let (folder, at) = (number / (FILES_A_FOLDER + 1), number % (FILES_A_FOLDER + 1));
        if at == 0 {
            let path = TreePath::from_slashed(format!("folder {folder:04}").as_bytes()).unwrap();
            return self.with_metadata(Entry::new(path, EntryKind::Directory), folder, 0o755);
        }
        let file = folder * FILES_A_FOLDER + at - 1;
        let mut entry = self.with_metadata(Entry::new(Self::path(file), EntryKind::File), file, 0o644);
        entry.size_bytes = Some(120 + file % 80);
        entry
    }

    fn with_metadata(&self, mut entry: Entry, file: u64, mode: u32) -> Entry {
        let version = if entry.has_content() { self.version(file) } else { 0 };
        let nanoseconds = (file.wrapping_mul(2_654_435_761) % 1_000_000_000) as u32;
        let seconds = 1_790_000_000 + (file / 7 + version) as i64;
        entry.metadata.mode = Some(mode);
        (entry.metadata.uid, entry.metadata.gid) = (Some(1000), Some(1000));
        entry.metadata.mtime = Some(Timestamp { seconds, nanoseconds });
        let mut token = [0; 32];
        token[..8].copy_from_slice(&version.to_le_bytes());
        entry.fingerprint = Some(Fingerprint { token, changed_ns: 0 });
        entry
    }

    /// One file, by its number.
    pub fn select(file: u64) -> Selection {
        Selection { paths: vec![Self::path(file)] }
    }

    /// The number of the file that an entry of the tree is.
    fn file_of(number: u64) -> u64 {
        number / (FILES_A_FOLDER + 1) * FILES_A_FOLDER + number % (FILES_A_FOLDER + 1) - 1
    }
}

/// Lists the tree.
pub struct MillionCapture {
    pub tree: Million,
    pub at: u64,
}

#[async_trait]
impl Capture for MillionCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        let (first, end) = (self.at, self.tree.entries().min(self.at + MAX_BATCH as u64));
        self.at = end;
        let entries: Vec<Entry> = (first..end).map(|number| self.tree.entry(number)).collect();
        Ok((!entries.is_empty()).then(|| Arc::new(Batch { first, entries })))
    }

    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        contents.files(Arc::new(Opener(self.tree)), &wanted.0).await
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        Ok(Outcome::default())
    }
}

struct Opener(Million);

impl FileOpener for Opener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        Ok(Box::new(Content(std::io::Cursor::new(self.0.content(Million::file_of(entry))))))
    }
}

struct Content(std::io::Cursor<Vec<u8>>);

impl FileReader for Content {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        std::io::Read::read(&mut self.0, buffer).map_err(|e| Error::io("cannot read", e))
    }

    fn opened(&mut self, listed: &Entry) -> Entry {
        listed.clone()
    }

    fn finish(self: Box<Self>, listed: &Entry, _read_bytes: u64) -> Result<Entry> {
        Ok(listed.clone())
    }
}
