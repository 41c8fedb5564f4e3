use super::place::Place;
use super::{Subject, cases};
use crate::suite::{self, Running, Tested, broken};
use async_trait::async_trait;
use backup_core::Result;

/// A behaviour that every connection must show.
pub type Case = suite::Case<Subject>;

pub enum Need {
    Nothing,
    /// The place can reach this process by TCP.
    WayBack,
    /// The place is this host.
    ThisHost,
}

#[async_trait]
impl Tested for Subject {
    type Need = Need;
    type Run = for<'a> fn(&'a Place) -> Running<'a>;

    fn cases() -> &'static [Case] {
        cases()
    }

    fn lacks(&self, need: &Need) -> Option<&'static str> {
        match need {
            Need::WayBack if self.way_back.is_none() => Some("the place was given no way to this process"),
            Need::ThisHost if !self.this_host => Some("the place is not this host"),
            _ => None,
        }
    }

    /// In a folder of its own, over a connection of its own.
    async fn try_case(&self, name: &'static str, run: Self::Run) -> Result<()> {
        let result = async {
            let place = Place::open(self, name).await?;
            let result = run(&place).await;
            result.and(place.close(self).await)
        };
        let hangs = |_| Err(broken(format!("it is not over after {:?}", self.patience)));
        tokio::time::timeout(self.patience, result).await.unwrap_or_else(hangs)
    }
}
