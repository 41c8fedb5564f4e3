use super::subject::Subject;
use crate::suite::{broken, ensure};
use backup_core::{CommandSpec, Error, ErrorKind, ExitStatus, Reach, Reader, Result, Session};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// The longest content that a case reads back.
pub(super) const LIMIT_BYTES: u64 = 64 << 20;

/// An open session and a folder at its place, for one case.
pub struct Place {
    sessions: Vec<Arc<dyn Session>>,
    pub(super) session: Arc<dyn Session>,
    pub(super) folder: Vec<u8>,
    pub(super) way_back: String,
    pub(super) reach: Reach,
}

impl Place {
    pub(super) async fn open(subject: &Subject, case: &str) -> Result<Self> {
        let sessions = subject.open().await?;
        let session = sessions.last().cloned().ok_or_else(|| broken("no connection was given".into()))?;
        let random = RandomState::new().hash_one(std::process::id());
        let mut folder = subject.folder.clone();
        folder.extend_from_slice(format!("/{case}-{random:016x}").as_bytes());
        let way_back = subject.way_back.clone().unwrap_or_default();
        let place = Place { sessions, session, folder, way_back, reach: subject.reach() };
        place.succeed(CommandSpec::new("mkdir").arg("--").arg(place.folder.clone())).await?;
        Ok(place)
    }

    /// Removes the folder, through a new session if the case closed its own, and closes everything.
    pub(super) async fn close(self, subject: &Subject) -> Result<()> {
        let remove = CommandSpec::new("rm").arg("-rf").arg("--").arg(self.folder.clone());
        let fresh = subject.open().await?;
        let again = Place { session: fresh.last().cloned().unwrap_or_else(|| self.session.clone()), ..self };
        let mut result = again.succeed(remove).await.map(drop);
        for session in again.sessions.iter().rev().chain(fresh.iter().rev()) {
            result = result.and(session.clean().await);
        }
        result
    }

    /// A path in the case's folder.
    pub(super) fn path(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        [self.folder.as_slice(), b"/", name.as_ref()].concat()
    }

    /// What a program printed, once it has ended well.
    pub(super) async fn succeed(&self, command: CommandSpec) -> Result<Vec<u8>> {
        let mut process = self.session.run(command).await?;
        let stdout = process.stdout().ok_or_else(|| broken("a program has no standard output".into()))?;
        let output = read(stdout).await?;
        let exit = process.wait().await?;
        ensure!(exit.status == ExitStatus::Code(0), "a program ended with {}: {}", exit.status, exit.stderr_tail);
        Ok(output)
    }

    pub(super) async fn content(&self, name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        read(self.session.pull(&self.path(name)).await?).await
    }

    /// The names in the case's folder, hidden ones included.
    pub(super) async fn names(&self) -> Result<Vec<u8>> {
        self.succeed(CommandSpec::new("ls").arg("-A").arg("--").arg(self.folder.clone())).await
    }
}

/// A shell script of one word, with arguments.
pub(super) fn script(text: &str) -> CommandSpec {
    CommandSpec::new("sh").arg("-c").arg(text).arg("sh")
}

pub(super) async fn read(reader: Reader) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = reader.take(LIMIT_BYTES).read_to_end(&mut content).await;
    read.map_err(|e| Error::io("cannot read", e))?;
    Ok(content)
}

/// Reads exactly what is expected next.
pub(super) async fn read_exactly(reader: &mut Reader, expected: &[u8]) -> Result<()> {
    let mut found = vec![0; expected.len()];
    reader.read_exact(&mut found).await.map_err(|e| Error::io("cannot read", e))?;
    ensure!(found == expected, "read {:?}", String::from_utf8_lossy(&found));
    Ok(())
}

/// Bytes that do not repeat at any power of two.
pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8 ^ (i / 65_521) as u8).collect()
}

/// Ends with an error of the caller's instead of an end.
pub(super) fn torn(content: Vec<u8>) -> Reader {
    Box::new(std::io::Cursor::new(content).chain(Torn))
}

struct Torn;

impl tokio::io::AsyncRead for Torn {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(Error::new(ErrorKind::Fenced, "torn on purpose").into()))
    }
}
