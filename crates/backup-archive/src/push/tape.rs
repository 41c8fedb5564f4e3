//! A component's own thread: everything of it goes one behind the other into the archive, and into the index.

use super::plain::{Plain, Written};
use crate::index::{Head, Line, Placed, Row};
use crate::manifest::Form;
use crate::tar;
use backup_core::{
    Batch, Entry, EntryFailure, EntryKind, Error, ErrorKind, Event, FileOpener, FileReader, Observer, Result, Totals,
    TreePath,
};
use bytes::{Buf, Bytes};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A file up to this long is read before its header is written, so that the header is true.
const READ_FIRST: u64 = 1 << 20;
/// A stream whose length nobody knows is held in memory up to this, and in a temporary file beyond it.
const SPOOL_BYTES: usize = 8 << 20;

/// What the thread is told.
pub(super) enum Work {
    /// The next entries; `wanted` will be answered for.
    Batch { batch: Arc<Batch>, wanted: Vec<u64> },
    /// Files to open and read.
    Files { opener: Arc<dyn FileOpener>, entries: Vec<u64> },
    /// A stream to its end, which is an empty block.
    Stream { entry: u64, blocks: mpsc::Receiver<Result<Bytes>>, done: oneshot::Sender<Result<()>> },
    /// An entry that cannot be had.
    Unreadable { entry: u64, reason: String },
    /// No more comes.
    End(oneshot::Sender<Taped>),
}

/// What came of it.
pub(super) struct Taped {
    pub(super) written: Written,
    /// To be ended with the pieces.
    pub(super) index: Plain,
    pub(super) totals: Totals,
    pub(super) failures: Vec<EntryFailure>,
}

/// The content of a file that has several names.
#[derive(Clone)]
struct Linked {
    first: TreePath,
    placed: Placed,
    read: Entry,
}

pub(super) struct Tape {
    form: Form,
    plain: Plain,
    index: Plain,
    observer: Arc<dyn Observer>,
    batch: Arc<Batch>,
    answers: BTreeMap<u64, Result<(Entry, Placed), String>>,
    wanted: Vec<u64>,
    links: HashMap<u64, Result<Linked, String>>,
    /// Entries of the batch before it are in the archive, but for contents that did not come in order.
    passed: u64,
    totals: Totals,
    failures: Vec<EntryFailure>,
}

impl Tape {
    pub(super) fn new(
        form: Form,
        head: Head,
        plain: Plain,
        mut index: Plain,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        write_line(&mut index, &Line::Head(head))?;
        Ok(Tape {
            form,
            plain,
            index,
            observer,
            batch: Arc::default(),
            answers: BTreeMap::new(),
            wanted: Vec::new(),
            links: HashMap::new(),
            passed: 0,
            totals: Totals::default(),
            failures: Vec::new(),
        })
    }

    /// Works until the end, or until nobody is there any more; whatever fails here fails the component.
    pub(super) fn run(mut self, mut work: mpsc::Receiver<Work>) -> Result<()> {
        loop {
            let step = match work.blocking_recv() {
                Some(Work::End(done)) => {
                    return match self.finish() {
                        Ok(taped) => {
                            // Nobody listens when the component was given up.
                            let _ = done.send(taped);
                            Ok(())
                        }
                        Err(error) => Err(error),
                    };
                }
                Some(Work::Batch { batch, wanted }) => self.begin(batch, wanted),
                Some(Work::Files { opener, entries }) => {
                    entries.into_iter().try_for_each(|number| self.file(number, &*opener))
                }
                Some(Work::Stream { entry, blocks, done }) => self.stream(entry, blocks, done),
                Some(Work::Unreadable { entry, reason }) => {
                    self.answer(entry, Err(reason));
                    Ok(())
                }
                None => Err(Error::new(ErrorKind::Cancelled, "the component was given up")),
            };
            if let Err(error) = step {
                self.plain.fail();
                self.index.fail();
                return Err(error);
            }
        }
    }

    fn finish(mut self) -> Result<Taped> {
        self.end_batch()?;
        if self.form == Form::Tar {
            self.plain.write(&tar::END)?;
        }
        let written = self.plain.finish()?;
        Ok(Taped { written, index: self.index, totals: self.totals, failures: self.failures })
    }

    fn begin(&mut self, batch: Arc<Batch>, wanted: Vec<u64>) -> Result<()> {
        self.end_batch()?;
        self.passed = batch.first;
        self.batch = batch;
        self.wanted = wanted;
        Ok(())
    }

    /// What has no content of its own and stands in front of an entry. In the order of a walk tar gets the times of
    /// directories right.
    fn pass(&mut self, to: u64) -> Result<()> {
        let batch = self.batch.clone();
        for number in self.passed..to {
            let Some(entry) = batch.get(number) else { continue };
            if !entry.has_content() {
                self.head(entry, None)?;
            } else if self.wanted.binary_search(&number).is_err() {
                self.link(number, entry)?;
            }
        }
        self.passed = self.passed.max(to);
        Ok(())
    }

    /// A further name of a file.
    fn link(&mut self, number: u64, listed: &Entry) -> Result<()> {
        let answer = match listed.link_group.and_then(|group| self.links.get(&group)).cloned() {
            Some(Ok(linked)) => {
                let entry = Entry { path: listed.path.clone(), ..linked.read };
                self.head(&entry, Some(&linked.first))?;
                Ok((entry, linked.placed))
            }
            Some(Err(reason)) => Err(reason),
            None => return Ok(()),
        };
        self.answers.insert(number, answer);
        Ok(())
    }

    /// A wanted entry's end.
    fn answer(&mut self, number: u64, answer: Result<(Entry, Placed), String>) {
        let listed = self.batch.get(number);
        if let Some(group) = listed.and_then(|listed| listed.link_group) {
            let first = listed.map(|listed| listed.path.clone()).unwrap_or_default();
            let linked = answer.clone().map(|(read, placed)| Linked { first, placed, read });
            self.links.insert(group, linked);
        }
        self.answers.insert(number, answer);
    }

    fn head(&mut self, entry: &Entry, link_to: Option<&TreePath>) -> Result<()> {
        match (self.form, tar::head(entry, link_to)?) {
            (Form::Tar, Some(head)) => self.plain.write(&head),
            _ => Ok(()),
        }
    }

    fn pad(&mut self, bytes: u64) -> Result<()> {
        if self.form == Form::Tar { self.plain.write(tar::padding(bytes)) } else { Ok(()) }
    }

    fn file(&mut self, number: u64, opener: &dyn FileOpener) -> Result<()> {
        let batch = self.batch.clone();
        let Some(listed) = batch.get(number) else { return Ok(()) };
        self.pass(number)?;
        let answer = match opener.open(number) {
            Err(error) => Err(error.full_message()),
            Ok(mut reader) => {
                let opened = reader.opened(listed);
                if data_bytes(&opened) <= READ_FIRST {
                    self.short(listed, &opened, reader)?
                } else {
                    self.long(listed, &opened, reader)?
                }
            }
        };
        if let Ok((entry, _)) = &answer {
            self.observer.event(Event::Progress { files: 1, bytes: entry.size_bytes.unwrap_or(0) });
        }
        self.answer(number, answer);
        Ok(())
    }

    fn short(
        &mut self,
        listed: &Entry,
        opened: &Entry,
        mut reader: Box<dyn FileReader>,
    ) -> Result<Result<(Entry, Placed), String>> {
        let mut content = vec![0; data_bytes(opened) as usize + 1];
        let mut bytes = 0;
        loop {
            match reader.read(content.get_mut(bytes..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(got) => bytes += got,
                Err(error) => return Ok(Err(error.full_message())),
            }
        }
        let content = content.get(..bytes).unwrap_or_default();
        let entry = match reader.finish(listed, bytes as u64) {
            Ok(entry) if data_bytes(&entry) == bytes as u64 => entry,
            Ok(_) => return Ok(Err("its size is not that of what was read".to_owned())),
            Err(error) => return Ok(Err(error.full_message())),
        };
        self.head(&entry, None)?;
        let placed = Placed { at: self.plain.position(), bytes: bytes as u64 };
        self.plain.write(content)?;
        self.pad(placed.bytes)?;
        Ok(Ok((entry, placed)))
    }

    /// Its header says what was opened: what is missing then is filled up.
    fn long(
        &mut self,
        listed: &Entry,
        opened: &Entry,
        mut reader: Box<dyn FileReader>,
    ) -> Result<Result<(Entry, Placed), String>> {
        self.head(opened, None)?;
        let (at, told) = (self.plain.position(), data_bytes(opened));
        let mut bytes = 0u64;
        let mut own_error = None;
        while bytes < told {
            let most = usize::try_from(told - bytes).unwrap_or(usize::MAX);
            let mut failed = false;
            let got = self.plain.fill(most, &mut |buffer| reader.read(buffer).inspect_err(|_| failed = true));
            match got {
                Ok(0) => break,
                Ok(got) => bytes += got as u64,
                Err(error) if failed => {
                    own_error = Some(error.full_message());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.zeros(told - bytes)?;
        self.pad(told)?;
        if let Some(reason) = own_error {
            return Ok(Err(reason));
        }
        Ok(match reader.finish(listed, bytes) {
            Ok(entry) if data_bytes(&entry) == bytes => Ok((entry, Placed { at, bytes })),
            Ok(_) => Err("its size is not that of what was read".to_owned()),
            Err(error) => Err(error.full_message()),
        })
    }

    fn zeros(&mut self, mut bytes: u64) -> Result<()> {
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 20)];
        while bytes > 0 {
            let now = zeros.get(..usize::try_from(bytes).unwrap_or(usize::MAX).min(zeros.len())).unwrap_or_default();
            self.plain.write(now)?;
            bytes -= now.len() as u64;
        }
        Ok(())
    }

    fn stream(
        &mut self,
        number: u64,
        blocks: mpsc::Receiver<Result<Bytes>>,
        done: oneshot::Sender<Result<()>>,
    ) -> Result<()> {
        let batch = self.batch.clone();
        let Some(listed) = batch.get(number) else { return Ok(()) };
        self.pass(number)?;
        let mut entry = listed.clone();
        let mut blocks = Blocks { received: blocks, broken: None };
        let placed = match self.form {
            Form::Stream => self.stream_as_it_is(&mut blocks),
            Form::Tar => self.stream_by_spool(&mut entry, &mut blocks),
        };
        let (answer, told) = match (placed, blocks.broken) {
            (_, Some(error)) => (Err(error.full_message()), Err(error)),
            (Err(error), None) => return Err(error),
            (Ok(placed), None) => {
                entry.size_bytes = Some(placed.bytes + entry.holes.iter().map(|hole| hole.length).sum::<u64>());
                self.observer.event(Event::Progress { files: 1, bytes: 0 });
                (Ok((entry, placed)), Ok(()))
            }
        };
        self.answer(number, answer);
        let _ = done.send(told);
        Ok(())
    }

    fn stream_as_it_is(&mut self, blocks: &mut Blocks) -> Result<Placed> {
        let at = self.plain.position();
        while let Some(block) = blocks.next()? {
            self.plain.write(&block)?;
            self.observer.event(Event::Progress { files: 0, bytes: block.len() as u64 });
        }
        Ok(Placed { at, bytes: self.plain.position() - at })
    }

    /// Its header tells its length.
    fn stream_by_spool(&mut self, entry: &mut Entry, blocks: &mut Blocks) -> Result<Placed> {
        let failed = |e| Error::io("cannot keep a stream in a temporary file", e);
        let mut spool = tempfile::SpooledTempFile::new(SPOOL_BYTES);
        let mut bytes = 0;
        while let Some(block) = blocks.next()? {
            spool.write_all(&block).map_err(failed)?;
            bytes += block.len() as u64;
            self.observer.event(Event::Progress { files: 0, bytes: block.len() as u64 });
        }
        entry.size_bytes = Some(bytes + entry.holes.iter().map(|hole| hole.length).sum::<u64>());
        self.head(entry, None)?;
        let at = self.plain.position();
        spool.rewind().map_err(failed)?;
        while self.plain.fill(1 << 20, &mut |buffer| spool.read(buffer).map_err(failed))? > 0 {}
        self.pad(bytes)?;
        Ok(Placed { at, bytes })
    }

    /// All answers of the batch are there: its lines of the index.
    fn end_batch(&mut self) -> Result<()> {
        let batch = self.batch.clone();
        let wanted = std::mem::take(&mut self.wanted);
        for number in wanted.iter().filter(|number| !self.answers.contains_key(number)).copied().collect::<Vec<_>>() {
            self.answer(number, Err("the source did not deliver it".to_owned()));
        }
        self.wanted = wanted;
        self.pass(batch.first + batch.entries.len() as u64)?;
        for (number, listed) in batch.numbered() {
            if !listed.has_content() {
                self.row(listed, None)?;
                continue;
            }
            if !self.answers.contains_key(&number) {
                // Its first name came out of order.
                self.link(number, listed)?;
            }
            match self.answers.remove(&number) {
                Some(Ok((entry, placed))) => self.row(&entry, Some(placed))?,
                Some(Err(reason)) => self.failures.push(EntryFailure { path: listed.path.clone(), reason }),
                None => return Err(Error::new(ErrorKind::Internal, "a name of a file has no first name")),
            }
        }
        self.batch = Arc::default();
        Ok(())
    }

    fn row(&mut self, entry: &Entry, placed: Option<Placed>) -> Result<()> {
        self.totals.entries += 1;
        if entry.has_content() {
            self.totals.files += 1;
            self.totals.size_bytes += entry.size_bytes.unwrap_or(0);
        }
        write_line(&mut self.index, &Line::Entry(Box::new(Row::new(entry, placed))))
    }
}

/// Writes a line of an index.
pub(super) fn write_line(index: &mut Plain, line: &Line) -> Result<()> {
    let mut text = serde_json::to_vec(line)
        .map_err(|e| Error::new(ErrorKind::Internal, "a line of an index cannot be written").source(e))?;
    text.push(b'\n');
    index.write(&text)
}

fn data_bytes(entry: &Entry) -> u64 {
    let holes: u64 = entry.holes.iter().map(|hole| hole.length).sum();
    entry.size_bytes.unwrap_or(0).saturating_sub(holes)
}

/// A stream's blocks.
struct Blocks {
    received: mpsc::Receiver<Result<Bytes>>,
    /// What the stream itself failed with.
    broken: Option<Error>,
}

impl Blocks {
    fn next(&mut self) -> Result<Option<Bytes>> {
        match self.received.blocking_recv() {
            Some(Ok(block)) => Ok(block.has_remaining().then_some(block)),
            Some(Err(error)) => {
                let told = Error::new(error.kind(), "a stream failed");
                self.broken = Some(error);
                Err(told)
            }
            None => {
                let error = Error::new(ErrorKind::Cancelled, "a stream was given up");
                let told = Error::new(error.kind(), "a stream was given up");
                self.broken = Some(error);
                Err(told)
            }
        }
    }
}

/// How a component is stored that begins with this batch.
pub(super) fn form(batch: &Batch) -> Form {
    match batch.entries.as_slice() {
        [entry] if entry.kind == EntryKind::Stream => Form::Stream,
        _ => Form::Tar,
    }
}
