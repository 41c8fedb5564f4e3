//! A component's own thread: everything of it goes one behind the other into the archive, and into the index.

use super::failure::Failure;
use super::plain::{Plain, Written};
use crate::index::{Head, Line, MAX_LINE, Placed, Row};
use crate::manifest::Form;
use crate::tar;
use backup_core::{
    Batch, Entry, EntryKind, Error, ErrorKind, Event, FileOpener, FileReader, Metadata, Observer, Outcome, Result,
    Totals, TreePath,
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
    /// `alone` are names that are not of the file whose number they have.
    Batch { batch: Arc<Batch>, wanted: Vec<u64>, alone: Vec<u64> },
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
    /// The entries that failed.
    pub(super) outcome: Outcome,
    /// Of their contents, each once.
    pub(super) read_bytes: u64,
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
    /// Until it is written.
    head: Option<Head>,
    plain: Plain,
    index: Plain,
    observer: Arc<dyn Observer>,
    batch: Arc<Batch>,
    answers: BTreeMap<u64, Result<(Entry, Placed), String>>,
    wanted: Vec<u64>,
    links: HashMap<u64, Result<Linked, String>>,
    /// Entries of the batch before it are in the archive, but for contents that did not come in order.
    passed: u64,
    alone: Vec<u64>,
    totals: Totals,
    outcome: Outcome,
    read_bytes: u64,
}

impl Tape {
    pub(super) fn new(form: Form, head: Head, plain: Plain, index: Plain, observer: Arc<dyn Observer>) -> Self {
        Tape {
            form,
            head: Some(head),
            plain,
            index,
            observer,
            batch: Arc::default(),
            answers: BTreeMap::new(),
            wanted: Vec::new(),
            links: HashMap::new(),
            passed: 0,
            alone: Vec::new(),
            totals: Totals::default(),
            outcome: Outcome::default(),
            read_bytes: 0,
        }
    }

    /// Works until the end, or until nobody is there any more. Whatever fails here fails the component, and is told before
    /// anybody can see that this has ended.
    pub(super) fn run(mut self, mut work: mpsc::Receiver<Work>, failure: &Failure) {
        let _panics = Panics(failure);
        loop {
            let step = match work.blocking_recv() {
                Some(Work::End(done)) => {
                    match self.finish() {
                        // Nobody listens when the component was given up.
                        Ok(taped) => drop(done.send(taped)),
                        Err(error) => failure.set(error),
                    }
                    return;
                }
                Some(work) => self.step(work, failure),
                None => Err(Error::new(ErrorKind::Cancelled, "the component was given up")),
            };
            if let Err(error) = step {
                failure.set(error);
                self.plain.fail();
                self.index.fail();
                return;
            }
        }
    }

    fn step(&mut self, work: Work, failure: &Failure) -> Result<()> {
        if let Some(head) = self.head.take() {
            write_line(&mut self.index, &Line::Head(head))?;
        }
        match work {
            Work::Batch { batch, wanted, alone } => self.begin(batch, wanted, alone),
            Work::Files { opener, entries } => entries.into_iter().try_for_each(|number| self.file(number, &*opener)),
            Work::Stream { entry, blocks, done } => match self.stream(entry, blocks) {
                Ok(told) => {
                    let _ = done.send(told);
                    Ok(())
                }
                Err(error) => {
                    failure.set(error);
                    let _ = done.send(Err(failure.tell()));
                    Err(failure.tell())
                }
            },
            Work::Unreadable { entry, reason } => {
                self.answer(entry, Err(reason));
                Ok(())
            }
            Work::End(_) => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Taped> {
        self.end_batch()?;
        if self.form == Form::Tar {
            self.plain.write(&tar::END)?;
        }
        let written = self.plain.finish()?;
        let Tape { index, totals, outcome, read_bytes, .. } = self;
        Ok(Taped { written, index, totals, outcome, read_bytes })
    }

    fn begin(&mut self, batch: Arc<Batch>, wanted: Vec<u64>, alone: Vec<u64>) -> Result<()> {
        self.end_batch()?;
        self.passed = batch.first;
        self.batch = batch;
        (self.wanted, self.alone) = (wanted, alone);
        Ok(())
    }

    /// What has no content of its own and stands in front of an entry. In the order of a walk tar gets the times of
    /// directories right.
    fn pass(&mut self, to: u64) -> Result<()> {
        let batch = self.batch.clone();
        for number in self.passed..to {
            let Some(entry) = batch.get(number) else { continue };
            if !entry.has_content() {
                match self.head(entry, None) {
                    // What tar cannot tell stands in the index alone.
                    Err(error) if error.kind() == ErrorKind::InvalidInput => {
                        self.outcome.fail(entry.path.clone(), error.full_message());
                    }
                    headed => headed?,
                }
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
    fn answer(&mut self, number: u64, mut answer: Result<(Entry, Placed), String>) {
        let listed = self.batch.get(number).filter(|_| !self.alone.contains(&number));
        if let Ok((entry, placed)) = &mut answer {
            self.read_bytes += placed.bytes;
            entry.link_group = entry.link_group.filter(|_| listed.is_some());
        }
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

    /// Gives what the stream failed with.
    fn stream(&mut self, number: u64, blocks: mpsc::Receiver<Result<Bytes>>) -> Result<Result<()>> {
        let batch = self.batch.clone();
        let Some(listed) = batch.get(number) else { return Ok(Ok(())) };
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
                entry.size_bytes = Some(placed.bytes + tar::hole_bytes(&entry));
                self.observer.event(Event::Progress { files: 1, bytes: 0 });
                (Ok((entry, placed)), Ok(()))
            }
        };
        self.answer(number, answer);
        Ok(told)
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
        entry.size_bytes = Some(bytes + tar::hole_bytes(entry));
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
        let open = self.wanted.iter().filter(|number| !self.answers.contains_key(number));
        for number in open.copied().collect::<Vec<_>>() {
            self.answer(number, Err("the source did not deliver it".to_owned()));
        }
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
                Some(Err(reason)) => self.outcome.fail(listed.path.clone(), reason),
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
        let line = Line::Entry(Box::new(Row::new(entry, placed)));
        let text = to_text(&line)?;
        if text.len() <= MAX_LINE {
            return self.index.write(&text);
        }
        // Nothing but these can be so long.
        self.outcome
            .fail(entry.path.clone(), "its extended attributes are too long for an index: they are in the tar alone");
        let bare = Entry { metadata: Metadata { xattrs: BTreeMap::new(), ..entry.metadata.clone() }, ..entry.clone() };
        write_line(&mut self.index, &Line::Entry(Box::new(Row::new(&bare, placed))))
    }
}

/// Writes a line of an index.
pub(super) fn write_line(index: &mut Plain, line: &Line) -> Result<()> {
    index.write(&to_text(line)?)
}

fn to_text(line: &Line) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)
        .map_err(|e| Error::new(ErrorKind::Internal, "a line of an index cannot be written").source(e))?;
    text.push(b'\n');
    Ok(text)
}

/// Tells of a panic before what the thread holds is dropped.
struct Panics<'a>(&'a Failure);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set(Error::new(ErrorKind::Internal, "a thread of the push panicked: please report"));
        }
    }
}

fn data_bytes(entry: &Entry) -> u64 {
    entry.size_bytes.unwrap_or(0).saturating_sub(tar::hole_bytes(entry))
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
