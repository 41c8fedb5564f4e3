use super::group::Group;
use super::stderr::Stderr;
use async_trait::async_trait;
use backup_core::{CommandSpec, Error, ErrorKind, Exit, Process, Reader, Result, Stdin, Writer};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::process::{ChildStdin, ChildStdout};

/// A program of this host. It ends with its whole group when this is dropped.
pub(super) struct LocalProcess {
    group: Arc<Group>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Stderr,
}

impl LocalProcess {
    pub(super) fn start(command: &CommandSpec) -> Result<(Self, Arc<Group>)> {
        let program = String::from_utf8_lossy(&command.program).into_owned();
        // The message names the program alone: arguments may be nobody's business.
        let failed = |e| Error::io("cannot start a program", e).context("program", &program);
        let mut child = words(command)?.spawn().map_err(failed)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Arc::new(Group::new(child)?);
        let stderr = stderr.ok_or_else(|| Error::new(ErrorKind::Internal, "a program has no standard error"))?;
        let process = LocalProcess {
            stdin: stdin.map(ChildStdin::from_std).transpose().map_err(failed)?,
            stdout: stdout.map(ChildStdout::from_std).transpose().map_err(failed)?,
            stderr: Stderr::drain(stderr, &group)?,
            group: group.clone(),
        };
        Ok((process, group))
    }
}

fn words(spec: &CommandSpec) -> Result<Command> {
    let mut command = Command::new(OsStr::from_bytes(&spec.program));
    command.args(spec.arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(
                Error::new(ErrorKind::InvalidInput, "not a name for an environment variable").context("name", name)
            );
        }
        command.env(name, OsStr::from_bytes(value.expose()));
    }
    if let Some(directory) = &spec.directory {
        command.current_dir(OsStr::from_bytes(directory));
    }
    let stdin = match spec.stdin {
        Stdin::Empty => Stdio::null(),
        Stdin::Piped => Stdio::piped(),
    };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    Ok(command)
}

#[async_trait]
impl Process for LocalProcess {
    fn stdin(&mut self) -> Option<Writer> {
        Some(Box::new(self.stdin.take()?))
    }

    fn stdout(&mut self) -> Option<Reader> {
        Some(Box::new(self.stdout.take()?))
    }

    async fn wait(&mut self) -> Result<Exit> {
        // A program that reads to the end of its input must see one.
        self.stdin = None;
        let status = match &mut self.stdout {
            None => self.group.exited().await?,
            Some(unread) => {
                let mut nowhere = tokio::io::sink();
                tokio::select! {
                    biased;
                    status = self.group.exited() => status?,
                    // A grandchild may hold the pipe for longer than the program lives, or close it earlier.
                    _ = tokio::io::copy(unread, &mut nowhere) => self.group.exited().await?,
                }
            }
        };
        Ok(Exit { status, stderr_tail: self.stderr.tail().await })
    }

    async fn kill(&mut self) -> Result<()> {
        self.group.kill()?;
        self.group.exited().await.map(drop)
    }
}
