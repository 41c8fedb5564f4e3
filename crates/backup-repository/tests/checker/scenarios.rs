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

impl Scenario {
    pub fn new(name: &'static str, store: Store, rules: Rules) -> Self {
        Scenario {
            name,
            store,
            clients: Vec::new(),
            rules,
            loses_answers: false,
            tears_listings: false,
            kills_prunes: false,
            all_lapsed: false,
            merges: false,
            drains: Drains::default(),
        }
    }

    /// A push of a snapshot of these chunks.
    pub fn push(mut self, number: u8, want: Chunks) -> Self {
        self.clients.push(Client::Push(Push::new(Sid(10 + number), &[], want, self.rules)));
        self
    }

    /// The writer of push `of` resumes it, dead or not.
    pub fn resume(mut self, number: u8, of: u8, want: Chunks) -> Self {
        let push = Push::new(Sid(10 + number), &[Sid(10 + of)], want, self.rules);
        self.clients.push(Client::Resume(push, Sid(10 + of)));
        self
    }

    /// A prune of some passes. The second prune has other preferences.
    pub fn prune(mut self, number: u8, passes: u8) -> Self {
        let sessions: Vec<Sid> = (0..passes).map(|pass| Sid(20 + 10 * number + pass)).collect();
        let habits = Habits {
            rules: self.rules,
            prefers_last: number > 0,
            merges: self.merges,
            is_a_year_later: false,
            all_lapsed: self.all_lapsed,
            is_alone: !self.clients.iter().any(|client| matches!(client, Client::Prune(_))),
        };
        for client in &mut self.clients {
            if let Client::Prune(other) = client {
                other.is_alone(false);
            }
        }
        self.clients.push(Client::Prune(Pruner::new(&sessions, habits)));
        self
    }

    pub fn owner(mut self, fences: u8) -> Self {
        self.clients.push(Client::Owner(None, fences));
        self
    }

    pub fn forget(mut self, snapshots: &[u8]) -> Self {
        let targets = snapshots.iter().rev().map(|number| Sid(*number)).collect();
        self.clients.push(Client::Forgetter(None, targets, self.rules));
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
    let r = Rules::default();
    let which = std::env::var("EXP").unwrap_or_default();
    let s = |name, store| Scenario::new(name, store, r);
    let all: Vec<Scenario> = vec![
        s("a1 push, prune3, lost", garbage()).push(0, 1).prune(0, 3).losing_answers(),
        s("a2 push, prune3, torn", garbage()).push(0, 1).prune(0, 3).tearing_listings(),
        s("a3 push, prune3, owner1, lost", garbage()).push(0, 1).prune(0, 3).owner(1).losing_answers(),
        s("a4 push, prune3, owner2, lost, kill", garbage())
            .push(0, 1)
            .prune(0, 3)
            .owner(2)
            .losing_answers()
            .killing_prunes(),
        s("b1 push resume prune3 owner1 kill", garbage())
            .push(0, 1)
            .resume(1, 0, 1)
            .prune(0, 3)
            .owner(1)
            .killing_prunes(),
        s("b2 push resume prune3 owner2 kill", garbage())
            .push(0, 1)
            .resume(1, 0, 1)
            .prune(0, 3)
            .owner(2)
            .killing_prunes(),
        s("c1 push prune2 prune2", garbage()).push(0, 1).prune(0, 2).prune(1, 2),
        s("c2 push prune2 prune2 twoholders", two_holders()).push(0, 1).prune(0, 2).prune(1, 2),
        s("c3 push prune2 prune2 twoholders merging", two_holders()).push(0, 1).prune(0, 2).prune(1, 2).merging(),
        s("c4 push prune2 prune2 forget twoholders merging", two_holders())
            .push(0, 1)
            .prune(0, 2)
            .prune(1, 2)
            .forget(&[0])
            .merging(),
        s("d1 prune2 prune2 kill owner2 forget, two holders", two_holders())
            .prune(0, 2)
            .prune(1, 2)
            .forget(&[0])
            .owner(2)
            .killing_prunes(),
        s("d2 push prune2 prune2 kill owner1 forget", two_holders())
            .push(0, 1)
            .prune(0, 2)
            .prune(1, 2)
            .forget(&[0])
            .owner(1)
            .killing_prunes(),
        s("e1 half push prune3 merging", half()).push(0, 2).prune(0, 3).forget(&[1]).merging(),
        s("e2 half push push prune3", half()).push(0, 2).push(1, 1).prune(0, 3).forget(&[1]).merging(),
        s("f1 push push prune2 prune2", garbage()).push(0, 1).push(1, 1).prune(0, 2).prune(1, 2),
        s("g1 push forget own prune3 owner lost merging", garbage())
            .push(0, 1)
            .forget(&[10])
            .prune(0, 3)
            .owner(1)
            .losing_answers()
            .merging(),
    ];
    for scenario in all {
        if scenario.name.starts_with(&which) {
            explore(scenario);
        }
    }
}
