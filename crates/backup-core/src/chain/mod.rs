//! Chains of connections, and the runner of the grammar that keeps them in order.

mod hop;
mod run;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use hop::Hop;
pub(crate) use run::{ChainRun, Closed};
pub use trace::{Letter, LetterOutcome, Trace, TraceStep};

use crate::Connection;
use std::fmt;
use std::sync::Arc;

/// Connections nested from the outside in, at least one. The innermost is where the driver works.
#[derive(Clone, Debug)]
pub struct Chain {
    outermost: Arc<dyn Connection>,
    inner: Vec<Arc<dyn Connection>>,
}

impl Chain {
    /// A chain of one connection.
    pub fn new(outermost: Arc<dyn Connection>) -> Self {
        Chain { outermost, inner: Vec::new() }
    }

    /// The same chain with one more connection, opened from within all the others.
    #[must_use]
    pub fn then(mut self, innermost: Arc<dyn Connection>) -> Self {
        self.inner.push(innermost);
        self
    }

    /// The connections, outermost first.
    pub fn connections(&self) -> impl Iterator<Item = &Arc<dyn Connection>> {
        std::iter::once(&self.outermost).chain(&self.inner)
    }

    /// How each connection describes itself, outermost first: what a record keeps of a chain.
    pub fn describe(&self) -> Vec<String> {
        self.connections().map(|connection| connection.describe()).collect()
    }

    pub(crate) fn hops(&self) -> Vec<Box<dyn Hop>> {
        self.connections().map(|connection| hop::connection(connection.clone())).collect()
    }
}

impl<C: Connection + 'static> From<C> for Chain {
    fn from(connection: C) -> Self {
        Chain::new(Arc::new(connection))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe().join(" → "))
    }
}

/// Which way the bytes go, which decides the order of the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Towards the driver: `S P R[ … ] C`.
    Inward,
    /// Away from the driver: `S R[ … ] P C`.
    Outward,
    /// Nowhere: `S R[ … ] C`, with an `E` innermost.
    InPlace,
}

impl Direction {
    /// The letters of an undisturbed run over these hops and the driver, for people.
    pub(crate) fn grammar(self, hops: usize) -> String {
        let (open, middle, close) = match self {
            Direction::Inward => ("S P R[", "S P C", "] C"),
            Direction::Outward => ("S R[", "S P C", "] P C"),
            Direction::InPlace => ("S R[", "S E C", "] C"),
        };
        let words = std::iter::repeat_n(open, hops).chain([middle]).chain(std::iter::repeat_n(close, hops));
        words.collect::<Vec<_>>().join(" ")
    }
}

/// The error of a driver that was reached without a connection, which the builders' types rule out.
pub(crate) fn no_session() -> crate::Error {
    crate::Error::new(crate::ErrorKind::Internal, "a driver has no session to work in")
}
