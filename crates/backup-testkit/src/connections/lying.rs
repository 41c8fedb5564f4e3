use async_trait::async_trait;
use backup_core::{
    Address, CommandSpec, Connection, Duplex, Exit, ExitStatus, Forward, Process, Reach, Reader, Result, Session,
    Writer,
};
use std::sync::Arc;

/// A rule of the contract that a [`Lying`] connection breaks.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Every program ends with status 0.
    SwallowedStatus,
    /// A signal is told as exit status 128 + n, as a shell does.
    SignalAsCode,
    /// Words are joined by spaces and given to a shell.
    ShellWords,
    /// A push writes into the file itself.
    TornPush,
    /// A pull of what is not there gives an empty file.
    EmptyForMissing,
    /// The standard error is not kept.
    SilentError,
    /// `clean` does nothing.
    IdleClean,
}

impl Lie {
    /// All of them.
    pub const ALL: &[Lie] = &[
        Lie::SwallowedStatus,
        Lie::SignalAsCode,
        Lie::ShellWords,
        Lie::TornPush,
        Lie::EmptyForMissing,
        Lie::SilentError,
        Lie::IdleClean,
    ];
}

/// A connection to the same place that breaks one rule: the suite must notice.
#[derive(Debug)]
pub struct Lying {
    inner: Arc<dyn Connection>,
    lie: Lie,
}

impl Lying {
    /// Lies about what `inner` does.
    pub fn new(inner: Arc<dyn Connection>, lie: Lie) -> Self {
        Lying { inner, lie }
    }
}

#[async_trait]
impl Connection for Lying {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn setup(&self, outer: Option<Arc<dyn Session>>) -> Result<Arc<dyn Session>> {
        Ok(Arc::new(LyingSession { inner: self.inner.setup(outer).await?, lie: self.lie }))
    }
}

#[derive(Debug)]
struct LyingSession {
    inner: Arc<dyn Session>,
    lie: Lie,
}

#[async_trait]
impl Session for LyingSession {
    async fn run(&self, mut command: CommandSpec) -> Result<Box<dyn Process>> {
        if self.lie == Lie::ShellWords {
            let words = std::iter::once(&command.program).chain(&command.arguments);
            let line = words.map(Vec::as_slice).collect::<Vec<_>>().join(&b' ');
            command.program = b"sh".to_vec();
            command.arguments = vec![b"-c".to_vec(), line];
        }
        Ok(Box::new(LyingProcess { inner: self.inner.run(command).await?, lie: self.lie }))
    }

    async fn push(&self, path: &[u8], mut content: Reader) -> Result<()> {
        if self.lie != Lie::TornPush {
            return self.inner.push(path, content).await;
        }
        let mut write = CommandSpec::new("sh").arg("-c").arg("cat > \"$1\"").arg("sh").arg(path).with_stdin();
        write.directory = None;
        let mut process = self.inner.run(write).await?;
        let copied = match process.stdin() {
            Some(mut stdin) => tokio::io::copy(&mut content, &mut stdin).await.map(drop),
            None => Ok(()),
        };
        process.wait().await?;
        copied.map_err(|e| backup_core::Error::io("cannot push", e))
    }

    async fn pull(&self, path: &[u8]) -> Result<Reader> {
        match self.inner.pull(path).await {
            Err(_) if self.lie == Lie::EmptyForMissing => Ok(Box::new(tokio::io::empty())),
            pulled => pulled,
        }
    }

    async fn dial(&self, to: &Address) -> Result<Box<dyn Duplex>> {
        self.inner.dial(to).await
    }

    async fn forward(&self, to: &Address) -> Result<Box<dyn Forward>> {
        self.inner.forward(to).await
    }

    fn reach(&self) -> Reach {
        self.inner.reach()
    }

    async fn clean(&self) -> Result<()> {
        if self.lie == Lie::IdleClean { Ok(()) } else { self.inner.clean().await }
    }
}

struct LyingProcess {
    inner: Box<dyn Process>,
    lie: Lie,
}

#[async_trait]
impl Process for LyingProcess {
    fn stdin(&mut self) -> Option<Writer> {
        self.inner.stdin()
    }

    fn stdout(&mut self) -> Option<Reader> {
        self.inner.stdout()
    }

    async fn wait(&mut self) -> Result<Exit> {
        let mut exit = self.inner.wait().await?;
        match (self.lie, exit.status) {
            (Lie::SwallowedStatus, _) => exit.status = ExitStatus::Code(0),
            (Lie::SignalAsCode, ExitStatus::Signal(signal)) => exit.status = ExitStatus::Code(128 + signal),
            (Lie::SilentError, _) => exit.stderr_tail.clear(),
            _ => {}
        }
        Ok(exit)
    }

    async fn kill(&mut self) -> Result<()> {
        self.inner.kill().await
    }
}
