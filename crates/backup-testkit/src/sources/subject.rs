use backup_core::{Connection, Result, Session, SourceDriver, TreePath};
use std::fmt::{self, Debug};
use std::sync::Arc;

/// A source under test. It must not change while the suite runs, and have content to fetch in several entries for all
/// cases to say something.
#[derive(Clone)]
pub struct Subject {
    connection: Arc<dyn Connection>,
    pub(super) source: Arc<dyn SourceDriver>,
    pub(super) target: Option<MakeTarget>,
    pub(super) choosy: bool,
}

type MakeTarget = Arc<dyn Fn() -> Result<Target> + Send + Sync>;

/// An empty place to restore into, and how what was restored is seen there.
#[derive(Clone, Debug)]
pub struct Target {
    /// Restores into the place.
    pub restore: Arc<dyn SourceDriver>,
    /// Captures what is in the place.
    pub capture: Arc<dyn SourceDriver>,
    /// Where in the source's tree stands what the restore puts into the place.
    pub from: TreePath,
    /// Where that stands when the place is captured.
    pub to: TreePath,
}

impl Subject {
    /// A source at the end of a connection.
    pub fn new(connection: Arc<dyn Connection>, source: Arc<dyn SourceDriver>) -> Self {
        Subject { connection, source, target: None, choosy: true }
    }

    /// Adds what is needed to restore: each call of `make` gives a new empty place.
    #[must_use]
    pub fn with_target(mut self, make: impl Fn() -> Result<Target> + Send + Sync + 'static) -> Self {
        self.target = Some(Arc::new(make));
        self
    }

    /// Says that all content of this source must be wanted every time: nobody can tell whether it has changed.
    #[must_use]
    pub fn always_wanted(mut self) -> Self {
        self.choosy = false;
        self
    }

    pub(super) async fn open(&self) -> Result<Arc<dyn Session>> {
        self.connection.setup(None).await
    }
}

impl Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("source", &self.source).finish_non_exhaustive()
    }
}
