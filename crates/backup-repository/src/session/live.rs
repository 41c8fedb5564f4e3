use super::adopt::{Adopted, Predecessors, packs_in_no_run};
use super::clock::Awake;
use super::failure::Failure;
use super::objects::{create, create_record, is_valid, session_of_void};
use super::records::condemned;
use super::upkeep::Upkeep;
use crate::format::ids::{Kind, PackName, RunName, SessionId};
use crate::format::record::RecordKind;
use crate::format::snapshot::snapshot_key;
use crate::index::IndexSet;
use crate::protocol::{Object, Occupant, Outcome, PackId, RunId, Writer, WriterTask};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result, StorageExt};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who hands out the names of packs and is told what came of them.
pub(crate) trait Names: Send + Sync {
    fn begin_pack(&self) -> Result<PackName>;
    fn pack_stored(&self, pack: PackName, outcome: Outcome) -> Result<()>;
}

/// A session that writes: its machine, and what goes on beside it.
pub(crate) struct LiveSession {
    inner: Arc<Inner>,
    upkeep: Upkeep,
    writer: Mutex<Writer>,
    /// Names of the condemned records that were listed, and the packs that they name.
    records: Vec<SessionId>,
    condemned: HashSet<PackName>,
}

impl LiveSession {
    /// Starts a session, ends those of its series that died on this machine, and lists what is condemned and void: then
    /// the index may be opened, and [`LiveSession::adopt`] comes before the first pack. A session that may have been
    /// fenced meanwhile says so in [`LiveSession::failure`].
    ///
    /// # Errors
    /// What the storage said; `Damaged` for records that cannot be read.
    pub(crate) async fn start(inner: Arc<Inner>, name: &str, host: &str) -> Result<LiveSession> {
        let upkeep = Upkeep::new(&inner, name, host)?;
        // Without a file of its own it takes nothing over: if it died, nobody would know of it. And where a create may
        // have two winners, nobody is fenced unless a person says so.
        let mut dead = match upkeep.announce(&inner).filter(|_| inner.may_fence()) {
            Some(folder) => Predecessors::find(&inner, &folder, upkeep.id.series()).await?,
            None => Predecessors::default(),
        };
        let sent = Awake::now();
        let mut session = LiveSession {
            writer: Mutex::new(Writer::resume(upkeep.id, dead.sessions.clone())),
            records: Vec::new(),
            condemned: HashSet::new(),
            upkeep,
            inner: inner.clone(),
        };
        loop {
            let task = session.writer().next()?;
            match task {
                WriterTask::Create(object) => {
                    let outcome = create(&inner, &object, &session.upkeep.info).await?;
                    session.writer().created(outcome)?;
                    if matches!(object, Object::Start { .. }) {
                        dead.are_still_open(&inner).await?;
                    }
                }
                WriterTask::ListRuns(dead) => {
                    let listed = inner.storage.list_all(&RunName::prefix(&dead)).await?;
                    let runs = listed.iter().filter_map(|(key, _)| RunName::from_key(key)).map(RunId::from);
                    session.writer().adopted_runs(runs)?;
                }
                WriterTask::ListCondemned => {
                    dead.are_over();
                    let records = condemned(&inner, Duration::MAX, None).await?;
                    session.writer().condemned(&records)?;
                    session.records = records.iter().map(|record| record.name).collect();
                    let names = records.iter().filter_map(|record| record.names.as_ref());
                    session.condemned =
                        names.flat_map(|names| names.packs.iter().map(|pack| PackName::from(*pack))).collect();
                }
                WriterTask::ListIndex => {
                    let void = voided(&inner).await?;
                    session.writer().indexed(void)?;
                }
                WriterTask::ListPacks(_) | WriterTask::Write => break,
                WriterTask::ListAllPacks | WriterTask::Done => return Err(unexpected()),
            }
        }
        session.upkeep.keep(&inner, sent);
        Ok(session)
    }

    /// The packs of the sessions taken over that stand in no run of `index`, which was opened after the start. They are
    /// this session's now, and it cannot end before they stand in runs.
    ///
    /// # Errors
    /// What the storage said.
    pub(crate) async fn adopt(&self, index: Arc<IndexSet>) -> Result<Adopted> {
        let mut adopted = Adopted::default();
        let task = self.writer().next()?;
        let sessions = match task {
            WriterTask::ListPacks(sessions) => sessions,
            WriterTask::Write => return Ok(adopted),
            _ => return Err(unexpected()),
        };
        let packs = packs_in_no_run(&self.inner, &sessions, index).await?;
        let kept = self.writer().adopted_packs(packs.iter().map(|(_, pack)| pack.name.into()))?;
        let kept: HashSet<PackName> = kept.into_iter().map(PackName::from).collect();
        for (kind, pack) in packs.into_iter().filter(|(_, pack)| kept.contains(&pack.name)) {
            match kind {
                Kind::Data => adopted.data.packs.push(pack),
                Kind::Metadata => adopted.metadata.packs.push(pack),
            }
        }
        Ok(adopted)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> SessionId {
        self.upkeep.id
    }

    /// The first error of the session, be it of the work or of what goes on beside it.
    pub(crate) fn failure(&self) -> Arc<Failure> {
        self.upkeep.failure.clone()
    }

    /// Packs that do not count.
    pub(crate) fn condemned(&self) -> &HashSet<PackName> {
        &self.condemned
    }

    /// Names of the condemned records that this session has seen.
    pub(crate) fn records(&self) -> &[SessionId] {
        &self.records
    }

    /// Whether a listed run counts.
    pub(crate) fn is_run_of_use(&self, run: RunName) -> bool {
        self.writer().is_run_of_use(run.into())
    }

    /// The name of the next run, which lists exactly these packs.
    pub(crate) fn begin_run(&self, packs: &[PackName]) -> Result<RunName> {
        let packs: Vec<PackId> = packs.iter().map(|pack| (*pack).into()).collect();
        Ok(self.writer().begin_run_of(&packs)?.into())
    }

    pub(crate) fn run_stored(&self, outcome: Outcome) -> Result<()> {
        Ok(self.writer().run_stored(outcome)?)
    }

    /// Creates the snapshot.
    ///
    /// # Errors
    /// `Fenced` when somebody ended this session: nothing of it counts.
    pub(crate) async fn commit(&self, payload: &[u8]) -> Result<()> {
        self.writer().commit()?;
        let outcome = create_record(&self.inner, RecordKind::Snapshot, &snapshot_key(&self.id())?, payload).await?;
        Ok(self.writer().created(outcome)?)
    }

    /// Ends the session without a snapshot.
    ///
    /// # Errors
    /// When packs stand in no run, or the end cannot be recorded.
    pub(crate) async fn give_up(&self) -> Result<()> {
        self.writer().give_up()?;
        self.end().await
    }

    /// Records that the session is over, after its commit.
    ///
    /// # Errors
    /// What the storage said; the commit stands all the same.
    pub(crate) async fn end(&self) -> Result<()> {
        let task = self.writer().next()?;
        if let WriterTask::Create(object) = task {
            let outcome = create(&self.inner, &object, &self.upkeep.info).await?;
            self.writer().created(outcome)?;
        }
        self.upkeep.over();
        Ok(())
    }
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "a push was asked for something that it does not do: please report")
}

impl Names for LiveSession {
    fn begin_pack(&self) -> Result<PackName> {
        Ok(self.writer().begin_pack()?.into())
    }

    fn pack_stored(&self, pack: PackName, outcome: Outcome) -> Result<()> {
        Ok(self.writer().pack_stored(pack.into(), outcome)?)
    }
}

/// What a finished put of a pack or run means.
pub(crate) fn outcome_of<T>(result: Result<T>) -> Result<Outcome> {
    match result {
        Ok(_) => Ok(Outcome::Created),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Outcome::Taken(Occupant::Other)),
        Err(error) => Err(error),
    }
}

/// The sessions whose runs do not count.
pub(crate) async fn voided(inner: &Inner) -> Result<Vec<SessionId>> {
    let listed = inner.storage.list_all("index/").await?;
    let mut found = Vec::new();
    for (key, _) in listed {
        // Only owners take others' runs away.
        if let Some(session) = session_of_void(&key)
            && is_valid(inner, RecordKind::Void, &key).await?
        {
            found.push(session);
        }
    }
    Ok(found)
}
