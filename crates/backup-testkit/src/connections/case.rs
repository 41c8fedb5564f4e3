use super::cases::cases;
use super::place::Place;
use super::subject::Subject;
use backup_core::{Error, ErrorKind, Result};
use std::future::Future;
use std::pin::Pin;

/// A behaviour that every connection must show.
pub struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Need,
    pub(super) run: for<'a> fn(&'a Place) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Without what a case says nothing.
pub(super) enum Need {
    Nothing,
    /// The place can reach this process by TCP.
    WayBack,
    /// The place is this host.
    ThisHost,
}

/// What came of a case.
#[derive(Debug)]
pub enum Verdict {
    /// The connection does it.
    Passed,
    /// The caller did not give what it takes; the reason.
    NotApplicable(&'static str),
    /// The connection does not do it, or a call failed, or the case could not clean up.
    Failed(Error),
}

impl Case {
    /// The behaviour as a name, for example `signals_are_no_exit_codes`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why this case says nothing about this connection, if so.
    pub fn not_applicable(&self, subject: &Subject) -> Option<&'static str> {
        match self.needs {
            Need::WayBack if subject.way_back.is_none() => Some("the place was given no way to this process"),
            Need::ThisHost if !subject.this_host => Some("the place is not this host"),
            _ => None,
        }
    }

    /// Opens the connection, runs the case in a folder of its own, removes the folder and closes.
    pub async fn run(&self, subject: &Subject) -> Verdict {
        if let Some(reason) = self.not_applicable(subject) {
            return Verdict::NotApplicable(reason);
        }
        let result = async {
            let place = Place::open(subject, self.name).await?;
            let result = (self.run)(&place).await;
            result.and(place.close(subject).await)
        };
        let hangs = |_| Err(broken(format!("it is not over after {:?}", subject.patience)));
        match tokio::time::timeout(subject.patience, result).await.unwrap_or_else(hangs) {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed(error.context("case", self.name)),
        }
    }
}

/// Runs every case, one after the other.
pub async fn run_all(subject: &Subject) -> Vec<(&'static str, Verdict)> {
    let mut verdicts = Vec::new();
    for case in cases() {
        verdicts.push((case.name, case.run(subject).await));
    }
    verdicts
}

/// The connection broke its contract.
pub(super) fn broken(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

/// A call has failed with this kind of error.
pub(super) fn expect_kind<T>(kind: ErrorKind, what: &str, result: Result<T>) -> Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(broken(format!("{what} gave {:?} instead of {kind:?}", error.kind())).source(error)),
        Ok(_) => Err(broken(format!("{what} succeeded, {kind:?} was expected"))),
    }
}

/// Ends a case with an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::connections::case::broken(format!($($message)+)));
        }
    };
}
pub(super) use ensure;
