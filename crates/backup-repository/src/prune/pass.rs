//! One pass: the machine's tasks, one after the other, done on the storage.

use super::copy::{Copier, Wanted, What};
use super::damage::{Damage, is_gone};
use super::empty::Evidence;
use super::facts::Claim;
use super::ground::{Ground, Marked, Marker};
use super::held::Held;
use super::listing::{self, ListedRun, MarkedSnapshot};
use super::{PruneOptions, PruneReport, delete, merge};
use crate::format::ids::{Kind, PackName, SessionId};
use crate::index::IndexCache;
use crate::locate;
use crate::protocol::{
    ListedSession, ListedSnapshot, Object, Outcome, Outlook, PackId, Prune, PruneTask, Record, Removal,
};
use crate::repository::Inner;
use crate::session::{Awake, Upkeep, condemned, create, end_dead, end_lapsed, key_of, sessions};
use backup_core::{Error, ErrorKind, Event, Observer, Result, Stop};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How a pass ended.
pub(super) enum Ended {
    /// By its own plan.
    Done(Course),
    /// Something that it relied on had gone, or was never there: a pass that lists again will know.
    Overtaken(Error),
}

/// What a pass that came to its end did.
#[derive(Clone, Copy, Default)]
pub(super) struct Course {
    /// Whether it changed anything.
    pub(super) changed: bool,
    /// Whether it rewrote packs.
    pub(super) has_rewritten: bool,
    /// Whether something condemned stays because it is damaged.
    pub(super) is_held: bool,
}

pub(super) struct Pass<'a> {
    inner: Arc<Inner>,
    options: &'a PruneOptions,
    damage: &'a Damage,
    observer: Arc<dyn Observer>,
    stop: &'a Stop,
    held: Held,
    upkeep: Upkeep,
    cache: Arc<IndexCache>,
    /// The storage's time near the start of the pass.
    now: SystemTime,
    records: Vec<Record>,
    sessions: Vec<ListedSession<SessionId>>,
    snapshots: Vec<MarkedSnapshot>,
    /// All that stands under `snapshots/`.
    listed: Vec<ListedSnapshot<SessionId>>,
    forgotten: HashSet<SessionId>,
    runs: Vec<ListedRun>,
    packs: HashMap<PackName, u64>,
    marked: Option<Marked>,
    /// Bytes that may be copied to rewrite packs.
    room: u64,
    course: Course,
}

impl<'a> Pass<'a> {
    /// A pass that copies at most `room` bytes out of packs that it rewrites.
    pub(super) async fn begin(
        inner: Arc<Inner>,
        options: &'a PruneOptions,
        damage: &'a Damage,
        room: u64,
        observer: Arc<dyn Observer>,
        stop: &'a Stop,
    ) -> Result<Self> {
        inner.need_owner("prune")?;
        inner.may_delete()?;
        let upkeep = Upkeep::new(&inner, Upkeep::PRUNE, "")?;
        let held = Held::new(Prune::new(upkeep.id));
        Ok(Pass {
            cache: locate::open_cache(&inner, observer.clone()),
            inner,
            options,
            damage,
            observer,
            stop,
            held,
            upkeep,
            now: SystemTime::now(),
            records: Vec::new(),
            sessions: Vec::new(),
            snapshots: Vec::new(),
            listed: Vec::new(),
            forgotten: HashSet::new(),
            runs: Vec::new(),
            packs: HashMap::new(),
            marked: None,
            room,
            course: Course::default(),
        })
    }

    /// Runs the pass to its end. However it ends, its session is over, unless the storage does not answer.
    pub(super) async fn run(mut self, report: &mut PruneReport) -> Result<Ended> {
        let done = self.drive(report).await;
        match done {
            Ok(()) => Ok(Ended::Done(self.course)),
            Err(error) => {
                let ended = self.abandon().await;
                match error.kind() {
                    // Gone since it was listed; or missing now, which the next listing will show or not.
                    ErrorKind::NotFound | ErrorKind::Damaged if self.is_overtaken(&error) => {
                        ended?;
                        Ok(Ended::Overtaken(error))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// Whether another prune may be why something is not there.
    fn is_overtaken(&self, error: &Error) -> bool {
        is_gone(error) || self.marked.is_none() && !self.packs.is_empty()
    }

    async fn drive(&mut self, report: &mut PruneReport) -> Result<()> {
        loop {
            self.upkeep.check()?;
            let task = self.held.machine().next()?;
            let under_way = !matches!(task, PruneTask::Done | PruneTask::Create(Object::End(_)));
            if under_way && self.stop.is_stopped() {
                return Err(Error::new(
                    ErrorKind::Cancelled,
                    "the prune was stopped: nothing that a snapshot needs is gone, and the next prune goes on",
                ));
            }
            match task {
                PruneTask::Create(object) => self.create(object, report).await?,
                PruneTask::ListCondemned => {
                    self.records = condemned(&self.inner, self.options.grace, Some(self.now)).await?;
                    self.held.machine().condemned(self.records.clone())?;
                }
                PruneTask::ListSessions => {
                    self.sessions = sessions(&self.inner, self.now).await?;
                    self.held.machine().sessions(self.sessions.clone())?;
                }
                PruneTask::ListSnapshots => {
                    self.observer.event(Event::Stage("reading snapshots"));
                    let (listed, marked, forgotten) = listing::snapshots(&self.inner, self.now).await?;
                    report.snapshots = marked.len() as u64;
                    self.snapshots = marked;
                    self.forgotten = forgotten;
                    self.listed.clone_from(&listed);
                    self.held.machine().snapshots(listed)?;
                }
                PruneTask::ListIndex => {
                    let (runs, tombstones) = listing::index(&self.inner, self.now).await?;
                    self.runs = runs;
                    self.held.machine().index(tombstones)?;
                }
                PruneTask::ListPacks => {
                    self.packs = locate::packs(&self.inner, "packs/").await?;
                    self.held.machine().packs()?;
                }
                PruneTask::Mark => {
                    self.mark().await?;
                    self.foretell(report);
                    if self.options.dry_run {
                        return Ok(());
                    }
                }
                PruneTask::Copy { rescue, repack } => self.copy(&rescue, &repack, report).await?,
                PruneTask::Delete(removals) => self.delete(&removals, report).await?,
                PruneTask::Merge(names) => {
                    self.observer.event(Event::Stage("merging the index"));
                    for Ground { inner, locator, marks, .. } in &self.marked()?.grounds {
                        merge::merge(inner, &self.held, (&locator.index(), marks), &self.cache, &names).await?;
                    }
                    report.runs_merged += names.len() as u64;
                    self.held.machine().merged()?;
                }
                PruneTask::Done => {
                    self.upkeep.over();
                    self.conclude(report).await?;
                    return Ok(());
                }
            }
        }
    }

    fn marked(&self) -> Result<&Marked> {
        self.marked.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "a prune goes on without its mark"))
    }

    async fn create(&mut self, object: Object, report: &mut PruneReport) -> Result<()> {
        let is_start = matches!(object, Object::Start { .. });
        if is_start && !self.options.dry_run {
            self.upkeep.announce(&self.inner);
        }
        let sent = Awake::now();
        let outcome = match self.options.dry_run {
            true => Outcome::Created,
            false => create(&self.inner, &object, &self.upkeep.info).await?,
        };
        self.held.machine().created(outcome)?;
        if is_start {
            // With the domains and writers of now: whoever is added later is waited for, or has nothing condemned.
            self.inner = self.inner.refreshed().await?;
        }
        match object {
            _ if self.options.dry_run => {}
            Object::Start { .. } => {
                self.upkeep.keep(&self.inner, sent);
                self.now = self.inner.storage.stat(&key_of(&object)?).await?.modified;
                let mut ended = end_dead(&self.inner, self.upkeep.id.series()).await?;
                let sessions = sessions(&self.inner, self.now).await?;
                ended.extend(end_lapsed(&self.inner, &sessions, &*self.observer).await?);
                self.course.changed |= !ended.is_empty();
                report.sessions_ended.extend(ended.iter().map(SessionId::to_string));
            }
            Object::Condemned { names, .. } => {
                self.course.changed = true;
                self.count_condemned(&names.packs, report);
            }
            _ => {}
        }
        Ok(())
    }

    async fn mark(&mut self) -> Result<()> {
        let survey = Marker {
            inner: &self.inner,
            cache: &self.cache,
            held: &self.held,
            options: self.options,
            damage: self.damage,
            room: self.room,
            observer: &*self.observer,
            stop: self.stop,
            snapshots: &self.snapshots,
            evidence: Evidence { sessions: &self.sessions, snapshots: &self.listed, forgotten: &self.forgotten },
            runs: &self.runs,
            packs: &self.packs,
        };
        self.marked = Some(survey.mark().await?);
        Ok(())
    }

    async fn copy(&mut self, rescue: &[PackId], repack: &[PackId], report: &mut PruneReport) -> Result<()> {
        self.observer.event(Event::Stage("copying what is still needed"));
        let marked = self.marked()?;
        let (copied, mut left) = (Arc::new(AtomicU64::new(0)), BTreeSet::new());
        let wanted =
            rescue.iter().map(|pack| (*pack, What::Needed)).chain(repack.iter().map(|pack| (*pack, What::Live)));
        let wanted: Vec<(PackName, What)> = wanted.map(|(pack, what)| (pack.into(), what)).collect();
        for (ground, kind) in marked.grounds.iter().flat_map(|g| [(g, Kind::Data), (g, Kind::Metadata)]) {
            let domain = ground.inner.domain;
            let rows = |(pack, what): (PackName, What)| {
                let sum = marked.sums.get(&Claim { pack, domain, kind })?;
                let rows = if what == What::Live { sum.live } else { sum.needed };
                (rows > 0).then_some(Wanted { pack, what, rows })
            };
            let packs: Vec<Wanted> = wanted.iter().copied().filter_map(rows).collect();
            if packs.is_empty() {
                continue;
            }
            let copier = Copier::new(ground, &self.held, &self.cache, kind, copied.clone());
            let damaged = copier.copy(&packs, self.stop).await?;
            for (pack, error) in &damaged {
                self.damage.note(*pack, error, &*self.observer);
            }
            left.extend(damaged.into_iter().map(|(pack, _)| pack));
            report.packs_copied += packs.iter().filter(|wanted| !left.contains(&wanted.pack)).count() as u64;
        }
        report.bytes_copied += copied.load(Ordering::Relaxed);
        let left: Vec<PackId> = left.into_iter().map(PackId::from).collect();
        self.course.is_held |= rescue.iter().any(|pack| left.contains(pack));
        self.course.has_rewritten |= repack.iter().any(|pack| !left.contains(pack));
        self.held.machine().leave(&left)?;
        Ok(self.held.machine().copied()?)
    }

    async fn delete(&mut self, removals: &[Removal], report: &mut PruneReport) -> Result<()> {
        let packs: Vec<(Removal, u64)> = removals
            .iter()
            .filter_map(|removal| match removal {
                Removal::Pack(pack) => Some((*removal, self.length(pack))),
                _ => None,
            })
            .collect();
        if !packs.is_empty() {
            self.observer.event(Event::Stage("deleting"));
        }
        let refused = delete::delete(&self.inner, removals, &|| self.upkeep.check()).await?;
        let refused: HashSet<Removal> = refused.into_iter().collect();
        let gone = packs.iter().filter(|(removal, _)| !refused.contains(removal));
        for (_, bytes) in gone {
            report.packs_deleted += 1;
            report.bytes_deleted += bytes;
        }
        report.refused += refused.len() as u64;
        // Every pass sweeps the folder of the one before it.
        self.course.changed |= removals.iter().any(|r| !matches!(r, Removal::Session(_)) && !refused.contains(r));
        let refused: Vec<Removal> = refused.into_iter().collect();
        Ok(self.held.machine().deleted(&refused)?)
    }

    /// What the plan says before it is carried out.
    fn foretell(&self, report: &mut PruneReport) {
        let machine = self.held.machine();
        let Outlook { delete, condemn, repack, rescue, merge } = machine.outlook();
        report.packs = self.packs.len() as u64;
        report.bytes = self.packs.values().sum();
        report.packs_left = self.marked.as_ref().map_or(0, |marked| marked.packs_left);
        if self.options.dry_run {
            self.count_condemned(&condemn.packs, report);
            let packs = delete.iter().filter_map(|removal| match removal {
                Removal::Pack(pack) => Some(self.length(pack)),
                _ => None,
            });
            (report.packs_deleted, report.bytes_deleted) = packs.fold((0, 0), |(n, sum), bytes| (n + 1, sum + bytes));
            report.packs_copied = (repack.len() + rescue.len()) as u64;
            report.runs_merged = merge.len() as u64;
        }
    }

    /// Bytes of a listed pack.
    fn length(&self, pack: &PackId) -> u64 {
        self.packs.get(&PackName::from(*pack)).copied().unwrap_or(0)
    }

    fn count_condemned(&self, packs: &[PackId], report: &mut PruneReport) {
        report.packs_condemned += packs.len() as u64;
        report.bytes_condemned += packs.iter().map(|pack| self.length(pack)).sum::<u64>();
    }

    /// What is left after the pass.
    async fn conclude(&mut self, report: &mut PruneReport) -> Result<()> {
        let records = condemned(&self.inner, self.options.grace, Some(self.now)).await?;
        let sessions = sessions(&self.inner, self.now).await?;
        let open: HashSet<SessionId> = sessions.iter().filter(|s| !s.has_ended).map(|s| s.session).collect();
        report.waiting.clear();
        for record in records.iter().filter(|record| record.gone.is_none()) {
            let Some(names) = &record.names else { continue };
            let what = match (names.packs.len(), names.runs.len()) {
                (0, runs) => format!("{runs} merged index runs"),
                (packs, 0) => format!("{packs} packs"),
                (packs, runs) => format!("{packs} packs and {runs} merged index runs"),
            };
            let holding: Vec<String> = record
                .waits
                .iter()
                .flatten()
                .filter(|session| open.contains(session))
                .map(|session| session.to_string())
                .collect();
            if !holding.is_empty() {
                report.waiting.push(format!("{what} wait until these sessions are over: {}", holding.join(", ")));
            } else if !record.is_graced {
                report.waiting.push(format!("{what} wait for the grace to pass"));
            } else {
                report.waiting.push(format!("{what} wait for the next prune"));
            }
        }
        if report.packs_left > 0 {
            let packs = report.packs_left;
            report.waiting.push(format!("{packs} packs wait to be rewritten by the next prune"));
        }
        let packs: HashMap<PackName, u64> = locate::packs(&self.inner, "packs/").await?;
        report.packs = packs.len() as u64;
        report.bytes = packs.values().sum();
        Ok(())
    }

    /// Ends the session where it is.
    async fn abandon(&mut self) -> Result<()> {
        if self.options.dry_run || self.held.machine().abandon().is_err() {
            return Ok(());
        }
        let task = self.held.machine().next()?;
        if let PruneTask::Create(object) = task {
            let outcome = create(&self.inner, &object, &self.upkeep.info).await?;
            self.held.machine().created(outcome)?;
        }
        self.upkeep.over();
        Ok(())
    }
}
