//! Doubles for the tests of the pipelines' own logic. Each writes what is asked of it into one shared log.

use crate::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

/// What happened, in order.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<watch::Sender<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Log(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.send_modify(|lines| lines.push(line.into()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }

    /// Returns once a line is there.
    pub(crate) async fn seen(&self, line: &str) {
        let found = |lines: &Vec<String>| lines.iter().any(|l| l == line);
        self.0.subscribe().wait_for(found).await.unwrap();
    }
}

/// How a call of a double goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Error,
    Panic,
    Hang,
}

/// Which calls go wrong.
pub(crate) type Faults = BTreeMap<&'static str, Fault>;

async fn call(log: &Log, faults: &Faults, name: &str, what: &'static str) -> Result<()> {
    log.add(format!("{name} {what}"));
    match faults.get(what) {
        None => Ok(()),
        Some(Fault::Error) => Err(Error::new(ErrorKind::Unavailable, format!("{name} {what} failed"))),
        Some(Fault::Panic) => panic!("{name} {what} panicked"),
        Some(Fault::Hang) => std::future::pending().await,
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl Connection for Hop {
    fn describe(&self) -> String {
        self.name.into()
    }
    async fn setup(&self, _: Option<Arc<dyn Session>>) -> Result<Arc<dyn Session>> {
        call(&self.log, &self.faults, self.name, "setup").await?;
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Session for Hop {
    async fn run(&self, _: CommandSpec) -> Result<Box<dyn Process>> {
        unreachable!()
    }
    async fn push(&self, _: &[u8], _: Reader) -> Result<()> {
        unreachable!()
    }
    async fn pull(&self, _: &[u8]) -> Result<Reader> {
        unreachable!()
    }
    async fn dial(&self, _: &Address) -> Result<Box<dyn Duplex>> {
        unreachable!()
    }
    async fn forward(&self, _: &Address) -> Result<Box<dyn Forward>> {
        unreachable!()
    }
    fn reach(&self) -> Reach {
        Reach::ThisHost
    }
    async fn clean(&self) -> Result<()> {
        call(&self.log, &self.faults, self.name, "clean").await
    }
}

/// A source of named contents, in batches of two; those whose name begins with `s` come as streams.
#[derive(Clone, Debug)]
pub(crate) struct TestSource {
    pub(crate) name: &'static str,
    pub(crate) contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
    /// Streams that break after their bytes.
    pub(crate) broken: Vec<&'static str>,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl SourceDriver for TestSource {
    fn describe(&self) -> SourceDescription {
        SourceDescription::new("test")
    }
    async fn probe(&self, _: &dyn Session) -> Result<Vec<String>> {
        unreachable!()
    }
    async fn capture(&self, _: Arc<dyn Session>, _: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        call(&self.log, &self.faults, self.name, "capture").await?;
        Ok(Box::new(TestCapture { source: self.clone(), next: 0, batch: Arc::default() }))
    }
    async fn restore(
        &self,
        _: Arc<dyn Session>,
        component: &Component,
        _: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        call(&self.log, &self.faults, self.name, "restore").await?;
        self.log.add(format!("{} restores {}", self.name, component.spec.name));
        Ok(Box::new(TestRestore { source: self.clone(), batch: Arc::default() }))
    }
}

struct TestCapture {
    source: TestSource,
    next: usize,
    batch: Arc<Batch>,
}

impl Drop for TestCapture {
    fn drop(&mut self) {
        self.source.log.add(format!("{} capture dropped", self.source.name));
    }
}

struct Opener(Arc<BTreeMap<&'static str, Vec<u8>>>, Arc<Batch>);

impl FileOpener for Opener {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        let name = name_of(&self.1, entry);
        Ok(Box::new(Open(Cursor::new(self.0[name.as_str()].clone()))))
    }
}

struct Open(Cursor<Vec<u8>>);

impl FileReader for Open {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        std::io::Read::read(&mut self.0, buffer).map_err(|e| Error::io("read", e))
    }
    fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
        Ok(listed.clone())
    }
}

fn name_of(batch: &Batch, entry: u64) -> String {
    String::from_utf8(batch.get(entry).unwrap().path.name().unwrap().into_owned()).unwrap()
}

#[async_trait]
impl Capture for TestCapture {
    async fn list(&mut self) -> Result<Option<Arc<Batch>>> {
        call(&self.source.log, &self.source.faults, self.source.name, "list").await?;
        let names = self.source.contents.keys().skip(self.next).take(2);
        let entries: Vec<_> = names.map(|n| Entry::new(path(n), EntryKind::File)).collect();
        self.batch = Arc::new(Batch { first: self.next as u64, entries });
        self.next += self.batch.entries.len();
        Ok((!self.batch.entries.is_empty()).then(|| self.batch.clone()))
    }
    async fn fetch(&mut self, wanted: Wanted, contents: &dyn Contents) -> Result<()> {
        call(&self.source.log, &self.source.faults, self.source.name, "fetch").await?;
        let is_stream = |entry: &u64| name_of(&self.batch, *entry).starts_with('s');
        let (streams, files): (Vec<u64>, Vec<u64>) = wanted.0.into_iter().partition(is_stream);
        contents.files(Arc::new(Opener(self.source.contents.clone(), self.batch.clone())), &files).await?;
        for entry in streams {
            let name = name_of(&self.batch, entry);
            let bytes = self.source.contents[name.as_str()].clone();
            let length = bytes.len() as u64;
            if self.source.broken.contains(&name.as_str()) {
                let torn = torn_by(bytes, || Error::new(ErrorKind::ProducerFailed, "torn"));
                assert!(contents.stream(entry, torn).await.is_err());
            } else {
                assert_eq!(contents.stream(entry, Box::new(Cursor::new(bytes))).await?, length);
            }
        }
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<Outcome> {
        call(&self.source.log, &self.source.faults, self.source.name, "finish").await?;
        Ok(Outcome::default())
    }
}

pub(crate) fn path(name: &str) -> TreePath {
    TreePath::from_slashed(name.as_bytes()).unwrap()
}

/// Bytes, then an error instead of an end.
fn torn_by(bytes: Vec<u8>, error: fn() -> Error) -> Reader {
    struct Torn(fn() -> Error);
    impl tokio::io::AsyncRead for Torn {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err((self.0)().into()))
        }
    }
    Box::new(Cursor::new(bytes).chain(Torn(error)))
}

struct TestRestore {
    source: TestSource,
    batch: Arc<Batch>,
}

#[async_trait]
impl Restore for TestRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        self.batch = batch;
        Ok(Wanted(self.batch.numbered().filter(|(_, e)| e.has_content()).map(|(number, _)| number).collect()))
    }
    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        call(&self.source.log, &self.source.faults, self.source.name, "put").await?;
        let in_bulk = |entry: &u64| name_of(&self.batch, *entry).starts_with('f');
        let (files, streams): (Vec<u64>, Vec<u64>) = wanted.0.into_iter().partition(in_bulk);
        supply.files(Arc::new(TestSink(self.source.log.clone())), &files).await?;
        for entry in streams {
            match read_entry(supply, entry, 1 << 20).await {
                Ok(bytes) => self.source.log.add(format!("wrote {} {}", name_of(&self.batch, entry), bytes.len())),
                Err(error) => self.source.log.add(format!("lost {} {error}", name_of(&self.batch, entry))),
            }
        }
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<Outcome> {
        call(&self.source.log, &self.source.faults, self.source.name, "finish").await?;
        Ok(Outcome::default())
    }
}

struct TestSink(Log);

impl FileSink for TestSink {
    fn write(&self, _: u64, _: u64, data: &[u8]) -> Result<()> {
        self.0.add(format!("sink {}", data.len()));
        Ok(())
    }
    fn finish(&self, _: u64, result: Result<()>) -> bool {
        result.is_ok()
    }
}

/// What a destination holds: by component, by entry.
pub(crate) type Stored = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

#[derive(Clone, Debug)]
pub(crate) struct TestDestination {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    /// Names it has already and does not want.
    pub(crate) has: Vec<&'static str>,
    pub(crate) visible: Arc<Mutex<Option<Stored>>>,
}

#[async_trait]
impl Destination for TestDestination {
    async fn begin(&self, _: Spec, _: Arc<dyn Observer>) -> Result<Box<dyn Draft>> {
        call(&self.log, &self.faults, self.name, "begin").await?;
        Ok(Box::new(TestDraft { to: self.clone(), parts: Vec::new(), stored: Stored::new() }))
    }
}

struct TestDraft {
    to: TestDestination,
    parts: Vec<Component>,
    stored: Stored,
}

#[async_trait]
impl Draft for TestDraft {
    async fn component(&mut self, component: ComponentSpec) -> Result<Box<dyn Ingest>> {
        call(&self.to.log, &self.to.faults, self.to.name, "component").await?;
        let contents = TestContents { to: self.to.clone(), batch: Mutex::default(), got: Mutex::default() };
        Ok(Box::new(TestIngest { spec: component, contents }))
    }
    async fn accept(&mut self, ingest: Box<dyn Ingest>, outcome: Outcome) -> Result<Component> {
        call(&self.to.log, &self.to.faults, self.to.name, "accept").await?;
        let ingest: Box<TestIngest> = ingest.into_any().downcast().unwrap();
        let status = if outcome.fatal.is_some() { Status::Incomplete } else { Status::Complete };
        let got = if outcome.fatal.is_some() { BTreeMap::new() } else { ingest.contents.got.into_inner().unwrap() };
        self.stored.insert(ingest.spec.name.clone(), got);
        let component = Component::new(ingest.spec, status, outcome, Totals::default());
        self.parts.retain(|part| part.spec.name != component.spec.name);
        self.parts.push(component.clone());
        Ok(component)
    }
    async fn commit(self: Box<Self>) -> Result<Committed> {
        call(&self.to.log, &self.to.faults, self.to.name, "commit").await?;
        *self.to.visible.lock().unwrap() = Some(self.stored);
        let mut summary = Summary::new(BackupId("1".into()), "n", "h", std::time::SystemTime::UNIX_EPOCH);
        let counts = self.parts.iter().filter(|part| part.spec.required).map(|part| part.status);
        summary.status = counts.fold(Status::Complete, Status::and);
        Ok(Committed::new(summary, PushStats::default()))
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "abort").await
    }
}

struct TestIngest {
    spec: ComponentSpec,
    contents: TestContents,
}

struct TestContents {
    to: TestDestination,
    batch: Mutex<Arc<Batch>>,
    got: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl TestContents {
    fn got(&self, entry: u64, bytes: Vec<u8>) {
        let name = name_of(&self.batch.lock().unwrap(), entry);
        assert!(self.got.lock().unwrap().insert(name, bytes).is_none(), "an entry was answered twice");
    }
}

#[async_trait]
impl Ingest for TestIngest {
    async fn want(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        let to = &self.contents.to;
        call(&to.log, &to.faults, to.name, "want").await?;
        *self.contents.batch.lock().unwrap() = batch.clone();
        let wanted = batch.numbered().filter(|(n, _)| !to.has.contains(&name_of(&batch, *n).as_str()));
        Ok(Wanted(wanted.map(|(number, _)| number).collect()))
    }
    fn contents(&self) -> &dyn Contents {
        &self.contents
    }
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

#[async_trait]
impl Contents for TestContents {
    async fn files(&self, opener: Arc<dyn FileOpener>, entries: &[u64]) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "files").await?;
        for entry in entries {
            let (mut reader, mut bytes, mut buffer) = (opener.open(*entry)?, Vec::new(), [0; 4096]);
            loop {
                match reader.read(&mut buffer)? {
                    0 => break,
                    read => bytes.extend_from_slice(&buffer[..read]),
                }
            }
            self.got(*entry, bytes);
        }
        Ok(())
    }
    async fn stream(&self, entry: u64, mut content: Reader) -> Result<u64> {
        call(&self.to.log, &self.to.faults, self.to.name, "stream").await?;
        let mut bytes = Vec::new();
        if self.to.faults.contains_key("stream midway") {
            content.read_exact(&mut [0; 10]).await.unwrap();
            call(&self.to.log, &self.to.faults, self.to.name, "stream midway").await?;
        }
        content.read_to_end(&mut bytes).await.map_err(|e| Error::io("cannot read", e))?;
        let length = bytes.len() as u64;
        self.got(entry, bytes);
        Ok(length)
    }
    async fn unreadable(&self, _: u64, _: String) -> Result<()> {
        call(&self.to.log, &self.to.faults, self.to.name, "unreadable").await
    }
}

/// An action with an undo, both written into the log.
#[derive(Clone, Debug)]
pub(crate) struct TestAction {
    pub(crate) name: &'static str,
    pub(crate) undo: Option<Box<TestAction>>,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

#[async_trait]
impl Action for TestAction {
    fn describe(&self) -> String {
        self.name.into()
    }
    fn undo(&self) -> Option<Undo> {
        let undo = self.undo.as_ref()?;
        Some(Undo { spec: ActionSpec::new(undo.name), action: Arc::new(undo.as_ref().clone()) })
    }
    async fn execute(&self, _: Arc<dyn Session>) -> Result<Vec<String>> {
        call(&self.log, &self.faults, self.name, "execute").await?;
        Ok(vec![format!("{} done", self.name)])
    }
}

/// A backup of one entry list per component. Entries whose name ends with `damaged` fail when read, and `hole` in the listing fails.
#[derive(Clone, Debug)]
pub(crate) struct TestBackup {
    pub(crate) summary: Summary,
    pub(crate) components: Vec<Component>,
    pub(crate) contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
}

#[async_trait]
impl Catalogue for TestBackup {
    async fn list(&self) -> Result<Vec<Summary>> {
        Ok(vec![self.summary.clone()])
    }
    async fn open(&self, id: &BackupId) -> Result<Box<dyn Backup>> {
        if *id == self.summary.id { Ok(Box::new(self.clone())) } else { Err(Error::new(ErrorKind::NotFound, "no")) }
    }
    async fn forget(&self, _: &BackupId) -> Result<()> {
        unreachable!()
    }
    async fn check(&self, _: CheckOptions, _: Arc<dyn Observer>) -> Result<Report> {
        unreachable!()
    }
}

impl Backup for TestBackup {
    fn summary(&self) -> &Summary {
        &self.summary
    }
    fn components(&self) -> &[Component] {
        &self.components
    }
    fn entries(&self, _: usize, selection: &Selection) -> Result<Box<dyn Entries>> {
        let names = self.contents.keys().copied().filter(|name| selection.takes(&path(name))).collect();
        Ok(Box::new(TestEntries {
            names,
            supply: TestSupply { contents: self.contents.clone(), batch: Arc::default() },
        }))
    }
}

struct TestEntries {
    names: std::collections::VecDeque<&'static str>,
    supply: TestSupply,
}

struct TestSupply {
    contents: Arc<BTreeMap<&'static str, Vec<u8>>>,
    batch: Arc<Batch>,
}

#[async_trait]
impl Entries for TestEntries {
    async fn next(&mut self) -> Result<Option<Arc<Batch>>> {
        let Some(name) = self.names.pop_front() else { return Ok(None) };
        if name == "hole" {
            return Err(Error::new(ErrorKind::Damaged, "a part of the listing"));
        }
        let mut entry = Entry::new(path(name), EntryKind::File);
        entry.size_bytes = Some(self.supply.contents[name].len() as u64);
        self.supply.batch = Arc::new(Batch { first: self.supply.batch.first + 1, entries: vec![entry] });
        Ok(Some(self.supply.batch.clone()))
    }
    fn supply(&self) -> &dyn Supply {
        &self.supply
    }
}

#[async_trait]
impl Supply for TestSupply {
    async fn files(&self, sink: Arc<dyn FileSink>, entries: &[u64]) -> Result<()> {
        for entry in entries {
            let name = name_of(&self.batch, *entry);
            sink.write(*entry, 0, &self.contents[name.as_str()])?;
            let damaged = || Err(Error::new(ErrorKind::Damaged, "a chunk"));
            sink.finish(*entry, if name.ends_with("damaged") { damaged() } else { Ok(()) });
        }
        Ok(())
    }
    async fn stream(&self, entry: u64) -> Result<Reader> {
        let name = name_of(&self.batch, entry);
        let bytes = Cursor::new(self.contents[name.as_str()].clone());
        if name.ends_with("damaged") {
            return Ok(torn_by(bytes.into_inner(), || Error::new(ErrorKind::Damaged, "a chunk")));
        }
        Ok(Box::new(bytes))
    }
}
