//! The output of a program as one entry of kind [`EntryKind::Stream`](backup_core::EntryKind::Stream).

mod capture;
mod restore;

use async_trait::async_trait;
use backup_core::{
    Capture, CommandSpec, Component, Entry, EntryKind, Error, ErrorKind, ExitStatus, Observer, Restore, Result,
    Session, SourceDescription, SourceDriver, TreePath, Writer,
};
use restore::Target;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The registry's word for this driver.
pub(crate) const KIND: &str = "command";

/// A program's output as a source, or the place such an output goes back to.
///
/// A capture starts the program, stores its standard output as one entry under the name given, and counts only when
/// the program ends by itself with status 0. Recorded are the entry's name and the program's, never its arguments or
/// environment.
#[derive(Clone, Debug)]
pub struct CommandOutput(Role);

#[derive(Clone, Debug)]
enum Role {
    Capture { path: TreePath, program: CommandSpec },
    Restore(Target),
}

/// Where the output of a program goes back to.
#[non_exhaustive]
pub enum Into {
    /// A file of the entry's name in this directory, mode 0600; one that is there already is left alone, and the entry
    /// counts as failed.
    Directory(Vec<u8>),
    /// The same, replacing what is there.
    DirectoryReplacing(Vec<u8>),
    /// The standard input of this program, which must read it to its end and then end with status 0. Its output is
    /// thrown away.
    Program(CommandSpec),
    /// A writer, for one restore. What it got stays there when the restore fails midway.
    Writer(Writer),
}

impl fmt::Debug for Into {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Into::Directory(path) | Into::DirectoryReplacing(path) => {
                write!(f, "Directory({})", String::from_utf8_lossy(path))
            }
            Into::Program(command) => write!(f, "Program({})", program_name(command)),
            Into::Writer(_) => f.write_str("Writer"),
        }
    }
}

impl CommandOutput {
    /// The output of a program as the entry `name`.
    ///
    /// # Errors
    /// `InvalidInput` when the name could not be a file's: empty, `.`, `..`, with a slash or a zero byte, or longer
    /// than 255 bytes.
    pub fn capture(name: impl AsRef<[u8]>, program: CommandSpec) -> Result<Self> {
        let name = name.as_ref();
        if !is_file_name(name) {
            return Err(Error::new(ErrorKind::InvalidInput, "not a name for a program's output")
                .context("name", String::from_utf8_lossy(name)));
        }
        let path = TreePath::from_components([name])?;
        Ok(CommandOutput(Role::Capture { path, program }))
    }

    /// A driver that brings captured output back.
    pub fn restore(into: Into) -> Self {
        CommandOutput(Role::Restore(match into {
            Into::Directory(path) => Target::Directory { path, replace: false },
            Into::DirectoryReplacing(path) => Target::Directory { path, replace: true },
            Into::Program(program) => Target::Program(program),
            Into::Writer(writer) => Target::Writer(Arc::new(Mutex::new(Some(writer)))),
        }))
    }
}

#[async_trait]
impl SourceDriver for CommandOutput {
    fn describe(&self) -> SourceDescription {
        let mut description = SourceDescription::new(KIND);
        if let Role::Capture { path, program } = &self.0 {
            description.roots.push(path.clone());
            description.options.insert("program".into(), program_name(program));
        }
        description
    }

    async fn probe(&self, at: &dyn Session) -> Result<Vec<String>> {
        let program = match &self.0 {
            Role::Capture { program, .. } | Role::Restore(Target::Program(program)) => program,
            Role::Restore(_) => return Ok(Vec::new()),
        };
        let look = CommandSpec::new("sh").arg("-c").arg("command -v -- \"$1\"").arg("sh").arg(program.program.clone());
        let mut look = at.run(look).await?;
        let found = look.wait().await?.status == ExitStatus::Code(0);
        Ok(if found { Vec::new() } else { vec![format!("there is no program {}", program_name(program))] })
    }

    async fn capture(&self, at: Arc<dyn Session>, observer: Arc<dyn Observer>) -> Result<Box<dyn Capture>> {
        match &self.0 {
            Role::Capture { path, program } => {
                let entry = Entry::new(path.clone(), EntryKind::Stream);
                Ok(Box::new(capture::OutputCapture::start(at.as_ref(), program, entry, observer).await?))
            }
            Role::Restore(_) => {
                Err(Error::new(ErrorKind::Unsupported, "this driver was made to restore, not to capture"))
            }
        }
    }

    async fn restore(
        &self,
        at: Arc<dyn Session>,
        component: &Component,
        observer: Arc<dyn Observer>,
    ) -> Result<Box<dyn Restore>> {
        let kind = &component.spec.source.kind;
        if kind != KIND {
            return Err(
                Error::new(ErrorKind::Unsupported, "this component is no program's output").context("kind", kind)
            );
        }
        match &self.0 {
            Role::Restore(target) => Ok(Box::new(restore::OutputRestore::new(at, target.clone(), observer))),
            Role::Capture { .. } => {
                Err(Error::new(ErrorKind::Unsupported, "this driver was made to capture, not to restore"))
            }
        }
    }
}

fn program_name(program: &CommandSpec) -> String {
    String::from_utf8_lossy(&program.program).into_owned()
}

/// Whether a name may stand alone in a directory.
fn is_file_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= 255 && !name.contains(&b'/') && !name.contains(&0)
}

/// The error of a program that did not end well. Values of its environment that it repeats on its standard error are
/// struck out.
fn producer_failed(program: &CommandSpec, exit: &backup_core::Exit) -> Error {
    let mut stderr = exit.stderr_tail.clone();
    for (_, value) in &program.environment {
        if let Ok(value) = value.expose_str()
            && !value.is_empty()
        {
            stderr = stderr.replace(value, "…");
        }
    }
    let error = Error::new(ErrorKind::ProducerFailed, "a program failed")
        .context("program", program_name(program))
        .context("ended with", exit.status);
    if stderr.is_empty() { error } else { error.context("standard error", stderr) }
}
