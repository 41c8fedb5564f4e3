use backup_core::{Connection, Reach, Result, Session};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// A connection under test and where at its end the cases may write.
#[derive(Clone)]
pub struct Subject {
    connections: Vec<Arc<dyn Connection>>,
    pub(super) folder: Vec<u8>,
    pub(super) way_back: Option<String>,
    pub(super) this_host: bool,
    pub(super) patience: Duration,
}

impl Subject {
    /// Cases make folders of their own below `folder`, a path at the place.
    pub fn new(connection: Arc<dyn Connection>, folder: impl Into<Vec<u8>>) -> Self {
        Subject {
            connections: vec![connection],
            folder: folder.into(),
            way_back: None,
            this_host: false,
            patience: PATIENCE,
        }
    }

    /// Opens the connection from within this one instead of directly. Called again, further outside.
    #[must_use]
    pub fn from_within(mut self, outer: Arc<dyn Connection>) -> Self {
        self.connections.insert(0, outer);
        self
    }

    /// The host name or address under which the place reaches listeners of this process on all interfaces.
    #[must_use]
    pub fn with_way_back(mut self, host: impl Into<String>) -> Self {
        self.way_back = Some(host.into());
        self
    }

    /// How long a case may take before it counts as hanging (2 minutes).
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Says that the place is this host: its sessions must say so too.
    #[must_use]
    pub fn on_this_host(mut self) -> Self {
        self.this_host = true;
        self.with_way_back("127.0.0.1")
    }

    pub(super) fn reach(&self) -> Reach {
        if self.this_host { Reach::ThisHost } else { Reach::Remote }
    }

    /// The open sessions, outermost first; the last is the one under test.
    pub(super) async fn open(&self) -> Result<Vec<Arc<dyn Session>>> {
        let mut sessions: Vec<Arc<dyn Session>> = Vec::new();
        for connection in &self.connections {
            sessions.push(connection.setup(sessions.last().cloned()).await?);
        }
        Ok(sessions)
    }
}

impl Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("connections", &self.connections).finish_non_exhaustive()
    }
}
