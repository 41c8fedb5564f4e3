use super::alive::SessionFile;
use super::clock::Awake;
use super::failure::Failure;
use super::id::new_id;
use super::objects::SessionInfo;
use super::renew::renew;
use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
use crate::protocol::{Lease, Renewal};
use crate::repository::Inner;
use backup_core::Result;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::task::JoinHandle;

/// The folder in which sessions of this machine say that they live; none without a cache.
pub(crate) fn files(inner: &Inner) -> Option<PathBuf> {
    Some(inner.cache_dir()?.join("sessions"))
}

/// What goes on beside a session's work: a file says on this machine that the session lives, and its lease is renewed.
pub(crate) struct Upkeep {
    pub(crate) id: SessionId,
    pub(crate) info: SessionInfo,
    pub(crate) failure: Arc<Failure>,
    renewal: Option<JoinHandle<()>>,
    file: Mutex<Option<SessionFile>>,
}

impl Upkeep {
    /// The names under which prunes and repairs run.
    pub(crate) const NAMES: [&str; 2] = [Upkeep::PRUNE, Upkeep::REPAIR];
    pub(crate) const PRUNE: &str = "prune";
    pub(crate) const REPAIR: &str = "repair";

    /// Of a session that is about to begin.
    pub(crate) fn new(inner: &Inner, name: &str, host: &str) -> Result<Self> {
        let info = SessionInfo {
            name: name.to_owned(),
            host: host.to_owned(),
            domain: inner.domain,
            time: to_ms(SystemTime::now()),
            adopts: Vec::new(),
        };
        let id = new_id(inner, name)?;
        Ok(Upkeep { id, info, failure: Arc::default(), renewal: None, file: Mutex::default() })
    }

    /// The session's start is created next. Gives the folder in which it says so; none where that cannot be said.
    pub(crate) fn announce(&self, inner: &Inner) -> Option<PathBuf> {
        let folder = files(inner)?;
        *self.file() = Some(SessionFile::create(&folder, self.id)?);
        Some(folder)
    }

    fn file(&self) -> MutexGuard<'_, Option<SessionFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's start was created; it was sent at `sent`.
    pub(crate) fn keep(&mut self, inner: &Arc<Inner>, sent: Awake) {
        let renewal = Renewal::new(self.id, Lease::STANDARD);
        let work = renew(inner.clone(), self.info.clone(), renewal, sent, self.failure.clone());
        self.renewal = Some(tokio::spawn(work));
    }

    /// Whether the session may go on.
    ///
    /// # Errors
    /// `Fenced` when it may have been ended by somebody else.
    pub(crate) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    /// The session is over.
    pub(crate) fn over(&self) {
        self.file().take().into_iter().for_each(SessionFile::remove);
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}
