use super::alive::SessionFile;
use super::clock::Awake;
use super::id::new_id;
use super::objects::SessionInfo;
use super::renew::renew;
use crate::format::ids::SessionId;
use crate::format::snapshot::to_ms;
use crate::protocol::{Lease, Renewal};
use crate::push::Failure;
use crate::repository::Inner;
use backup_core::Result;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::task::JoinHandle;

/// The folder in which sessions of this machine say that they live; none without a cache.
pub(crate) fn files(inner: &Inner) -> Option<PathBuf> {
    Some(inner.cache_dir()?.join("sessions"))
}

/// What goes on beside an owner's work: a file says on this machine that the session lives, and its lease is renewed.
pub(crate) struct Upkeep {
    pub(crate) id: SessionId,
    pub(crate) info: SessionInfo,
    failure: Arc<Failure>,
    renewal: Option<JoinHandle<()>>,
    file: Option<SessionFile>,
}

impl Upkeep {
    /// The names under which prunes and repairs run.
    pub(crate) const NAMES: [&str; 2] = [Upkeep::PRUNE, Upkeep::REPAIR];
    pub(crate) const PRUNE: &str = "prune";
    pub(crate) const REPAIR: &str = "repair";

    /// Of a session that is about to begin.
    pub(crate) fn new(inner: &Inner, name: &str) -> Result<Self> {
        let info = SessionInfo {
            name: name.to_owned(),
            host: String::new(),
            domain: inner.domain,
            time: to_ms(SystemTime::now()),
            adopts: Vec::new(),
        };
        let id = new_id(inner, name)?;
        Ok(Upkeep { id, info, failure: Arc::default(), renewal: None, file: None })
    }

    /// The session's start is created next.
    pub(crate) fn announce(&mut self, inner: &Inner) {
        self.file = files(inner).and_then(|folder| SessionFile::create(&folder, self.id));
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
    pub(crate) fn over(&mut self) {
        self.file.take().into_iter().for_each(SessionFile::remove);
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}
