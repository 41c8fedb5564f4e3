mod choose;
mod delete;
mod phases;

use super::*;

fn create(object: Object<S>) -> PruneTask<S> {
    PruneTask::Create(object)
}

fn fenced(session: S, by: Option<S>) -> ListedSnapshot<S> {
    ListedSnapshot { session, tombstone: Some(Tombstone { by }), is_forgotten: false, is_expired: false }
}

fn run_tombstone(session: S, number: u32) -> ListedTombstone<S> {
    ListedTombstone { session, number: Some(number), is_expired: false }
}

fn void(session: S) -> ListedTombstone<S> {
    ListedTombstone { session, number: None, is_expired: false }
}

fn dead(pack: PackId<S>) -> PackFacts<S> {
    PackFacts { pack, is_live: false, is_needed: false, is_repack_wanted: false }
}

fn live(pack: PackId<S>) -> PackFacts<S> {
    PackFacts { is_live: true, ..dead(pack) }
}

/// What the listings of a pass show, and what its survey says of them.
#[derive(Default)]
struct Scene {
    records: Vec<Record<S>>,
    sessions: Vec<ListedSession<S>>,
    snapshots: Vec<ListedSnapshot<S>>,
    tombstones: Vec<ListedTombstone<S>>,
    /// Each with its packs, and whether a merge is wanted.
    runs: Vec<(RunId<S>, Vec<PackId<S>>, bool)>,
    packs: Vec<PackFacts<S>>,
}

impl Scene {
    /// Pass 9 up to its mark.
    fn listed(&self) -> Prune<S> {
        let mut prune = Prune::new(9);
        prune.created(Outcome::Created).unwrap();
        prune.condemned(self.records.clone()).unwrap();
        prune.sessions(self.sessions.clone()).unwrap();
        prune.snapshots(self.snapshots.clone()).unwrap();
        prune.index(self.tombstones.clone()).unwrap();
        prune.packs().unwrap();
        prune
    }

    fn survey(&self, prune: &mut Prune<S>) {
        let mut survey = prune.survey();
        for (run, packs, is_merge_wanted) in &self.runs {
            survey.run(*run, packs.iter().copied(), *is_merge_wanted);
        }
        self.packs.iter().for_each(|facts| survey.pack(*facts));
        let findings = survey.finish();
        prune.surveyed(findings).unwrap();
    }

    /// Pass 9 up to its decision.
    fn decided(&self) -> Prune<S> {
        let mut prune = self.listed();
        assert_eq!(prune.next(), Ok(PruneTask::Mark));
        self.survey(&mut prune);
        prune
    }

    /// The same as [`Scene::decided`] where one `.waits` is missing.
    fn decided_after_waits(&self) -> Prune<S> {
        let mut prune = Prune::new(9);
        prune.created(Outcome::Created).unwrap();
        prune.condemned(self.records.clone()).unwrap();
        prune.sessions(self.sessions.clone()).unwrap();
        prune.created(Outcome::Created).unwrap();
        prune.snapshots(self.snapshots.clone()).unwrap();
        prune.index(self.tombstones.clone()).unwrap();
        prune.packs().unwrap();
        self.survey(&mut prune);
        prune
    }
}

/// A pass that has something to do in every phase. Sessions 1 and 2 made records, of which that of 2 got no `.waits`;
/// 3 is fenced, 4 ended by itself, 5 made a record that is done with.
fn busy() -> Scene {
    Scene {
        records: vec![
            ripe(1, &[pack(3, 0)], &[run(3, 0)]),
            Record { waits: None, ..ripe(2, &[pack(4, 0)], &[]) },
            Record { gone: Some(vec![5]), ..ripe(5, &[pack(3, 7)], &[]) },
        ],
        sessions: [1, 2, 3, 4, 5].map(over).into_iter().chain([open(7), open(9)]).collect(),
        snapshots: vec![fenced(3, None)],
        tombstones: vec![run_tombstone(3, 1)],
        runs: vec![(run(3, 0), vec![pack(3, 0)], false), (run(4, 0), vec![pack(4, 1), pack(4, 2)], true)],
        packs: vec![
            PackFacts { is_needed: true, ..dead(pack(3, 0)) },
            dead(pack(4, 1)),
            PackFacts { is_repack_wanted: true, ..live(pack(4, 2)) },
        ],
    }
}
