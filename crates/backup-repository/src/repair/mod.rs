//! `repair index`: packs that stand in no index run that can be read are listed again.

mod packs;

use crate::format::ids::{Kind, PackName, RunName, SessionId};
use crate::index::IndexCache;
use crate::locate;
use crate::pack::{FinishedPacks, read_stored};
use crate::protocol::{Fence, Object, Outcome, PackId, Repair, RepairTask, Stop as Stopped, WriterTask};
use crate::push::run_rows;
use crate::repository::{Inner, Repository};
use crate::session::{
    Awake, Upkeep, blocking, condemned, create, end_dead, end_lapsed, fence, key_of, sessions, voided, write_run,
};
use backup_core::{Error, ErrorKind, Event, Observer, Result, Stop};
use packs::{Unlisted, unlisted};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Between two looks whether the sessions that were open are over.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a repair of the index did.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Packs that stood in no run and were listed.
    pub packs_listed: u64,
    /// Chunks in them.
    pub chunks_listed: u64,
    /// Runs that cannot be read. The next prune takes them away.
    pub runs_unreadable: Vec<String>,
    /// Packs that stand in no run and cannot be read themselves.
    pub packs_unreadable: Vec<String>,
}

impl Repository {
    /// Lists packs again that stand in no index run that can be read, because runs were lost or damaged. It waits until
    /// the sessions that are open now are over; `wait_at_most` bounds that.
    ///
    /// # Errors
    /// `Unavailable` when sessions stay open for longer; `AccessDenied` for a writer's credential; `Damaged` for records
    /// of condemned packs that cannot be read; what the storage says.
    pub async fn repair_index(
        &self,
        wait_at_most: Duration,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<RepairReport> {
        self.0.need_owner("repair the index")?;
        self.0.may_delete()?;
        let inner = self.0.refreshed().await?;
        let upkeep = Upkeep::new(&inner, Upkeep::REPAIR, "")?;
        let work = Work {
            machine: Repair::new(upkeep.id),
            cache: locate::open_cache(&inner, observer.clone()),
            scratch: locate::scratch_cache(&inner, observer.clone()),
            until: Instant::now().checked_add(wait_at_most),
            inner,
            upkeep,
            observer,
            stop,
            void: HashSet::new(),
            is_announced: false,
            is_started: false,
        };
        work.run().await
    }
}

struct Work<'a> {
    inner: Arc<Inner>,
    machine: Repair,
    upkeep: Upkeep,
    cache: Arc<IndexCache>,
    /// What is read of runs comes from the storage, whatever is known locally.
    scratch: Arc<IndexCache>,
    until: Option<Instant>,
    observer: Arc<dyn Observer>,
    stop: &'a Stop,
    void: HashSet<SessionId>,
    is_announced: bool,
    is_started: bool,
}

impl Work<'_> {
    async fn run(mut self) -> Result<RepairReport> {
        let mut report = RepairReport::default();
        let done = self.drive(&mut report).await;
        if done.is_err() {
            self.give_up().await;
        }
        done.map(|()| report)
    }

    async fn drive(&mut self, report: &mut RepairReport) -> Result<()> {
        loop {
            self.upkeep.check()?;
            let task = self.machine.next()?;
            if self.stop.is_stopped() && !matches!(task, RepairTask::Write(WriterTask::Create(_) | WriterTask::Done)) {
                return Err(stopped());
            }
            match task {
                RepairTask::ListSessions => self.wait().await?,
                RepairTask::Write(WriterTask::Create(object)) => self.create(object).await?,
                RepairTask::Write(WriterTask::ListCondemned) => {
                    let records = condemned(&self.inner, Duration::MAX, None).await?;
                    self.machine.writer()?.condemned(&records)?;
                }
                RepairTask::Write(WriterTask::ListIndex) => {
                    self.void = voided(&self.inner).await?.into_iter().collect();
                    self.machine.writer()?.indexed(self.void.iter().copied())?;
                }
                RepairTask::Write(WriterTask::ListAllPacks) => self.list(report).await?,
                RepairTask::Write(WriterTask::Write) => self.machine.writer()?.give_up()?,
                RepairTask::Write(WriterTask::Done) => {
                    self.upkeep.over();
                    return Ok(());
                }
                RepairTask::Write(WriterTask::ListRuns(_) | WriterTask::ListPacks(_)) => {
                    return Err(Error::new(ErrorKind::Internal, "a repair takes no session over: please report"));
                }
            }
        }
    }

    async fn create(&mut self, object: Object) -> Result<()> {
        let is_start = matches!(object, Object::Start { .. });
        if is_start {
            self.upkeep.announce(&self.inner);
        }
        let sent = Awake::now();
        let outcome = create(&self.inner, &object, &self.upkeep.info).await?;
        self.machine.writer()?.created(outcome)?;
        if is_start {
            self.is_started = true;
            self.upkeep.keep(&self.inner, sent);
            end_dead(&self.inner, self.upkeep.id.series()).await?;
        }
        Ok(())
    }

    /// Looks whether the sessions that were open are over, and waits a while if not.
    async fn wait(&mut self) -> Result<()> {
        let start = key_of(&Object::Start { session: self.upkeep.id, adopts: Vec::new() })?;
        let now: SystemTime = self.inner.storage.stat(&start).await?.modified;
        let listed = sessions(&self.inner, now).await?;
        end_lapsed(&self.inner, &listed, &*self.observer).await?;
        self.machine.sessions(listed)?;
        let waits: Vec<String> = self.machine.waits_for().iter().map(SessionId::to_string).collect();
        if waits.is_empty() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.is_announced, true) {
            self.observer.event(Event::Stage("waiting for open sessions"));
            self.observer.event(Event::Warning(format!("waiting until these sessions are over: {}", waits.join(", "))));
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "sessions are still open, and a repair has to wait for them: run it again when they are over",
            )
            .context("sessions", waits.join(", ")));
        }
        // Whoever stops ends the wait at once.
        let _ = tokio::time::timeout(LOOK_AGAIN, self.stop.stopped()).await;
        Ok(())
    }

    async fn list(&mut self, report: &mut RepairReport) -> Result<()> {
        self.observer.event(Event::Stage("reading the index"));
        let mut listed: HashMap<PackName, u64> = HashMap::new();
        for (name, key, length) in locate::listed(&self.inner).await? {
            self.may_go_on()?;
            if !self.machine.writer()?.is_run_of_use(name.into()) {
                continue;
            }
            match self.rows_of(name, &key, length).await {
                Ok(rows) => rows.into_iter().for_each(|(pack, rows)| *listed.entry(pack).or_default() += rows),
                Err(error) if locate::is_unreadable(&error) => {
                    let because = error.full_message();
                    self.observer.event(Event::Warning(format!("index run {name} cannot be read: {because}")));
                    // Else this machine would go on with its copy, and nobody would take the damaged one away.
                    self.cache.discard(name);
                    report.runs_unreadable.push(name.to_string());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.observer.event(Event::Stage("reading packs"));
        let mut found = unlisted(&self.inner, &listed, &*self.observer, &mut report.packs_unreadable).await?;
        let names: Vec<PackId> = found.iter().map(|pack| pack.name.into()).collect();
        let kept: HashSet<PackId> = self.machine.writer()?.adopted_packs(names)?.into_iter().collect();
        found.retain(|pack| kept.contains(&pack.name.into()));
        found.sort_by_key(|pack| (pack.domain, pack.kind.to_byte(), pack.name));
        for shelf in found.chunk_by(|a, b| (a.domain, a.kind) == (b.domain, b.kind)) {
            self.publish(shelf, report).await?;
        }
        Ok(())
    }

    /// How many chunks of each pack a run lists, the whole of which can be read.
    async fn rows_of(&self, name: RunName, key: &backup_core::Key, length: u64) -> Result<HashMap<PackName, u64>> {
        let run = Arc::new(locate::bring(&self.inner, &self.scratch, name, key, length, true).await?);
        let index = Arc::new(crate::index::IndexSet::new(vec![run.clone()]));
        let locator = locate::Locator::with(self.inner.clone(), index);
        packs::rows_by_pack(&locator).await.map_err(|error| self.inner.signers.judge(&run.signer(), error))
    }

    fn may_go_on(&self) -> Result<()> {
        self.upkeep.check()?;
        if self.stop.is_stopped() {
            return Err(stopped());
        }
        Ok(())
    }

    /// Lists packs of one domain and kind, so many at once as a push puts into a run.
    async fn publish(&mut self, packs: &[Unlisted], report: &mut RepairReport) -> Result<()> {
        let Some(first) = packs.first() else { return Ok(()) };
        let inner = self.inner.in_domain(first.domain)?;
        let kind: Kind = first.kind;
        let mut rest = packs;
        while !rest.is_empty() {
            self.may_go_on()?;
            let (mut rows, mut count) = (0, 0);
            for pack in rest {
                rows += pack.chunks;
                count += 1;
                if rows >= inner.options.run_rows {
                    break;
                }
            }
            let (some, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            rest = behind;
            let mut finished = FinishedPacks::default();
            for pack in some {
                finished.packs.push(read_stored(&inner, pack.name, pack.length).await?.1);
            }
            let names: Vec<PackId> = some.iter().map(|pack| pack.name.into()).collect();
            let name: RunName = self.machine.writer()?.begin_run_of(&names)?.into();
            let rows = blocking(move || run_rows(&finished, kind)).await?;
            let (outcome, built): (Outcome, _) = write_run(&inner, &self.cache, name, kind, Vec::new(), rows).await?;
            self.machine.writer()?.run_stored(outcome)?;
            built.keep();
            report.packs_listed += some.len() as u64;
            report.chunks_listed += some.iter().map(|pack| pack.chunks as u64).sum::<u64>();
        }
        Ok(())
    }

    /// Ends the session where it is, as far as that can be done. If a run was being written, it may still arrive, and whoever
    /// finds its packs in no run may delete them: its name is taken first, as by any who fences a session.
    async fn give_up(&mut self) {
        let ended = match self.machine.give_up() {
            Ok(()) => create(&self.inner, &Object::End(self.upkeep.id), &self.upkeep.info).await.map(drop),
            Err(Stopped::Misuse(_)) if self.is_started && self.inner.may_fence() => {
                fence(&self.inner, Fence::new(self.upkeep.id)).await
            }
            Err(_) => return,
        };
        if ended.is_ok() {
            self.upkeep.over();
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the repair was stopped; what it has listed stays listed")
}
