use crate::TreePath;
use std::fmt::Debug;

/// Something that happened during long work.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Event {
    /// A stage of the work began (`"scanning"`, `"writing"`).
    Stage(&'static str),
    /// So much was found so far; `done` once nothing more can come.
    Found {
        /// Files.
        files: u64,
        /// Bytes of content.
        bytes: u64,
        /// Whether these are the final numbers.
        done: bool,
    },
    /// So much more was handled.
    Progress {
        /// Files.
        files: u64,
        /// Bytes of content.
        bytes: u64,
    },
    /// An entry could not be handled.
    Failed {
        /// Which.
        path: TreePath,
        /// Why.
        reason: String,
    },
    /// Something a person should know.
    Warning(String),
}

/// Whoever wants to know how long work goes. Called from any thread; must return quickly.
pub trait Observer: Debug + Send + Sync {
    /// Takes an event.
    fn event(&self, event: Event);
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}
