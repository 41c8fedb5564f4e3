use super::{is_file_name, producer_failed, program_name};
use async_trait::async_trait;
use backup_core::{
    Batch, CommandSpec, Entry, EntryKind, Error, ErrorKind, Event, Observer, Outcome, Reader, Restore, Result, Session,
    Supply, TreePath, Wanted, Writer,
};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

const BUFFER_BYTES: usize = 128 * 1024;

#[derive(Clone)]
pub(super) enum Target {
    Directory { path: Vec<u8>, replace: bool },
    Program(CommandSpec),
    Writer(Arc<Mutex<Option<Writer>>>),
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Directory { path, .. } => write!(f, "Directory({})", String::from_utf8_lossy(path)),
            Target::Program(program) => write!(f, "Program({})", program_name(program)),
            Target::Writer(_) => f.write_str("Writer"),
        }
    }
}

/// Brings the outputs of programs back: any number into a directory, exactly one into a program or a writer.
pub(super) struct OutputRestore {
    at: Arc<dyn Session>,
    target: Target,
    observer: Arc<dyn Observer>,
    batch: Arc<Batch>,
    streamed: bool,
    outcome: Outcome,
}

impl OutputRestore {
    pub(super) fn new(at: Arc<dyn Session>, target: Target, observer: Arc<dyn Observer>) -> Self {
        OutputRestore { at, target, observer, batch: Arc::default(), streamed: false, outcome: Outcome::default() }
    }

    fn fail(&mut self, path: &TreePath, reason: String) {
        self.observer.event(Event::Failed { path: path.clone(), reason: reason.clone() });
        self.outcome.fail(path.clone(), reason);
    }

    /// One output as a file. What fails here is this entry's alone.
    async fn file(&self, folder: &[u8], replace: bool, path: &TreePath, content: Reader) -> Result<u64> {
        let mut file = folder.to_vec();
        file.push(b'/');
        file.extend_from_slice(&path.name().unwrap_or_default());
        if !replace {
            match self.at.pull(&file).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() != ErrorKind::InvalidInput => return Err(error),
                Ok(_) | Err(_) => {
                    return Err(Error::new(ErrorKind::AlreadyExists, "something of that name is there already"));
                }
            }
        }
        let bytes = Arc::new(AtomicU64::new(0));
        self.at.push(&file, Box::new(Counted { content, bytes: bytes.clone() })).await?;
        Ok(bytes.load(Ordering::Relaxed))
    }

    /// The output as a program's input. A program that could take half of it for the whole is killed before it sees
    /// the end.
    async fn program(&self, spec: &CommandSpec, mut content: Reader) -> Result<u64> {
        let mut process = self.at.run(spec.clone().with_stdin()).await?;
        let no_pipe = || Error::new(ErrorKind::Internal, "a program has no standard input or output");
        let mut stdin = process.stdin().ok_or_else(no_pipe)?;
        let mut stdout = process.stdout().ok_or_else(no_pipe)?;
        let draining = tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
        let fed = pour(&mut content, &mut stdin).await;
        if fed.is_err() {
            process.kill().await?;
        }
        drop(stdin);
        let ended = process.wait().await;
        draining.abort();
        let (fed, exit) = (fed?, ended?);
        match fed {
            Fed::All(bytes) if exit.status.success() => Ok(bytes),
            Fed::Refused if exit.status.success() => {
                Err(Error::new(ErrorKind::ProducerFailed, "a program ended before it had read everything")
                    .context("program", program_name(spec)))
            }
            Fed::All(_) | Fed::Refused => Err(producer_failed(spec, &exit)),
        }
    }

    /// Which of the entries this target can take, by name.
    fn takes(&mut self, entry: &Entry) -> Result<(), &'static str> {
        let name = entry.path.name().unwrap_or_default();
        if entry.kind != EntryKind::Stream {
            return Err("not the output of a program");
        }
        if entry.path.depth() != 1 || !is_file_name(&name) {
            return Err("its name is not a file's");
        }
        let one_only = !matches!(self.target, Target::Directory { .. });
        if one_only && std::mem::replace(&mut self.streamed, true) {
            return Err("one output was restored, and the target takes only one");
        }
        Ok(())
    }
}

/// How a stream was taken.
enum Fed {
    All(u64),
    /// The other side closed before the end.
    Refused,
}

/// Copies to the end and closes, which it does not do after an error.
async fn pour(content: &mut Reader, to: &mut Writer) -> Result<Fed> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = content.read(&mut buffer).await;
        let read = read.map_err(|e| Error::io("cannot read a program's stored output", e))?;
        let piece = buffer.get(..read).unwrap_or_default();
        let written = if read == 0 { to.shutdown().await } else { to.write_all(piece).await };
        match written {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Fed::Refused),
            Err(e) => return Err(Error::io("cannot write a program's stored output", e)),
            Ok(()) if read == 0 => return Ok(Fed::All(bytes)),
            Ok(()) => bytes += read as u64,
        }
    }
}

#[async_trait]
impl Restore for OutputRestore {
    async fn begin(&mut self, batch: Arc<Batch>) -> Result<Wanted> {
        let mut wanted = Vec::new();
        for (number, entry) in batch.numbered() {
            match self.takes(entry) {
                Ok(()) => wanted.push(number),
                Err(reason) => self.fail(&entry.path, reason.to_owned()),
            }
        }
        self.batch = batch;
        Ok(Wanted(wanted))
    }

    async fn put(&mut self, wanted: Wanted, supply: &dyn Supply) -> Result<()> {
        let batch = self.batch.clone();
        for (number, entry) in wanted.0.into_iter().filter_map(|number| Some((number, batch.get(number)?))) {
            let restored = match supply.stream(number).await {
                Err(error) => Err(error),
                Ok(content) => self.restore(&entry.path, content).await,
            };
            match (restored, &self.target) {
                (Ok(bytes), _) => self.observer.event(Event::Progress { files: 1, bytes }),
                (Err(error), Target::Directory { .. }) => self.fail(&entry.path, error.full_message()),
                (Err(error), Target::Program(_) | Target::Writer(_)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<Outcome> {
        Ok(self.outcome)
    }
}

impl OutputRestore {
    async fn restore(&self, path: &TreePath, content: Reader) -> Result<u64> {
        match &self.target {
            Target::Directory { path: folder, replace } => self.file(folder, *replace, path, content).await,
            Target::Program(spec) => self.program(spec, content).await,
            Target::Writer(writer) => {
                let taken = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
                let to = taken.ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, "the writer was given for one restore and has been used")
                })?;
                stream(content, to).await
            }
        }
    }
}

/// Copies into a caller's writer, to the end.
async fn stream(mut content: Reader, mut to: Writer) -> Result<u64> {
    match pour(&mut content, &mut to).await? {
        Fed::All(bytes) => Ok(bytes),
        Fed::Refused => Err(Error::new(ErrorKind::Io, "whoever reads the output closed before its end")),
    }
}

/// Counts what passes, for the progress.
struct Counted {
    content: Reader,
    bytes: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let polled = Pin::new(&mut self.content).poll_read(cx, out);
        self.bytes.fetch_add((out.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}
