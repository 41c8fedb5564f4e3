//! From listings to the machine's decision: runs are opened, what snapshots need is marked, and everything is described.

use super::PruneOptions;
use super::damage::Damage;
use super::empty::Evidence;
use super::facts::{self, RunFacts, Sums};
use super::held::Held;
use super::listing::{ListedRun, MarkedSnapshot};
use super::mark::{Marking, Marks};
use crate::fetch::Fetcher;
use crate::format::ids::{PackName, RunName};
use crate::index::{IndexCache, IndexSet, RunReader};
use crate::locate::{self, Locator, is_unreadable};
use crate::protocol::{PackId, Standing};
use crate::pull::Blocks;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Event, Key, Observer, Result, Stop};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a mark needs of the listings.
pub(super) struct Marker<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) cache: &'a Arc<IndexCache>,
    pub(super) held: &'a Held,
    pub(super) options: &'a PruneOptions,
    pub(super) damage: &'a Damage,
    /// Bytes that may be copied to rewrite packs.
    pub(super) room: u64,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: &'a Stop,
    pub(super) snapshots: &'a [MarkedSnapshot],
    pub(super) evidence: Evidence<'a>,
    pub(super) runs: &'a [ListedRun],
    pub(super) packs: &'a HashMap<PackName, u64>,
}

/// What the mark leaves for what follows.
pub(super) struct Marked {
    pub(super) grounds: Vec<Ground>,
    pub(super) sums: Sums,
    /// Packs that are worth rewriting, and not in this pass.
    pub(super) packs_left: u64,
}

/// One domain: no snapshot refers to chunks of another than its own.
pub(super) struct Ground {
    pub(super) inner: Arc<Inner>,
    pub(super) locator: Arc<Locator>,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) marks: Marks,
}

/// Listed runs, opened; and those that cannot be read, with the reason.
#[derive(Default)]
struct Opened {
    runs: Vec<Arc<RunReader>>,
    broken: Vec<(RunName, Error)>,
}

impl Marker<'_> {
    /// Marks what snapshots need, and lets the machine decide.
    ///
    /// # Errors
    /// `Damaged` for a chunk that is not there, or a run that cannot be read and may list packs that no other does;
    /// `NotFound` when something has gone since it was listed; `Damaged` for an index without any snapshot.
    pub(super) async fn mark(self) -> Result<Marked> {
        self.observer.event(Event::Stage("reading the index"));
        let is_of_use = |run: RunName| self.held.machine().is_run_of_use(run.into());
        let (of_use, condemned) = facts::split(self.runs, &is_of_use);
        let Opened { runs, broken } = self.open(&of_use).await?;
        if self.snapshots.is_empty() && !runs.is_empty() && !self.options.believe_empty {
            self.evidence.none_is_left(self.inner).await?;
        }
        let merged = facts::worth_merging(&runs, self.inner.options.merged_rows as u32);
        self.observer.event(Event::Stage("finding what snapshots need"));
        self.observer.event(Event::Found { files: self.snapshots.len() as u64, bytes: 0, done: true });
        let (mut domains, mut run_facts) = (Vec::new(), Vec::new());
        for domain in self.inner.domains.iter() {
            let inner = self.inner.in_domain(domain.number)?;
            let own = runs.iter().filter(|run| run.domain() == domain.number).cloned().collect();
            let locator = Arc::new(Locator::with(inner.clone(), Arc::new(IndexSet::new(own))));
            run_facts.extend(facts::packs_of(&locator).await?);
            domains.push((inner, locator));
        }
        self.may_go_on(&broken, &run_facts)?;
        let (mut grounds, mut sums) = (Vec::new(), HashMap::new());
        for (inner, locator) in domains {
            let ground = self.domain(inner, locator).await?;
            facts::sums(&ground.locator, &ground.marks, &mut sums).await?;
            grounds.push(ground);
        }
        for run in condemned {
            run_facts.push(self.condemned(run).await?);
        }

        let mut machine = self.held.machine();
        let terms = facts::Terms {
            max_unused_percent: self.options.max_unused_percent,
            pack_len: self.inner.options.pack_bytes,
            room: self.room,
            // What is known to be damaged is not tried again.
            may_be_rewritten: &|pack| !self.damage.has(pack) && machine.is_abandoned(pack.0.session),
        };
        let (pack_facts, packs_left) = facts::pack_facts(self.packs, &sums, &terms);
        let mut survey = machine.survey();
        for run in run_facts {
            survey.run(run.name.into(), run.packs, merged.contains(&run.name));
        }
        for (name, _) in broken {
            survey.run(name.into(), [], true);
        }
        pack_facts.into_iter().for_each(|facts| survey.pack(facts));
        let findings = survey.finish();
        machine.surveyed(findings)?;
        drop(machine);
        Ok(Marked { grounds, sums, packs_left })
    }

    async fn domain(&self, inner: Arc<Inner>, locator: Arc<Locator>) -> Result<Ground> {
        let fetcher = Arc::new(Fetcher::new(inner.clone()));
        let blocks = Blocks::new(inner.clone(), fetcher.clone(), locator.clone());
        let (held, machine) = (self.held.clone(), self.held.clone());
        let doubtful: Vec<bool> =
            locator.index().runs().iter().map(|run| !self.inner.signers.is_trusted(run)).collect();
        let marking = Marking {
            locator: &locator,
            blocks: &blocks,
            packs: self.packs,
            standing: &move |pack| held.machine().standing((*pack).into()),
            is_doomed: &move |pack| machine.machine().is_doomed((*pack).into()),
            damage: self.damage,
            is_doubtful: &|run| doubtful.get(run as usize).copied().unwrap_or(true),
            observer: self.observer,
            stop: self.stop,
        };
        let marks = marking.mark(self.snapshots.iter().filter(|snapshot| snapshot.domain == inner.domain)).await?;
        Ok(Ground { inner, locator, fetcher, marks })
    }

    /// Opens listed runs and brings them here.
    async fn open(&self, runs: &[ListedRun]) -> Result<Opened> {
        let mut opened = Opened::default();
        for ListedRun { name, key, length } in runs {
            match self.believed(*name, key, *length).await {
                Ok(run) => opened.runs.push(run),
                Err(error) if is_unreadable(&error) => opened.broken.push((*name, error)),
                Err(error) => return Err(advised(error)),
            }
        }
        Ok(opened)
    }

    /// A run, brought here. One of somebody who was revoked is read through before it is believed.
    async fn believed(&self, name: RunName, key: &Key, length: u64) -> Result<Arc<RunReader>> {
        let run = Arc::new(locate::bring(self.inner, self.cache, name, key, length, true).await?);
        if !self.inner.signers.is_trusted(&run) {
            let locator = Locator::with(self.inner.clone(), Arc::new(IndexSet::new(vec![run.clone()])));
            facts::read_through(&locator).await.map_err(|error| self.inner.signers.judge(&run.signer(), error))?;
        }
        Ok(run)
    }

    /// The packs of a condemned run: their records stay until it is gone. Nobody gets rows out of one that is damaged.
    async fn condemned(&self, run: ListedRun) -> Result<RunFacts> {
        let ListedRun { name, key, length } = run;
        let read = async {
            let run = Arc::new(locate::bring(self.inner, self.cache, name, &key, length, false).await?);
            let locator = Locator::with(self.inner.clone(), Arc::new(IndexSet::new(vec![run.clone()])));
            facts::packs_of(&locator).await.map_err(|error| self.inner.signers.judge(&run.signer(), error))
        };
        match read.await {
            Ok(facts) => Ok(facts.into_iter().next().unwrap_or(RunFacts { name, packs: Vec::new() })),
            Err(error) if is_unreadable(&error) => Ok(RunFacts { name, packs: Vec::new() }),
            Err(error) => Err(advised(error)),
        }
    }

    /// A run that cannot be read goes, if every pack that counts is in one that can: then nothing was only in it.
    fn may_go_on(&self, broken: &[(RunName, Error)], runs: &[RunFacts]) -> Result<()> {
        let Some((name, error)) = broken.first() else { return Ok(()) };
        let listed: HashSet<PackId> = runs.iter().flat_map(|run| run.packs.iter().copied()).collect();
        let machine = self.held.machine();
        let is_nowhere = |pack: &PackId| {
            !listed.contains(pack) && machine.standing(*pack) == Standing::Sound && machine.is_abandoned(pack.session)
        };
        if let Some(pack) = self.packs.keys().find(|pack| is_nowhere(&(**pack).into())) {
            let what = "an index run cannot be read, and a pack is in no other: `backup repair index` lists it anew";
            return Err(Error::new(ErrorKind::Damaged, what)
                .context("run", name)
                .context("pack", pack)
                .context("because", error.full_message()));
        }
        for (name, error) in broken {
            let text = format!("index run {name} cannot be read and is not needed: {}", error.full_message());
            self.observer.event(Event::Warning(text));
        }
        Ok(())
    }
}

fn advised(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unsupported => error.context(
            "advice",
            "prune with a newer backup, or revoke the writer who signed it: `backup check` names it",
        ),
        _ => error,
    }
}
