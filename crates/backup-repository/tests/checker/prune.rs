//! A client that prunes: it drives one [`Prune`] after another, one operation on the storage at a step.

use crate::store::{Chunks, Rows, Sid, Store};
use crate::trace;
use backup_repository::protocol::{
    Holder, Object, Outcome, PackFacts, PackId, Prune, PruneTask, Removal, Rules, RunId, Stop, choose_holder,
};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pruner {
    machine: Prune<Sid>,
    /// The sessions of the passes to come, the next one last.
    passes: Vec<Sid>,
    habits: Habits,
    /// What the snapshots of the listing refer to, until the mark.
    referenced: Chunks,
    packs: Rows,
    runs: BTreeMap<RunId<Sid>, Rows>,
    /// What to copy, by source.
    copy: Rows,
    /// The pack to be stored next.
    pack: Option<(PackId<Sid>, Chunks)>,
    /// The run to be stored next.
    run: Option<(RunId<Sid>, Rows)>,
}

/// What a pass may do in one way or another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Habits {
    pub rules: Rules,
    /// Prefer the last of several holders.
    pub prefers_last: bool,
    pub merges: Merges,
    /// Tombstones are a year old.
    pub is_a_year_later: bool,
    /// Every open session has lapsed.
    pub all_lapsed: bool,
    /// Nobody else deletes: a lost chunk is a defect.
    pub is_alone: bool,
}

/// Which runs a pass merges besides those that it must.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Merges {
    Needed,
    /// The first that may be.
    First,
    /// Whatever may be.
    All,
}

impl Pruner {
    pub fn new(passes: &[Sid], habits: Habits) -> Self {
        let mut passes: Vec<Sid> = passes.iter().rev().copied().collect();
        let first = passes.pop().expect("a pruner without passes");
        Pruner {
            machine: Prune::with(first, habits.rules),
            passes,
            habits,
            referenced: 0,
            packs: Rows::new(),
            runs: BTreeMap::new(),
            copy: Rows::new(),
            pack: None,
            run: None,
        }
    }

    pub fn session(&self) -> Sid {
        self.machine.session()
    }

    pub fn task(&self) -> Result<PruneTask<Sid>, Stop> {
        self.machine.next()
    }

    pub fn is_done(&self) -> bool {
        self.machine.next() == Ok(PruneTask::Done)
    }

    /// The client dies, or its pass is over, and the next pass is another process; none when it was the last.
    pub fn next_pass(mut self) -> Option<Self> {
        let session = self.passes.pop()?;
        let mut next = Pruner::new(&[session], self.habits);
        next.passes = self.passes;
        Some(next)
    }

    /// Does the next operation. With `is_lost` it is done, but its answer never comes.
    pub fn step(&mut self, store: &mut Store, listing: Option<&Store>, is_lost: bool) -> Result<(), Stop> {
        let task = self.machine.next()?;
        let outcome = match &task {
            PruneTask::Create(object) => Some(store.create(object)),
            PruneTask::Copy { .. } if self.pack.is_some() && !self.are_sources_there(store) => {
                self.pack = None;
                self.copy.clear();
                self.machine.abandon()?;
                return self.settle(store);
            }
            PruneTask::Copy { .. } | PruneTask::Merge(_) => Some(self.write(store)),
            PruneTask::Delete(removals) => {
                if let Some(removal) = removals.iter().find(|removal| is_there(store, **removal)) {
                    store.delete(*removal);
                }
                None
            }
            _ => None,
        };
        if is_lost {
            return Ok(());
        }
        let view = listing.unwrap_or(store);
        match (task, outcome) {
            (PruneTask::Create(_), Some(outcome)) => self.machine.created(outcome)?,
            (PruneTask::Copy { .. } | PruneTask::Merge(_), Some(outcome)) => self.written(outcome)?,
            (PruneTask::Delete(_), _) => {}
            (PruneTask::ListCondemned, _) => self.machine.condemned(view.list_records())?,
            (PruneTask::ListSessions, _) => self.machine.sessions(view.list_sessions(self.habits.all_lapsed))?,
            (PruneTask::ListSnapshots, _) => {
                self.referenced = view.referenced();
                self.machine.snapshots(view.list_snapshots(self.habits.is_a_year_later))?;
            }
            (PruneTask::ListIndex, _) => {
                self.runs = view.list_runs();
                self.machine.index(view.list_run_tombstones(self.habits.is_a_year_later))?;
            }
            (PruneTask::ListPacks, _) => {
                self.packs = view.packs.clone();
                self.machine.packs()?;
            }
            _ => return Err(Stop::Misuse("the model lost its place")),
        }
        self.settle(store)
    }

    /// What was asked for and needs no storage.
    fn settle(&mut self, store: &Store) -> Result<(), Stop> {
        loop {
            match self.machine.next()? {
                PruneTask::Mark => self.mark()?,
                PruneTask::Copy { .. } if self.pack.is_none() && self.run.is_none() => {
                    let chunks = self.copy.values().fold(0, |all, chunks| all | chunks);
                    self.pack = Some((self.machine.begin_pack()?, chunks));
                }
                PruneTask::Merge(_) if self.run.is_none() => {
                    let mut rows = std::mem::take(&mut self.runs).into_values().fold(Rows::new(), |mut all, rows| {
                        all.extend(rows);
                        all
                    });
                    rows.retain(|pack, _| !self.machine.is_dropped(*pack));
                    if rows.is_empty() {
                        self.machine.merged()?;
                    } else {
                        self.run = Some((self.machine.begin_merged_run()?, rows));
                    }
                }
                PruneTask::Delete(removals) if !removals.iter().any(|removal| is_there(store, *removal)) => {
                    self.machine.deleted(&[])?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn mark(&mut self) -> Result<(), Stop> {
        let (mut live, mut needed) = (Rows::new(), Rows::new());
        for chunk in (0..Chunks::BITS).map(|bit| 1 << bit).filter(|chunk| self.referenced & chunk != 0) {
            let runs = self.runs.iter().filter(|(run, _)| self.machine.is_run_of_use(**run));
            let rows = runs.flat_map(|(_, rows)| rows).filter(|(_, chunks)| *chunks & chunk != 0);
            let mut rows: Vec<PackId<Sid>> = rows.map(|(pack, _)| *pack).collect();
            rows.sort_unstable();
            if self.habits.prefers_last {
                rows.reverse();
            }
            let offered = rows.iter().map(|pack| (self.machine.standing(*pack), self.packs.contains_key(pack)));
            match choose_holder(offered) {
                Holder::Keep(place) => *live.entry(rows[place]).or_default() |= chunk,
                Holder::Rescue(place) => *needed.entry(rows[place]).or_default() |= chunk,
                Holder::Lost if self.habits.is_alone => return Err(Stop::Misuse("a referenced chunk is lost")),
                Holder::Lost => {
                    self.packs.clear();
                    self.runs.clear();
                    self.referenced = 0;
                    return self.machine.abandon();
                }
            }
        }
        let mut survey = self.machine.survey();
        let of_use: Vec<_> = self.runs.keys().filter(|run| self.machine.is_run_of_use(**run)).copied().collect();
        for (run, rows) in &self.runs {
            let is_merge_wanted = match self.habits.merges {
                Merges::Needed => false,
                Merges::First => of_use.len() > 1 && of_use.first() == Some(run),
                Merges::All => of_use.len() > 1,
            };
            survey.run(*run, rows.keys().copied(), is_merge_wanted);
        }
        for (pack, chunks) in std::mem::take(&mut self.packs) {
            let holds = live.get(&pack).copied().unwrap_or_default();
            survey.pack(PackFacts {
                pack,
                is_live: holds != 0,
                is_needed: needed.contains_key(&pack),
                is_repack_wanted: holds != chunks,
            });
        }
        let findings = survey.finish();
        self.machine.surveyed(findings)?;
        let outlook = self.machine.outlook();
        live.retain(|pack, _| outlook.repack.contains(pack));
        needed.retain(|pack, _| outlook.rescue.contains(pack));
        self.runs.retain(|run, _| outlook.merge.contains(run));
        live.append(&mut needed);
        self.copy = live;
        self.referenced = 0;
        Ok(())
    }

    fn are_sources_there(&self, store: &Store) -> bool {
        self.copy.keys().all(|pack| store.packs.contains_key(pack))
    }

    fn write(&self, store: &mut Store) -> Outcome<Sid> {
        match (&self.pack, &self.run) {
            (Some((pack, chunks)), _) => store.create_pack(*pack, *chunks),
            (None, Some((run, rows))) => store.create_run(*run, rows.clone()),
            (None, None) => panic!("a prune writes nothing"),
        }
    }

    fn written(&mut self, outcome: Outcome<Sid>) -> Result<(), Stop> {
        if let Some((pack, chunks)) = self.pack.take() {
            self.machine.pack_stored(pack, outcome)?;
            self.copy.clear();
            let Some(Object::Run { run, .. }) = self.machine.begin_run()? else {
                return Err(Stop::Misuse("copies need a run"));
            };
            self.run = Some((run, Rows::from([(pack, chunks)])));
            return Ok(());
        }
        self.run = None;
        self.machine.run_stored(outcome)?;
        if matches!(self.machine.next()?, PruneTask::Copy { .. }) {
            self.machine.copied()
        } else {
            self.machine.merged()
        }
    }

    /// What the next step does, for people.
    pub fn describe(&self, store: &Store) -> String {
        let what = match self.machine.next() {
            Ok(PruneTask::Create(object)) => return trace::object(Some(self.session()), &object),
            Ok(PruneTask::Copy { .. } | PruneTask::Merge(_)) => match (&self.pack, &self.run) {
                (Some((pack, _)), _) => return trace::copy(pack, self.copy.keys()),
                (None, Some((run, rows))) => return trace::run(*run, rows.keys()),
                (None, None) => "nothing",
            },
            Ok(PruneTask::Delete(removals)) => match removals.into_iter().find(|removal| is_there(store, *removal)) {
                Some(removal) => return trace::removal(removal),
                None => "nothing left to delete",
            },
            Ok(PruneTask::ListCondemned) => "list condemned",
            Ok(PruneTask::ListSessions) => "list sessions",
            Ok(PruneTask::ListSnapshots) => "list snapshots",
            Ok(PruneTask::ListIndex) => "list index",
            Ok(PruneTask::ListPacks) => "list packs",
            Ok(PruneTask::Mark | PruneTask::Done) => "nothing",
            Err(stop) => return stop.to_string(),
        };
        what.to_owned()
    }
}

fn is_there(store: &Store, removal: Removal<Sid>) -> bool {
    let record = |name: &Sid| store.condemned.get(name);
    match removal {
        Removal::Pack(pack) => store.packs.contains_key(&pack),
        Removal::Index(run) => store.index.contains_key(&run),
        Removal::Void(session) => store.void.contains(&session),
        Removal::Snapshot(session) => store.snapshots.contains_key(&session),
        Removal::Session(session) => store.sessions.contains_key(&session),
        Removal::Gone(name) => record(&name).is_some_and(|record| record.gone.is_some()),
        Removal::Waits(name) => record(&name).is_some_and(|record| record.waits.is_some()),
        Removal::Record(name) => record(&name).is_some_and(|record| record.names.is_some()),
    }
}
