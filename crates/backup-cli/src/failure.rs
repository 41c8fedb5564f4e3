use crate::exit::Exit;
use backup_core::ErrorKind;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a run ends early: what a person reads, and what the shell sees.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What failed, in one line.
    pub(crate) message: String,
    /// Why, each the reason of the one before.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<Cow<'static, str>>,
    /// Nobody reads our output any more: nothing is said.
    pub(crate) silent: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), causes: Vec::new(), hint: None, silent: false }
    }

    /// The command line asks for something that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, message)
    }

    /// Writing what was asked for to standard output failed.
    pub(crate) fn output(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        let failure = Failure::new(Exit::Failed, "cannot write to standard output").cause(&error);
        Failure { silent, ..failure }
    }

    /// A file of ours, or one named on the command line, could not be handled.
    pub(crate) fn file(message: &str, path: &std::path::Path, error: io::Error) -> Self {
        backup_core::Error::io(message.to_owned(), error).context("file", path.display()).into()
    }

    pub(crate) fn cause(mut self, error: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint where the failure is of this kind and has none yet.
    pub(crate) fn hint_on(self, exit: Exit, hint: impl Into<Cow<'static, str>>) -> Self {
        if self.exit == exit && self.hint.is_none() { self.hint(hint) } else { self }
    }
}

impl From<backup_core::Error> for Failure {
    fn from(error: backup_core::Error) -> Self {
        let failure = Failure::new(Exit::from(error.kind()), error.to_string());
        let failure = if error.kind() == ErrorKind::Internal { failure.hint("please report this") } else { failure };
        match StdError::source(&error) {
            Some(cause) => failure.cause(cause),
            None => failure,
        }
    }
}

/// One line: the message, its causes, the hint.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, "; caused by: {cause}"))?;
        self.hint.iter().try_for_each(|hint| write!(f, "; hint: {hint}"))
    }
}
