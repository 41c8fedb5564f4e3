mod file;
mod forward;
mod group;
mod process;
mod session;
mod stderr;

use async_trait::async_trait;
use backup_core::{Connection, Error, ErrorKind, Result, Session};
use session::LocalSession;
use std::sync::Arc;

/// This host: the outermost hop of every chain.
///
/// Programs run as this user, each in a process group of its own, which ends with the [`Process`](backup_core::Process)
/// that stands for it. What leaves its group by itself (`setsid`) is out of reach.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Local {
    /// This host.
    pub fn new() -> Self {
        Local
    }
}

#[async_trait]
impl Connection for Local {
    fn describe(&self) -> String {
        "local".into()
    }

    async fn setup(&self, outer: Option<Arc<dyn Session>>) -> Result<Arc<dyn Session>> {
        match outer {
            None => Ok(Arc::new(LocalSession::default())),
            Some(_) => Err(Error::new(ErrorKind::InvalidInput, "this host can only be the outermost hop of a chain")),
        }
    }
}
