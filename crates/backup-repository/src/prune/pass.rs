//! One pass: the machine's tasks, one after the other, done on the storage.

use super::copy::{Copier, What};
use super::facts;
use super::held::Held;
use super::listing::{self, ListedRun, MarkedSnapshot};
use super::mark::{Marking, Marks};
use super::{PruneOptions, PruneReport, delete, fences, merge};
use crate::fetch::Fetcher;
use crate::format::ids::{Kind, PackName, RunName, SessionId};
use crate::format::snapshot::to_ms;
use crate::index::{IndexCache, IndexSet, RunReader};
use crate::locate::{self, Locator};
use crate::protocol::{
    Fence, Lease, ListedSession, Object, Outcome, Outlook, PackId, Prune, PruneTask, Record, Removal, Renewal,
};
use crate::pull::Blocks;
use crate::push::Failure;
use crate::repository::Inner;
use crate::session::{SessionFile, SessionInfo, condemned, create, dead, key_of, new_id, renew};
use backup_core::{Error, ErrorKind, Event, Observer, Result, Stop};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};
use tokio::task::JoinHandle;

/// The name under which a prune's sessions run.
const NAME: &str = "prune";
/// The folder of the cache in which sessions of this machine say that they live.
const FILES: &str = "sessions";

/// How a pass ended.
pub(super) enum Ended {
    /// By its own plan; whether it changed anything.
    Done { changed: bool },
    /// Something that it relied on had gone, or was never there: a pass that lists again will know.
    Overtaken(Error),
}

pub(super) struct Pass<'a> {
    inner: Arc<Inner>,
    options: &'a PruneOptions,
    observer: Arc<dyn Observer>,
    stop: &'a Stop,
    held: Held,
    info: SessionInfo,
    failure: Arc<Failure>,
    renewal: Option<JoinHandle<()>>,
    /// Says on this machine that the pass lives.
    file: Option<SessionFile>,
    cache: Arc<IndexCache>,
    /// The storage's time near the start of the pass.
    now: SystemTime,
    records: Vec<Record>,
    sessions: Vec<ListedSession<SessionId>>,
    snapshots: Vec<MarkedSnapshot>,
    has_forgotten: bool,
    runs: Vec<ListedRun>,
    packs: HashMap<PackName, u64>,
    marked: Option<Marked>,
    changed: bool,
}

/// What the mark leaves for what follows.
struct Marked {
    grounds: Vec<Ground>,
    sums: HashMap<PackName, facts::Sum>,
}

/// One domain: no snapshot refers to chunks of another than its own.
struct Ground {
    inner: Arc<Inner>,
    locator: Arc<Locator>,
    fetcher: Arc<Fetcher>,
    marks: Marks,
}

impl<'a> Pass<'a> {
    pub(super) async fn begin(
        inner: Arc<Inner>,
        options: &'a PruneOptions,
        observer: Arc<dyn Observer>,
        stop: &'a Stop,
    ) -> Result<Self> {
        inner.need_owner("prune")?;
        let info = SessionInfo {
            name: NAME.to_owned(),
            host: String::new(),
            domain: inner.domain,
            time: to_ms(SystemTime::now()),
            adopts: Vec::new(),
        };
        let held = Held::new(Prune::new(new_id(&inner, NAME)?));
        Ok(Pass {
            cache: locate::open_cache(&inner, observer.clone()),
            inner,
            options,
            observer,
            stop,
            held,
            info,
            failure: Arc::default(),
            renewal: None,
            file: None,
            now: SystemTime::now(),
            records: Vec::new(),
            sessions: Vec::new(),
            snapshots: Vec::new(),
            has_forgotten: false,
            runs: Vec::new(),
            packs: HashMap::new(),
            marked: None,
            changed: false,
        })
    }

    /// Runs the pass to its end. However it ends, its session is over, unless the storage does not answer.
    pub(super) async fn run(mut self, report: &mut PruneReport) -> Result<Ended> {
        let done = self.drive(report).await;
        match done {
            Ok(()) => Ok(Ended::Done { changed: self.changed }),
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
        error.kind() == ErrorKind::NotFound || self.marked.is_none() && !self.packs.is_empty()
    }

    async fn drive(&mut self, report: &mut PruneReport) -> Result<()> {
        loop {
            self.failure.check()?;
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
                    // With the domains and writers of now: whoever is added later is waited for, or has nothing condemned.
                    self.inner = self.inner.refreshed().await?;
                    self.records = condemned(&self.inner, self.options.grace, Some(self.now)).await?;
                    self.held.machine().condemned(self.records.clone())?;
                }
                PruneTask::ListSessions => {
                    self.sessions = listing::sessions(&self.inner, self.now).await?;
                    self.held.machine().sessions(self.sessions.clone())?;
                }
                PruneTask::ListSnapshots => {
                    self.observer.event(Event::Stage("reading snapshots"));
                    let (listed, marked) = listing::snapshots(&self.inner, self.now).await?;
                    self.has_forgotten = !crate::session::forgotten(&self.inner).await?.is_empty();
                    report.snapshots = marked.len() as u64;
                    self.snapshots = marked;
                    self.held.machine().snapshots(listed)?;
                }
                PruneTask::ListIndex => {
                    let (runs, tombstones) = listing::index(&self.inner, self.now).await?;
                    self.runs = runs;
                    self.held.machine().index(tombstones)?;
                }
                PruneTask::ListPacks => {
                    self.packs = listing::packs(&self.inner).await?;
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
                    for Ground { inner, locator, .. } in &self.marked()?.grounds {
                        merge::merge(inner, &self.held, &locator.index(), &self.cache, &names).await?;
                    }
                    report.runs_merged += names.len() as u64;
                    self.held.machine().merged()?;
                }
                PruneTask::Done => {
                    self.file.take().into_iter().for_each(SessionFile::remove);
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
        if self.options.dry_run {
            return Ok(self.held.machine().created(Outcome::Created)?);
        }
        if let (Object::Start { session, .. }, Some(dir)) = (&object, self.inner.cache_dir()) {
            self.file = SessionFile::create(&dir.join(FILES), *session);
        }
        let sent = Instant::now();
        let outcome = create(&self.inner, &object, &self.info).await?;
        self.held.machine().created(outcome)?;
        match object {
            Object::Start { session, .. } => {
                self.now = self.inner.storage.stat(&key_of(&object)?).await?.modified;
                let renewal = Renewal::new(session, Lease::STANDARD);
                let (inner, info, failure) = (self.inner.clone(), self.info.clone(), self.failure.clone());
                self.renewal = Some(tokio::spawn(renew(inner, info, renewal, sent, failure)));
                let mut ended = self.end_dead().await?;
                let sessions = listing::sessions(&self.inner, self.now).await?;
                ended.extend(fences::end_lapsed(&self.inner, &sessions, &*self.observer).await?);
                self.changed |= !ended.is_empty();
                report.sessions_ended.extend(ended.iter().map(SessionId::to_string));
            }
            Object::Condemned { .. } => self.changed = true,
            _ => {}
        }
        Ok(())
    }

    /// Ends prunes that died on this machine.
    async fn end_dead(&self) -> Result<Vec<SessionId>> {
        let mut ended = Vec::new();
        let Some(dir) = self.inner.cache_dir().filter(|_| self.inner.config.create_only) else { return Ok(ended) };
        let series = self.held.machine().session().series();
        for file in dead(&dir.join(FILES), series, usize::MAX) {
            let folder = self.inner.storage.list(&format!("sessions/{}/", file.session), None).await?;
            if !folder.objects.is_empty() && !folder.objects.iter().any(|(key, _)| key.as_str().ends_with("/end")) {
                fences::fence(&self.inner, Fence::new(file.session)).await?;
                ended.push(file.session);
            }
            file.remove();
        }
        Ok(ended)
    }

    async fn mark(&mut self) -> Result<()> {
        self.observer.event(Event::Stage("reading the index"));
        let is_of_use = |run: RunName| self.held.machine().is_run_of_use(run.into());
        let (of_use, others) = facts::split(&self.runs, &is_of_use);
        let runs = self.open(&of_use, true).await?;
        if self.snapshots.is_empty() && !self.has_forgotten && !runs.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "there is no snapshot beside a full index: nothing is freed, for they may have been lost. Look into the \
                 storage; if there never was one, push before you prune",
            ));
        }
        let merged = facts::worth_merging(&runs, crate::index::MAX_ROWS as u32);
        self.observer.event(Event::Stage("finding what snapshots need"));
        self.observer.event(Event::Found { files: self.snapshots.len() as u64, bytes: 0, done: true });
        let (mut grounds, mut sums, mut run_facts) = (Vec::new(), HashMap::new(), Vec::new());
        for domain in self.inner.domains.iter() {
            let inner = self.inner.in_domain(domain.number)?;
            let own = runs.iter().filter(|run| run.domain() == domain.number).cloned().collect();
            let ground = self.mark_domain(inner, IndexSet::new(own)).await?;
            facts::sums(&ground.locator, &ground.marks, &mut sums).await?;
            run_facts.extend(facts::packs_of(&ground.locator).await?);
            grounds.push(ground);
        }
        let others = Locator::with(self.inner.clone(), Arc::new(IndexSet::new(self.open(&others, false).await?)));
        run_facts.extend(facts::packs_of(&others).await?);
        let pack_facts = facts::pack_facts(&self.packs, &sums, self.options, self.inner.options.pack_bytes);
        let mut machine = self.held.machine();
        let mut survey = machine.survey();
        for run in run_facts {
            survey.run(run.name.into(), run.packs, merged.contains(&run.name));
        }
        pack_facts.into_iter().for_each(|facts| survey.pack(facts));
        let findings = survey.finish();
        machine.surveyed(findings)?;
        drop(machine);
        self.marked = Some(Marked { grounds, sums });
        Ok(())
    }

    async fn mark_domain(&self, inner: Arc<Inner>, index: IndexSet) -> Result<Ground> {
        let locator = Arc::new(Locator::with(inner.clone(), Arc::new(index)));
        let fetcher = Arc::new(Fetcher::new(inner.clone()));
        let blocks = Blocks::new(inner.clone(), fetcher.clone(), locator.clone());
        let held = self.held.clone();
        let marking = Marking {
            locator: &locator,
            blocks: &blocks,
            packs: &self.packs,
            standing: &move |pack| held.machine().standing((*pack).into()),
            observer: &*self.observer,
            stop: self.stop,
        };
        let marks = marking.mark(self.snapshots.iter().filter(|snapshot| snapshot.domain == inner.domain)).await?;
        Ok(Ground { inner, locator, fetcher, marks })
    }

    /// Opens listed runs; with `whole`, they are brought here. One that cannot be read may list what must stay.
    async fn open(&self, runs: &[ListedRun], whole: bool) -> Result<Vec<Arc<RunReader>>> {
        let mut opened = Vec::new();
        for ListedRun { name, key, length } in runs {
            let run = locate::bring(&self.inner, &self.cache, *name, key, *length, whole).await;
            opened.push(Arc::new(run.map_err(|e| e.context("advice", "`backup repair index` lists its packs anew"))?));
        }
        Ok(opened)
    }

    async fn copy(&mut self, rescue: &[PackId], repack: &[PackId], report: &mut PruneReport) -> Result<()> {
        self.observer.event(Event::Stage("copying what is still needed"));
        let marked = self.marked()?;
        let copied = Arc::new(AtomicU64::new(0));
        for (ground, kind) in marked.grounds.iter().flat_map(|g| [(g, Kind::Data), (g, Kind::Metadata)]) {
            let domain = ground.inner.domain;
            let of_kind =
                |pack: &PackName| marked.sums.get(pack).is_some_and(|sum| (sum.domain, sum.kind) == (domain, kind));
            let mut packs: Vec<(PackName, What)> = Vec::new();
            packs.extend(rescue.iter().map(|pack| (PackName::from(*pack), What::Needed)));
            packs.extend(repack.iter().map(|pack| (PackName::from(*pack), What::Live)));
            packs.retain(|(pack, _)| of_kind(pack));
            if packs.is_empty() {
                continue;
            }
            let Ground { inner, locator, fetcher, marks } = ground;
            let (held, cache, copied) = (&self.held, &self.cache, copied.clone());
            let copier = Copier::new(inner, held, locator, fetcher, marks, cache, kind, copied);
            copier.copy(&packs, self.stop).await?;
            report.packs_copied += packs.len() as u64;
        }
        report.bytes_copied += copied.load(Ordering::Relaxed);
        Ok(self.held.machine().copied()?)
    }

    async fn delete(&mut self, removals: &[Removal], report: &mut PruneReport) -> Result<()> {
        let packs: Vec<(Removal, u64)> = removals
            .iter()
            .filter_map(|removal| match removal {
                Removal::Pack(pack) => Some((*removal, self.packs.get(&PackName::from(*pack)).copied().unwrap_or(0))),
                _ => None,
            })
            .collect();
        if !packs.is_empty() {
            self.observer.event(Event::Stage("deleting"));
        }
        let refused = delete::delete(&self.inner, removals).await?;
        let gone = packs.iter().filter(|(removal, _)| !refused.contains(removal));
        for (_, bytes) in gone {
            report.packs_deleted += 1;
            report.bytes_deleted += bytes;
        }
        report.refused += refused.len() as u64;
        // Every pass sweeps the folder of the one before it.
        self.changed |= removals.iter().any(|r| !matches!(r, Removal::Session(_)) && !refused.contains(r));
        Ok(self.held.machine().deleted(&refused)?)
    }

    /// What the plan says before it is carried out.
    fn foretell(&self, report: &mut PruneReport) {
        let machine = self.held.machine();
        let Outlook { delete, condemn, repack, rescue, merge } = machine.outlook();
        let length = |pack: &PackId| self.packs.get(&PackName::from(*pack)).copied().unwrap_or(0);
        report.packs = self.packs.len() as u64;
        report.bytes = self.packs.values().sum();
        report.packs_condemned += condemn.packs.len() as u64;
        report.bytes_condemned += condemn.packs.iter().map(length).sum::<u64>();
        if self.options.dry_run {
            let packs = delete.iter().filter_map(|removal| match removal {
                Removal::Pack(pack) => Some(length(pack)),
                _ => None,
            });
            (report.packs_deleted, report.bytes_deleted) = packs.fold((0, 0), |(n, sum), bytes| (n + 1, sum + bytes));
            report.packs_copied = (repack.len() + rescue.len()) as u64;
            report.runs_merged = merge.len() as u64;
        }
    }

    /// What is left after the pass.
    async fn conclude(&mut self, report: &mut PruneReport) -> Result<()> {
        let records = condemned(&self.inner, self.options.grace, Some(self.now)).await?;
        let sessions = listing::sessions(&self.inner, self.now).await?;
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
        let packs = listing::packs(&self.inner).await?;
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
            let outcome = create(&self.inner, &object, &self.info).await?;
            self.held.machine().created(outcome)?;
        }
        self.file.take().into_iter().for_each(SessionFile::remove);
        Ok(())
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(renewal) = &self.renewal {
            renewal.abort();
        }
    }
}
