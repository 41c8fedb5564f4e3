use crate::chain::Hop;
use crate::{Chain, Destination, Result, Session};
use async_trait::async_trait;
use std::fmt::Debug;
use std::sync::Arc;

/// One destination of a push, with the name that plans and reports use for it.
#[derive(Clone, Debug)]
pub struct Target {
    label: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Open(Arc<dyn Destination>),
    At(Chain, Arc<dyn OpenDestination>),
}

/// Opens a destination whose storage lies at the end of a chain.
#[async_trait]
pub trait OpenDestination: Debug + Send + Sync {
    /// Opens it from within a session, which lives until the push is over.
    ///
    /// # Errors
    /// `AccessDenied`, `NotFound`, `Unavailable`.
    async fn open(&self, at: Arc<dyn Session>) -> Result<Arc<dyn Destination>>;
}

impl Target {
    /// A destination that is open already. The label is its location without secrets.
    pub fn new(label: impl Into<String>, destination: Arc<dyn Destination>) -> Self {
        Target { label: label.into(), place: Place::Open(destination) }
    }

    /// A destination that is opened at the end of a chain when the push runs.
    pub fn at(label: impl Into<String>, chain: impl Into<Chain>, opener: Arc<dyn OpenDestination>) -> Self {
        Target { label: label.into(), place: Place::At(chain.into(), opener) }
    }

    /// The label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The chain to it; none when it was given open.
    pub fn chain(&self) -> Option<&Chain> {
        match &self.place {
            Place::Open(_) => None,
            Place::At(chain, _) => Some(chain),
        }
    }

    pub(crate) fn hops(&self) -> Vec<Box<dyn Hop>> {
        self.chain().map(Chain::hops).unwrap_or_default()
    }

    pub(crate) async fn open(&self, at: Option<Arc<dyn Session>>) -> Result<Arc<dyn Destination>> {
        match (&self.place, at) {
            (Place::Open(destination), _) => Ok(destination.clone()),
            (Place::At(_, opener), Some(at)) => opener.open(at).await,
            (Place::At(..), None) => Err(crate::chain::no_session()),
        }
    }
}
