use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of every fallible call of the framework.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is, as far as a caller may want to act on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The thing asked for does not exist.
    NotFound,
    /// A create-only operation found the name taken.
    AlreadyExists,
    /// Permission, key or credential does not allow it.
    AccessDenied,
    /// The caller's input is wrong.
    InvalidInput,
    /// The driver, storage or build cannot do this.
    Unsupported,
    /// Stored data is not what was written.
    Damaged,
    /// Somebody else fenced this session: nothing of it counts any more.
    Fenced,
    /// A storage, cache or target is full.
    NoSpace,
    /// The other side did not answer, or answered that it is busy.
    Unavailable,
    /// A producer (program, dump, capture) failed or ended early.
    ProducerFailed,
    /// Asked to stop.
    Cancelled,
    /// A defect of this software: please report.
    Internal,
    /// Anything else of the operating system or network.
    Io,
}

/// Whether trying the same call again may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call would fail again.
    Never,
    /// Worth another try after a pause.
    Later,
}

/// An error of one word's width: kind, operation, context and source.
///
/// `Display` is one line and never repeats the source; walk [`StdError::source`] for the chain.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that says what failed, for example `"cannot write the object"`.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable => Retry::Later,
            _ => Retry::Never,
        };
        Error(Box::new(Inner { kind, retry, message: message.into(), context: Vec::new(), source: None }))
    }

    /// An operating system error: its kind is derived from `source`.
    pub fn io(message: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        // An error of ours that travelled through an `AsyncRead` comes out as itself.
        match source.downcast::<Error>() {
            Ok(ours) => ours.context("during", message.into().into_owned()),
            Err(source) => Error::new(kind_of(&source), message).source(source),
        }
    }

    /// Adds what it happened on. `value` is escaped so that the message stays one line.
    #[must_use]
    pub fn context(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, one_line(&value.to_string())));
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Overrides the verdict on trying again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same error under another kind, for a caller that knows what the failure means here.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call is worth another try.
    pub fn retry_verdict(&self) -> Retry {
        self.0.retry
    }

    /// What failed and why: the message with those of all causes, in one line.
    pub fn full_message(&self) -> String {
        let mut text = self.to_string();
        let mut source = StdError::source(self);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    }

    /// The context pairs in the order in which they were added.
    pub fn context_pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn kind_of(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Os;
    match error.kind() {
        Os::NotFound => ErrorKind::NotFound,
        Os::AlreadyExists => ErrorKind::AlreadyExists,
        Os::PermissionDenied | Os::ReadOnlyFilesystem => ErrorKind::AccessDenied,
        Os::StorageFull | Os::QuotaExceeded | Os::FileTooLarge => ErrorKind::NoSpace,
        Os::TimedOut | Os::ConnectionRefused | Os::ConnectionReset | Os::ConnectionAborted | Os::BrokenPipe => {
            ErrorKind::Unavailable
        }
        Os::InvalidInput => ErrorKind::InvalidInput,
        Os::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Io,
    }
}

fn one_line(text: &str) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.to_owned() }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (name, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{name} {value}", if i == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.full_message())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

/// So that an error of ours can travel through `AsyncRead`; [`Error::io`] takes it out again.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        std::io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_does_not_repeat_the_source() {
        let error = Error::io("cannot open", std::io::Error::other("disk on fire")).context("file", "a\nb");
        assert_eq!(error.to_string(), "cannot open (file a\\nb)");
        assert_eq!(StdError::source(&error).unwrap().to_string(), "disk on fire");
        assert_eq!(error.full_message(), "cannot open (file a\\nb): disk on fire");
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn survives_a_trip_through_io() {
        let sent = Error::new(ErrorKind::Fenced, "fenced");
        let back = Error::io("cannot read", std::io::Error::from(sent));
        assert_eq!(back.kind(), ErrorKind::Fenced);
        assert_eq!(back.to_string(), "fenced (during cannot read)");
    }
}
