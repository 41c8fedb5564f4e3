use super::cases::cases;
use super::subject::Subject;
use backup_core::{Error, ErrorKind, Result, Session};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A behaviour that every source must show.
pub struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Need,
    pub(super) run: for<'a> fn(&'a Subject, Arc<dyn Session>) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Without what a case says nothing.
pub(super) enum Need {
    Nothing,
    /// Content may be left unwanted.
    Choice,
    /// The subject has a place to restore into.
    Target,
}

/// What came of a case.
#[derive(Debug)]
pub enum Verdict {
    /// The source does it.
    Passed,
    /// The caller did not give what it takes; the reason.
    NotApplicable(&'static str),
    /// The source does not do it, or a call failed.
    Failed(Error),
}

impl Case {
    /// The behaviour as a name, for example `order_is_canonical`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why this case says nothing about this source, if so.
    pub fn not_applicable(&self, subject: &Subject) -> Option<&'static str> {
        match self.needs {
            Need::Target if subject.target.is_none() => Some("the source was given no place to restore into"),
            Need::Choice if !subject.choosy => Some("all content of this source must be wanted every time"),
            _ => None,
        }
    }

    /// Opens the connection, runs the case and closes.
    pub async fn run(&self, subject: &Subject) -> Verdict {
        if let Some(reason) = self.not_applicable(subject) {
            return Verdict::NotApplicable(reason);
        }
        let result = async {
            let session = subject.open().await?;
            let result = (self.run)(subject, session.clone()).await;
            result.and(session.clean().await)
        };
        match result.await {
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

/// The source broke its contract.
pub(super) fn broken(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

/// Ends a case with an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::sources::case::broken(format!($($message)+)));
        }
    };
}
pub(super) use ensure;
