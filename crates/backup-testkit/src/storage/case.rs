use super::{Subject, cases};
use crate::suite::{self, Running, Tested};
use async_trait::async_trait;
use backup_core::Result;

/// A behaviour that every storage must show.
pub type Case = suite::Case<Subject>;

pub enum Need {
    Nothing,
    CreateOnly,
    PromptListing,
    Canary,
}

#[async_trait]
impl Tested for Subject {
    type Need = Need;
    type Run = for<'a> fn(&'a Subject) -> Running<'a>;

    fn cases() -> &'static [Case] {
        cases()
    }

    fn lacks(&self, need: &Need) -> Option<&'static str> {
        let capabilities = self.storage.capabilities();
        match need {
            Need::CreateOnly if !capabilities.create_only => Some("create-only puts may have several winners here"),
            Need::PromptListing if capabilities.list_lag.is_some() => Some("listings may lag here"),
            Need::Canary if self.canary.is_none() => Some("this storage was set up without a secret"),
            _ => None,
        }
    }

    /// Below a prefix of its own.
    async fn try_case(&self, name: &'static str, run: Self::Run) -> Result<()> {
        let subject = self.below(name);
        let result = run(&subject).await;
        result.and(subject.clean().await)
    }
}
