use super::{Subject, cases};
use crate::suite::{self, Running, Tested};
use async_trait::async_trait;
use backup_core::{Result, Session};
use std::sync::Arc;

/// A behaviour that every source must show.
pub type Case = suite::Case<Subject>;

pub enum Need {
    Nothing,
    /// Content may be left unwanted.
    Choice,
    /// The subject has a place to restore into.
    Target,
}

#[async_trait]
impl Tested for Subject {
    type Need = Need;
    type Run = for<'a> fn(&'a Subject, Arc<dyn Session>) -> Running<'a>;

    fn cases() -> &'static [Case] {
        cases()
    }

    fn lacks(&self, need: &Need) -> Option<&'static str> {
        match need {
            Need::Target if self.target.is_none() => Some("the source was given no place to restore into"),
            Need::Choice if !self.choosy => Some("all content of this source must be wanted every time"),
            _ => None,
        }
    }

    /// Over a connection of its own.
    async fn try_case(&self, _: &'static str, run: Self::Run) -> Result<()> {
        let session = self.open().await?;
        let result = run(self, session.clone()).await;
        result.and(session.clean().await)
    }
}
