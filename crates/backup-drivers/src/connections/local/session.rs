use super::file;
use super::forward::LocalForward;
use super::group::Group;
use super::process::LocalProcess;
use async_trait::async_trait;
use backup_core::{
    Address, CommandSpec, Duplex, Error, ErrorKind, Forward, Process, Reach, Reader, Result, Retry, Session,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

/// This host, open. Remembers the programs it started so that `clean` can end them.
#[derive(Debug, Default)]
pub(super) struct LocalSession {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    groups: Vec<Weak<Group>>,
    forwards: Vec<AbortHandle>,
}

impl LocalSession {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.closed {
            return Err(Error::new(ErrorKind::InvalidInput, "the session with this host is closed"));
        }
        Ok(state)
    }

    fn start(&self, command: &CommandSpec) -> Result<Box<dyn Process>> {
        let mut state = self.open()?;
        // Under the lock, so that no program slips past a `clean` at the same time.
        let (process, group) = LocalProcess::start(command)?;
        state.groups.retain(|group| group.strong_count() > 0);
        state.groups.push(Arc::downgrade(&group));
        Ok(Box::new(process))
    }
}

const BUSY_PAUSES: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(100), Duration::from_secs(1)];

fn is_busy(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::ExecutableFileBusy)
}

#[async_trait]
impl Session for LocalSession {
    async fn run(&self, command: CommandSpec) -> Result<Box<dyn Process>> {
        // A program that was written a moment ago is busy while a child that another thread is starting still holds
        // its descriptor; that ends with the child's exec.
        for pause in BUSY_PAUSES {
            match self.start(&command) {
                Err(error) if is_busy(&error) => tokio::time::sleep(pause).await,
                started => return started,
            }
        }
        self.start(&command)
    }

    async fn push(&self, path: &[u8], content: Reader) -> Result<()> {
        drop(self.open()?);
        file::push(path, content).await
    }

    async fn pull(&self, path: &[u8]) -> Result<Reader> {
        drop(self.open()?);
        file::pull(path).await
    }

    async fn dial(&self, to: &Address) -> Result<Box<dyn Duplex>> {
        drop(self.open()?);
        dial(to).await
    }

    async fn forward(&self, to: &Address) -> Result<Box<dyn Forward>> {
        let mut state = self.open()?;
        let forward = LocalForward::open(to.clone())?;
        state.forwards.retain(|forward| !forward.is_finished());
        state.forwards.push(forward.end());
        Ok(Box::new(forward))
    }

    fn reach(&self) -> Reach {
        Reach::ThisHost
    }

    async fn clean(&self) -> Result<()> {
        let groups = {
            let mut state = self.state();
            state.closed = true;
            state.forwards.drain(..).for_each(|forward| forward.abort());
            std::mem::take(&mut state.groups)
        };
        let mut result = Ok(());
        for group in groups.iter().filter_map(Weak::upgrade) {
            let ended = match group.kill() {
                Ok(()) => group.exited().await.map(drop),
                Err(error) => Err(error),
            };
            result = result.and(ended);
        }
        result
    }
}

pub(super) async fn dial(to: &Address) -> Result<Box<dyn Duplex>> {
    let (dialled, place): (std::io::Result<Box<dyn Duplex>>, String) = match to {
        Address::Tcp { host, port } => {
            (TcpStream::connect((host.as_str(), *port)).await.map(|s| Box::new(s) as _), format!("{host}:{port}"))
        }
        Address::Unix(path) => (UnixStream::connect(path).await.map(|s| Box::new(s) as _), path.display().to_string()),
        _ => return Err(Error::new(ErrorKind::Unsupported, "this host cannot dial such an address")),
    };
    dialled.map_err(|e| {
        let error = Error::io("cannot reach an address", e).context("address", place);
        if error.kind() == ErrorKind::AccessDenied {
            error
        } else {
            error.with_kind(ErrorKind::Unavailable).retry(Retry::Later)
        }
    })
}
