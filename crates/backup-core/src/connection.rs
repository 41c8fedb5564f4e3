use crate::{Reader, Result, Secret, Writer};
use async_trait::async_trait;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A hop to a place where programs run and files live. Chains nest connections from the outside in.
#[async_trait]
pub trait Connection: Debug + Send + Sync {
    /// How the hop describes itself in records and traces, without secrets: as the URL from which a registry makes it
    /// again (`local`, `ssh://ann@db1`, `docker:shop-db`).
    fn describe(&self) -> String;

    /// Opens the hop from within `outer`, or from this process. When the future is dropped, nothing stays open.
    ///
    /// # Errors
    /// `AccessDenied`, `Unavailable`, `NotFound`; nothing stays open then.
    async fn setup(&self, outer: Option<Arc<dyn Session>>) -> Result<Arc<dyn Session>>;
}

/// An open hop.
#[async_trait]
pub trait Session: Debug + Send + Sync {
    /// Starts a program. The words of the command reach it as they are, whatever characters they hold.
    ///
    /// # Errors
    /// `NotFound` when there is no such program, `AccessDenied`, `Unavailable`.
    async fn run(&self, command: CommandSpec) -> Result<Box<dyn Process>>;

    /// Writes a file at this place; it appears whole or not at all.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSpace`, `NotFound` (the folder), `Unavailable`, or what `content` gave.
    async fn push(&self, path: &[u8], content: Reader) -> Result<()>;

    /// Reads a file of this place.
    ///
    /// # Errors
    /// `NotFound`, `AccessDenied`, `Unavailable`; later errors come out of the reader.
    async fn pull(&self, path: &[u8]) -> Result<Reader>;

    /// Opens a byte stream to an address as seen from this place.
    ///
    /// # Errors
    /// `Unavailable` when nobody listens there, `Unsupported`.
    async fn dial(&self, to: &Address) -> Result<Box<dyn Duplex>>;

    /// Makes an address of this place reachable as a Unix socket on this host, for clients that only take addresses.
    /// Each client is a dial of its own; one whose dial fails sees its stream end. It ends with the session, too.
    ///
    /// # Errors
    /// `Unsupported`, and when the socket or its folder cannot be made.
    async fn forward(&self, to: &Address) -> Result<Box<dyn Forward>>;

    /// Whether programs started here run on this host.
    fn reach(&self) -> Reach;

    /// Closes the hop and ends what still runs in it; later calls of the other methods fail. Calling it again does
    /// nothing.
    ///
    /// # Errors
    /// When something could not be ended or removed.
    async fn clean(&self) -> Result<()>;
}

/// Where a session's programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// On this host: files may be opened directly.
    ThisHost,
    /// Somewhere else.
    Remote,
}

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A forwarded address; dropping it ends the forwarding and removes the socket.
pub trait Forward: Debug + Send + Sync {
    /// The socket's path on this host, in a folder that only this user can enter.
    fn socket(&self) -> &Path;
}

/// An address as seen from a session.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// A program to start: words as bytes, never through a shell.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The program, looked up in the place's search path when it holds no slash.
    pub program: Vec<u8>,
    /// Its arguments. Every user of the place can see them: no secrets here.
    pub arguments: Vec<Vec<u8>>,
    /// Environment variables set beside the inherited ones. Values may be secret.
    pub environment: Vec<(String, Secret)>,
    /// Working directory.
    pub directory: Option<Vec<u8>>,
    /// Whether the caller will write to its standard input; else it reads end of file.
    pub stdin: Stdin,
}

impl CommandSpec {
    /// A program without arguments.
    pub fn new(program: impl Into<Vec<u8>>) -> Self {
        CommandSpec {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            stdin: Stdin::Empty,
        }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.environment.push((name.into(), value));
        self
    }

    /// Lets the caller write to the program's standard input.
    #[must_use]
    pub fn with_stdin(mut self) -> Self {
        self.stdin = Stdin::Piped;
        self
    }
}

/// What a program's standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// At its end at once.
    Empty,
    /// Written by the caller.
    Piped,
}

/// A running program. Dropping it ends the whole process group.
#[async_trait]
pub trait Process: Send {
    /// Its standard input, once, when it was asked for.
    fn stdin(&mut self) -> Option<Writer>;

    /// Its standard output, once. A slow reader stops the program, not this process.
    fn stdout(&mut self) -> Option<Reader>;

    /// Waits for the end. What of the output was not taken is read and thrown away.
    ///
    /// # Errors
    /// `Unavailable` when the connection broke before the status came: the program counts as failed.
    async fn wait(&mut self) -> Result<Exit>;

    /// Ends the whole process group and waits for it.
    ///
    /// # Errors
    /// When it could not be ended.
    async fn kill(&mut self) -> Result<()>;
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// The last lines of its standard error, at most 8 KiB.
    pub stderr_tail: String,
}

/// A program's status: a signal is not an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It ended by itself.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it ended by itself with status 0.
    pub fn success(self) -> bool {
        self == ExitStatus::Code(0)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit status {code}"),
            ExitStatus::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}
