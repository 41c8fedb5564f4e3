use super::cases::cases;
use super::subject::Subject;
use backup_core::{Error, ErrorKind, Result};
use std::future::Future;
use std::pin::Pin;

/// A behaviour that every storage must show.
pub struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Need,
    pub(super) run: for<'a> fn(&'a Subject) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Without what a case says nothing.
pub(super) enum Need {
    Nothing,
    CreateOnly,
    PromptListing,
    Canary,
}

/// What came of a case.
#[derive(Debug)]
pub enum Verdict {
    /// The storage does it.
    Passed,
    /// The storage says that it cannot do this, or the caller did not give what it takes; the reason.
    NotApplicable(&'static str),
    /// The storage does not do it, or a call failed, or the case could not clean up.
    Failed(Error),
}

impl Case {
    /// The behaviour as a name, for example `create_has_one_winner`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why this case says nothing about this storage, if so.
    pub fn not_applicable(&self, subject: &Subject) -> Option<&'static str> {
        let capabilities = subject.storage.capabilities();
        match self.needs {
            Need::CreateOnly if !capabilities.create_only => Some("create-only puts may have several winners here"),
            Need::PromptListing if capabilities.list_lag.is_some() => Some("listings may lag here"),
            Need::Canary if subject.canary.is_none() => Some("this storage was set up without a secret"),
            _ => None,
        }
    }

    /// Runs it below a prefix of its own and deletes what it wrote.
    pub async fn run(&self, subject: &Subject) -> Verdict {
        if let Some(reason) = self.not_applicable(subject) {
            return Verdict::NotApplicable(reason);
        }
        let subject = subject.below(self.name);
        let result = (self.run)(&subject).await;
        let cleaned = subject.clean().await;
        match result.and(cleaned) {
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

/// The storage broke its contract.
pub(super) fn broken(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

/// Ends a case with an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::storage::case::broken(format!($($message)+)));
        }
    };
}
pub(super) use ensure;
