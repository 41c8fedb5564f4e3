//! Trees in memory, pushed to a destination and pulled from it with no driver beside: what a test of one needs. All of it
//! fails as tests do, by panicking.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "its callers are tests")]

use async_trait::async_trait;
use backup_core::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What the entry is.
    pub kind: EntryKind,
    /// As it is listed.
    pub metadata: Metadata,
    /// The bytes outside of the holes.
    pub content: Vec<u8>,
    /// Where the file has none.
    pub holes: Vec<Hole>,
    /// The same for all names of one file.
    pub link_group: Option<u64>,
    /// Changes whenever content or metadata do.
    pub version: u64,
}

/// A file without metadata.
pub fn file(content: impl Into<Vec<u8>>, version: u64) -> Node {
    let (kind, metadata) = (EntryKind::File, Metadata::default());
    Node { kind, metadata, content: content.into(), holes: Vec::new(), link_group: None, version }
}

/// A directory without metadata.
pub fn directory() -> Node {
    Node { kind: EntryKind::Directory, ..file("", 0) }
}

/// Entries by their paths.
pub type Tree = BTreeMap<TreePath, Node>;

/// A path as text, its names between slashes.
pub fn path(text: &str) -> TreePath {
    TreePath::from_slashed(text.as_bytes()).unwrap()
}

/// Bytes that cannot be made smaller, others for each seed (SplitMix64).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mix = |state: u64| {
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let mut state = mix(seed);
    let mut bytes = vec![0; len];
    for part in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        part.copy_from_slice(&mix(state).to_le_bytes()[..part.len()]);
    }
    bytes
}

impl Node {
    fn size(&self) -> u64 {
        self.content.len() as u64 + self.holes.iter().map(|h| h.length).sum::<u64>()
    }

    fn entry(&self, path: &TreePath) -> Entry {
        let mut entry = Entry::new(path.clone(), self.kind.clone());
        entry.metadata = self.metadata.clone();
        entry.holes = self.holes.clone();
        entry.link_group = self.link_group;
        if entry.has_content() {
            entry.size_bytes = Some(self.size());
        }
        let mut token = [0; 32];
        token[..8].copy_from_slice(&self.version.to_le_bytes());
        entry.fingerprint = Some(Fingerprint { token, changed_ns: 0 });
        entry
    }

    /// The file's bytes, holes as zeros.
    pub fn bytes(&self) -> Vec<u8> {
        if self.holes.is_empty() {
            return self.content.clone();
        }
        let mut bytes = vec![0; self.size() as usize];
        let mut content = self.content.iter();
        let in_hole = |at: u64| self.holes.iter().any(|h| (h.offset..h.offset + h.length).contains(&at));
        for (at, byte) in (0..).zip(&mut bytes) {
            if !in_hole(at) {
                *byte = *content.next().unwrap();
            }
        }
        bytes
    }
}

/// Lists a tree and records what was asked for.
pub struct MemoryCapture {
    tree: Arc<Tree>,
    rest: Vec<TreePath>,
    batch: Arc<Batch>,
    batch_len: usize,
    /// Entries that turn out to be unreadable.
    pub broken: BTreeSet<TreePath>,
    /// Entries of which the source says another size in the end than it gave.
    pub lying: BTreeSet<TreePath>,
    /// Whether contents are given one after the other, as streams.
    pub streams: bool,
    /// What was fetched so far.
    pub fetched: Arc<Mutex<Vec<TreePath>>>,
}

impl MemoryCapture {
    /// Lists the tree in batches of so many entries.
    pub fn new(tree: &Tree, batch_len: usize) -> Self {
        let rest = tree.keys().rev().cloned().collect();
        MemoryCapture {
            tree: Arc::new(tree.clone()),
            rest,
            batch: Arc::default(),
            batch_len,
            broken: BTreeSet::new(),
            lying: BTreeSet::new(),
            streams: false,
            fetched: Arc::default(),
        }
    }
}

struct Opener {
    batch: Arc<Batch>,
    tree: Arc<Tree>,
    broken: BTreeSet<TreePath>,
    lying: BTreeSet<TreePath>,
}

impl FileOpener for Opener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        let path = &self.batch.get(entry).unwrap().path;
        if self.broken.contains(path) {
            return Err(Error::new(ErrorKind::AccessDenied, "cannot open"));
        }
        let content = self.tree[path].content.clone();
        Ok(Box::new(OpenNode { content, at: 0, lies: self.lying.contains(path) }))
    }
}

struct OpenNode {
    content: Vec<u8>,
    at: usize,
    lies: bool,
}

impl FileReader for OpenNode {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // Odd lengths, so that nothing depends on full buffers.
        let n = buffer.len().min(self.content.len() - self.at).min(777_777);
        buffer[..n].copy_from_slice(&self.content[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }

    fn opened(&mut self, listed: &Entry) -> Entry {
        listed.clone()
    }

    fn finish(self: Box<Self>, listed: &Entry, read_bytes: u64) -> Result<Entry> {
        assert_eq!(read_bytes, self.content.len() as u64);
        let size_bytes = listed.size_bytes.map(|size| size + u64::from(self.lies));
        Ok(Entry { size_bytes, ..listed.clone() })
    }
}

#[async_trait]
impl Capture for MemoryCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        let first = self.batch.first + self.batch.entries.len() as u64;
        let at = self.rest.len() - self.batch_len.min(self.rest.len());
        let entries = self.rest.split_off(at).iter().rev().map(|p| self.tree[p].entry(p)).collect::<Vec<_>>();
        self.batch = Arc::new(Batch { first, entries });
        Ok((!self.batch.entries.is_empty()).then(|| self.batch.clone()))
    }

    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        let paths = wanted.0.iter().map(|n| self.batch.get(*n).unwrap().path.clone());
        self.fetched.lock().unwrap().extend(paths);
        if !self.streams {
            let (broken, lying) = (self.broken.clone(), self.lying.clone());
            let opener = Opener { batch: self.batch.clone(), tree: self.tree.clone(), broken, lying };
            return contents.files(Arc::new(opener), &wanted.0).await;
        }
        for number in wanted.0 {
            let content = self.tree[&self.batch.get(number).unwrap().path].content.clone();
            contents.stream(number, Box::new(std::io::Cursor::new(content))).await?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        Ok(Outcome::default())
    }
}

/// Sends all that a capture lists to a new component of a draft, which has yet to accept it.
///
/// # Errors
/// As the destination's and the capture's.
pub async fn send(draft: &mut dyn Draft, capture: &mut dyn Capture) -> Result<Box<dyn Ingest>> {
    let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await?;
    while let Some(batch) = capture.list().await? {
        let wanted = ingest.want(batch).await?;
        if !wanted.is_empty() {
            capture.fetch(wanted, ingest.contents()).await?;
        }
    }
    Ok(ingest)
}

/// Pushes a tree and gives what the push did, and the paths whose content it fetched.
///
/// # Errors
/// As the destination's.
pub async fn push(
    to: &dyn Destination,
    name: &str,
    mut capture: MemoryCapture,
) -> Result<(Committed, Component, Vec<TreePath>)> {
    let fetched = capture.fetched.clone();
    let mut draft = to.begin(Spec::new(name, "host"), Arc::new(Silent)).await?;
    let ingest = send(&mut *draft, &mut capture).await?;
    let outcome = Box::new(capture).finish().await?;
    let component = draft.accept(ingest, outcome).await?;
    let committed = draft.commit().await?;
    let fetched = fetched.lock().unwrap().clone();
    Ok((committed, component, fetched))
}

/// Takes every entry and its bytes.
#[derive(Default)]
struct MemoryRestore {
    entries: BTreeMap<TreePath, Entry>,
    sink: Arc<MemorySink>,
    wanted: BTreeSet<u64>,
}

/// Places and bytes.
type Pieces = Vec<(u64, Vec<u8>)>;

#[derive(Default)]
struct MemorySink {
    pieces: Mutex<BTreeMap<u64, Pieces>>,
    finished: Mutex<BTreeMap<u64, Result<()>>>,
}

impl FileSink for MemorySink {
    fn write(&self, entry: u64, offset: u64, data: &[u8]) -> Result<()> {
        self.pieces.lock().unwrap().entry(entry).or_default().push((offset, data.to_vec()));
        Ok(())
    }

    fn finish(&self, entry: u64, result: Result<()>) -> bool {
        let ok = result.is_ok();
        assert!(self.finished.lock().unwrap().insert(entry, result).is_none(), "finished twice");
        ok
    }
}

#[async_trait]
impl Restore for MemoryRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        let wanted = batch.numbered().filter(|(_, e)| e.has_content()).map(|(n, _)| n).collect();
        self.entries.extend(batch.entries.iter().map(|e| (e.path.clone(), e.clone())));
        Ok(Wanted(wanted))
    }

    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        supply.files(self.sink.clone(), &wanted.0).await?;
        self.wanted.extend(wanted.0);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        unreachable!("the test looks at what came")
    }
}

/// What came back of a file: its bytes, or why not.
pub type Pulled = BTreeMap<TreePath, (Entry, Result<Vec<u8>, String>)>;

/// Pulls a snapshot's first component: what came, and what was lost of the listing.
///
/// # Errors
/// As the catalogue's and the backup's, but `Damaged` in the listing.
pub async fn pull(from: &dyn Catalogue, id: &BackupId, selection: &Selection) -> Result<(Pulled, Vec<Error>)> {
    take(&*from.open(id).await?, selection).await
}

/// [`pull`] of a snapshot that is open.
///
/// # Errors
/// As [`pull`].
pub async fn take(backup: &dyn Backup, selection: &Selection) -> Result<(Pulled, Vec<Error>)> {
    let mut entries = backup.entries(0, selection)?;
    let mut restore = MemoryRestore::default();
    let mut lost = Vec::new();
    loop {
        match entries.next().await {
            Ok(Some(batch)) => {
                let wanted = restore.begin(batch).await?;
                restore.put(wanted, entries.supply()).await?;
            }
            Ok(None) => break,
            Err(error) if error.kind() == ErrorKind::Damaged => lost.push(error),
            Err(error) => return Err(error),
        }
    }
    entries.supply().settle().await?;
    let mut pieces = restore.sink.pieces.lock().unwrap();
    let mut finished = restore.sink.finished.lock().unwrap();
    assert_eq!(restore.wanted, finished.keys().copied().collect(), "every entry is finished, and no other");
    let mut pulled = Pulled::new();
    for (number, (path, entry)) in (0..).zip(&restore.entries) {
        let mut bytes = vec![0; entry.size_bytes.unwrap_or(0) as usize];
        for (offset, piece) in pieces.remove(&number).unwrap_or_default() {
            bytes[offset as usize..offset as usize + piece.len()].copy_from_slice(&piece);
        }
        let result = finished.remove(&number).unwrap_or(Ok(()));
        pulled.insert(path.clone(), (entry.clone(), result.map(|()| bytes).map_err(|e| format!("{e:?}"))));
    }
    Ok((pulled, lost))
}

/// Asserts that a tree came back whole.
pub fn assert_same(tree: &Tree, pulled: &Pulled) {
    assert_eq!(tree.keys().collect::<Vec<_>>(), pulled.keys().collect::<Vec<_>>());
    for ((path, node), (entry, bytes)) in tree.iter().zip(pulled.values()) {
        let listed = (&node.kind, &node.metadata, &node.holes, node.link_group);
        assert_eq!(listed, (&entry.kind, &entry.metadata, &entry.holes, entry.link_group), "{path}");
        assert!(*bytes.as_ref().unwrap() == node.bytes(), "the bytes of {path} differ");
    }
}

/// Asserts that a snapshot's first component is this tree, whole.
pub async fn assert_whole(from: &dyn Catalogue, id: &BackupId, tree: &Tree) {
    let (pulled, lost) = pull(from, id, &Selection::default()).await.unwrap();
    assert!(lost.is_empty(), "{id}: {lost:?}");
    assert_same(tree, &pulled);
}
