use crate::{Connection, Result, Session};
use async_trait::async_trait;
use std::sync::Arc;

/// What the letters of one hop do. The runner calls `setup` first, `pass` at most once, and `clean` exactly once if
/// and only if `setup` succeeded.
#[async_trait]
pub(crate) trait Hop: Send {
    /// The hop's name in the trace.
    fn name(&self) -> String;

    /// S: opens the hop from within `outer`. A driver's hop gives no session.
    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>>;

    /// P, or E for a driver in place.
    async fn pass(&mut self) -> Result<()>;

    /// C.
    async fn clean(&mut self) -> Result<()>;
}

/// A connection as a hop.
pub(crate) fn connection(connection: Arc<dyn Connection>) -> Box<dyn Hop> {
    Box::new(ConnectionHop { connection, session: None })
}

struct ConnectionHop {
    connection: Arc<dyn Connection>,
    session: Option<Arc<dyn Session>>,
}

#[async_trait]
impl Hop for ConnectionHop {
    fn name(&self) -> String {
        self.connection.describe()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        self.session = Some(self.connection.setup(outer).await?);
        Ok(self.session.clone())
    }

    /// Nothing is staged at a connection: its streams belong to the programs that the driver runs, and the driver has
    /// checked their exit status and end markers by now. The runner still refuses to go on here once asked to stop.
    async fn pass(&mut self) -> Result<()> {
        Ok(())
    }

    async fn clean(&mut self) -> Result<()> {
        match self.session.take() {
            Some(session) => session.clean().await,
            None => Ok(()),
        }
    }
}
