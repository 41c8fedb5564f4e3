//! What the suites share: cases with names, and what comes of them.

#[cfg(feature = "harness")]
pub(crate) mod harness;

use async_trait::async_trait;
use backup_core::{Error, ErrorKind, Result};
use std::pin::Pin;

/// A behaviour that everything of a kind must show.
pub struct Case<S: Tested> {
    pub(crate) name: &'static str,
    pub(crate) needs: S::Need,
    pub(crate) run: S::Run,
}

pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something under test.
#[async_trait]
pub trait Tested: Clone + Send + Sync + 'static {
    /// Without what a case says nothing.
    type Need: Send + Sync;
    /// A case as a function.
    type Run: Copy + Send + Sync;

    /// Every behaviour, in an order from simple to strange.
    fn cases() -> &'static [Case<Self>];

    /// Why a case that needs this says nothing here, if so.
    fn lacks(&self, need: &Self::Need) -> Option<&'static str>;

    /// Runs a case of this name where it meets no other, and cleans up behind it.
    ///
    /// # Errors
    /// What the case found, or that it could not clean up.
    async fn try_case(&self, name: &'static str, run: Self::Run) -> Result<()>;
}

/// What came of a case.
#[derive(Debug)]
pub enum Verdict {
    /// It is as it must be.
    Passed,
    /// What is tested says that it cannot do this, or the caller did not give what it takes; the reason.
    NotApplicable(&'static str),
    /// It is not, or a call failed, or the case could not clean up.
    Failed(Error),
}

impl<S: Tested> Case<S> {
    /// The behaviour as a name, for example `create_has_one_winner`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why this case says nothing about this subject, if so.
    pub fn not_applicable(&self, subject: &S) -> Option<&'static str> {
        subject.lacks(&self.needs)
    }

    /// Runs it and cleans up behind it.
    pub async fn run(&self, subject: &S) -> Verdict {
        if let Some(reason) = self.not_applicable(subject) {
            return Verdict::NotApplicable(reason);
        }
        match subject.try_case(self.name, self.run).await {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed(error.context("case", self.name)),
        }
    }
}

/// Runs every case, one after the other.
pub async fn run_all<S: Tested>(subject: &S) -> Vec<(&'static str, Verdict)> {
    let mut verdicts = Vec::new();
    for case in S::cases() {
        verdicts.push((case.name, case.run(subject).await));
    }
    verdicts
}

/// A contract was broken.
pub(crate) fn broken(what: String) -> Error {
    Error::new(ErrorKind::Damaged, what)
}

/// A call has failed with this kind of error.
pub(crate) fn expect_kind<T>(kind: ErrorKind, what: &str, result: Result<T>) -> Result<()> {
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
            return Err($crate::suite::broken(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;
