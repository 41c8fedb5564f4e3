//! Who meets whom.

use crate::drain::Drains;
use crate::model::{Client, Scenario};
use crate::prune::{Habits, Pruner};
use crate::push::Push;
use crate::store::{Chunks, IndexObject, Rows, Sid, SnapshotObject, Store};
use backup_repository::protocol::{PackId, Rules, RunId};
use stateright::{Checker as _, Model as _};
use std::time::Instant;

/// A session of long ago: one pack, one run, and perhaps a snapshot of all of it.
pub fn old(store: &mut Store, number: u8, chunks: Chunks, has_snapshot: bool) {
    let session = Sid(number);
    let pack = PackId { session, number: 0 };
    store.sessions.insert(session, true);
    store.packs.insert(pack, chunks);
    store.index.insert(RunId { session, number: 0 }, IndexObject::Run(Rows::from([(pack, chunks)])));
    if has_snapshot {
        store.snapshots.insert(session, SnapshotObject::Commit(chunks));
    }
}

pub fn garbage() -> Store {
    let mut store = Store::default();
    old(&mut store, 0, 1, false);
    store
}

/// One who takes part.
#[derive(Clone, Debug)]
pub enum Part {
    /// A push, by number, of a snapshot of these chunks.
    Push(u8, Chunks),
    /// A push by the writer of an earlier one, which it resumes, whether that is dead or not.
    Resume(u8, u8, Chunks),
    /// A prune of so many passes.
    Prune(u8),
    /// An owner who fences open sessions, so many, lapsed or not.
    Owner(u8),
    /// An owner who forgets these snapshots.
    Forget(Vec<u8>),
}

impl Scenario {
    pub fn new(name: &'static str, store: Store, parts: &[Part]) -> Self {
        Scenario {
            name,
            store,
            parts: parts.to_vec(),
            rules: Rules::default(),
            loses_answers: false,
            tears_listings: false,
            kills_prunes: false,
            all_lapsed: false,
            merges: false,
            only_loss: false,
            drains: Drains::default(),
        }
    }

    pub fn clients(&self) -> Vec<Client> {
        let is_alone = self.parts.iter().filter(|part| matches!(part, Part::Prune(_))).count() == 1;
        let mut prunes = 0;
        let mut client = |part: &Part| match part {
            Part::Push(number, want) => Client::Push(Push::new(Sid(10 + number), &[], *want, self.rules)),
            Part::Resume(number, of, want) => {
                let push = Push::new(Sid(10 + number), &[Sid(10 + of)], *want, self.rules);
                Client::Resume(push, Sid(10 + of))
            }
            Part::Prune(passes) => {
                let sessions: Vec<Sid> = (0..*passes).map(|pass| Sid(20 + 10 * prunes + pass)).collect();
                let habits = Habits {
                    rules: self.rules,
                    // Two that agree on the holder of a chunk would be too kind.
                    prefers_last: prunes > 0,
                    merges: self.merges,
                    is_a_year_later: false,
                    all_lapsed: self.all_lapsed,
                    is_alone,
                };
                prunes += 1;
                Client::Prune(Pruner::new(&sessions, habits))
            }
            Part::Owner(fences) => Client::Owner(None, *fences),
            Part::Forget(snapshots) => {
                let targets = snapshots.iter().rev().map(|number| Sid(*number)).collect();
                Client::Forgetter(None, targets, self.rules)
            }
        };
        self.parts.iter().map(&mut client).collect()
    }

    pub fn without(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    pub fn lapsed(mut self) -> Self {
        self.all_lapsed = true;
        self
    }

    pub fn merging(mut self) -> Self {
        self.merges = true;
        self
    }

    pub fn losing_answers(mut self) -> Self {
        self.loses_answers = true;
        self
    }

    pub fn tearing_listings(mut self) -> Self {
        self.tears_listings = true;
        self
    }

    pub fn killing_prunes(mut self) -> Self {
        self.kills_prunes = true;
        self
    }
}

/// Explores everything.
fn explore(scenario: Scenario) {
    let name = scenario.name;
    let begin = Instant::now();
    let checker = scenario
        .checker()
        .threads(2)
        .timeout(std::time::Duration::from_secs(std::env::var("SECS").map_or(60, |s| s.parse().unwrap())))
        .spawn_dfs()
        .join();
    let (storages, passes) = checker.model().drains.counts();
    println!(
        "{name}: {} states, {} storages drained in at most {passes} passes, depth {}, {:.1} s",
        checker.unique_state_count(),
        storages,
        checker.max_depth(),
        begin.elapsed().as_secs_f32(),
    );
    println!("{name} explored");
    for (what, path) in checker.discoveries() {
        if checker.model().properties().iter().any(|p| p.name == what && p.expectation.discovery_is_failure()) {
            crate::drain::show(&path.last_state().store.clone());
            panic!("{name}: not so: {what}\n{}", crate::trace::path(checker.model(), path));
        }
    }
    for property in checker.model().properties() {
        if !property.expectation.discovery_is_failure() && checker.discovery(property.name).is_none() {
            println!("   never: {}", property.name);
        }
    }
}

pub fn two_holders() -> Store {
    let mut store = Store::default();
    old(&mut store, 0, 1, true);
    old(&mut store, 1, 1, false);
    store
}
pub fn half() -> Store {
    let mut store = Store::default();
    old(&mut store, 0, 3, false);
    old(&mut store, 1, 1, true);
    store
}

#[test]
fn experiments() {
    use Part::*;
    let which = std::env::var("EXP").unwrap_or_default();
    let s = |name, store, parts: &[Part]| Scenario::new(name, store, parts);
    let all: Vec<Scenario> = vec![
        s("a1 push, prune3, lost", garbage(), &[Push(0, 1), Prune(3)]).losing_answers(),
        s("a2 push, prune3, torn", garbage(), &[Push(0, 1), Prune(3)]).tearing_listings(),
        s("a3 push, prune3, owner1, lost", garbage(), &[Push(0, 1), Prune(3), Owner(1)]).losing_answers(),
        s("a4 push, prune3, owner2, lost, kill", garbage(), &[Push(0, 1), Prune(3), Owner(2)]).losing_answers().killing_prunes(),
        s("b1 push resume prune3 owner1 kill", garbage(), &[Push(0, 1), Resume(1, 0, 1), Prune(3), Owner(1)]).killing_prunes(),
        s("b2 push resume prune3 owner2 kill", garbage(), &[Push(0, 1), Resume(1, 0, 1), Prune(3), Owner(2)]).killing_prunes(),
        s("c1 push prune2 prune2", garbage(), &[Push(0, 1), Prune(2), Prune(2)]),
        s("c2 push prune2 prune2 twoholders", two_holders(), &[Push(0, 1), Prune(2), Prune(2)]),
        s("c3 push prune2 prune2 twoholders merging", two_holders(), &[Push(0, 1), Prune(2), Prune(2)]).merging(),
        s("c4 push prune2 prune2 forget twoholders merging", two_holders(), &[Push(0, 1), Prune(2), Prune(2), Forget(vec![0])]).merging(),
        s("d1 prune2 prune2 kill owner2 forget, two holders", two_holders(), &[Prune(2), Prune(2), Forget(vec![0]), Owner(2)]).killing_prunes(),
        s("d2 push prune2 prune2 kill owner1 forget", two_holders(), &[Push(0, 1), Prune(2), Prune(2), Forget(vec![0]), Owner(1)]).killing_prunes(),
        s("e1 half push prune3 merging", half(), &[Push(0, 2), Prune(3), Forget(vec![1])]).merging(),
        s("e2 half push push prune3", half(), &[Push(0, 2), Push(1, 1), Prune(3), Forget(vec![1])]).merging(),
        s("f1 push push prune2 prune2", garbage(), &[Push(0, 1), Push(1, 1), Prune(2), Prune(2)]),
        s("g1 push forget own prune3 owner lost merging", garbage(), &[Push(0, 1), Forget(vec![10]), Prune(3), Owner(1)]).losing_answers().merging(),
    ];
    for scenario in all {
        if scenario.name.starts_with(&which) {
            explore(scenario);
        }
    }
}
