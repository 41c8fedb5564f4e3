//! The output of a program as one entry of kind [`EntryKind::Stream`](backup_core::EntryKind::Stream).

mod action;
mod capture;
mod restore;

pub use action::RunProgram;

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
///
/// ```
/// # #[cfg(feature = "local")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> backup_core::Result<()> {
/// use backup_core::{CommandSpec, Pull, Push, Source, Spec, Target};
/// use backup_drivers::{CommandOutput, Local, OutputTarget};
/// # use backup_testkit::destination::MemoryDestination;
/// # use std::sync::Arc;
/// # let folder = tempfile::tempdir().unwrap();
/// # let repository = Arc::new(MemoryDestination::new());
///
/// let dump = CommandOutput::capture("hello.txt", CommandSpec::new("echo").arg("hello"))?;
/// let push = Push::new()
///     .capture(Source::new(Arc::new(dump), Local::new()))
///     .to(Target::new("the repository", repository.clone()))
///     .spec(Spec::new("greetings", "this-host"));
/// assert_eq!(
///     push.plan()?.to_string(),
///     "push greetings from host this-host\n  1. capture command at local · S R[ S P C ] P C\n  => store the repository · S P C"
/// );
/// let report = push.run().await?;
/// let (_, backup) = report.committed().next().unwrap();
///
/// let into = OutputTarget::Directory(folder.path().as_os_str().as_encoded_bytes().to_vec());
/// let driver = Arc::new(CommandOutput::restore(into));
/// Pull::new().from(repository, backup.summary.id.clone()).with(driver, Local::new()).run().await?;
/// assert_eq!(std::fs::read(folder.path().join("hello.txt")).unwrap(), b"hello\n");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "local"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct CommandOutput(Role);

#[derive(Clone, Debug)]
enum Role {
    Capture { path: TreePath, program: CommandSpec },
    Restore(Target),
}

/// Where the output of a program goes back to.
#[non_exhaustive]
pub enum OutputTarget {
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

impl fmt::Debug for OutputTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputTarget::Directory(path) | OutputTarget::DirectoryReplacing(path) => {
                write!(f, "Directory({})", String::from_utf8_lossy(path))
            }
            OutputTarget::Program(command) => write!(f, "Program({})", program_name(command)),
            OutputTarget::Writer(_) => f.write_str("Writer"),
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
    pub fn restore(into: OutputTarget) -> Self {
        CommandOutput(Role::Restore(match into {
            OutputTarget::Directory(path) => Target::Directory { path, replace: false },
            OutputTarget::DirectoryReplacing(path) => Target::Directory { path, replace: true },
            OutputTarget::Program(program) => Target::Program(program),
            OutputTarget::Writer(writer) => Target::Writer(Arc::new(Mutex::new(Some(writer)))),
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
