use super::*;

const CALLS: [Call<Prune<S>>; 15] = [
    ("created", |prune| prune.created(Outcome::Created)),
    ("condemned", |prune| prune.condemned(vec![])),
    ("sessions", |prune| prune.sessions(vec![])),
    ("snapshots", |prune| prune.snapshots([])),
    ("index", |prune| prune.index([])),
    ("packs", Prune::packs),
    ("surveyed", |prune| {
        let findings = prune.survey().finish();
        prune.surveyed(findings)
    }),
    ("begin_pack", |prune| prune.begin_pack().map(|_| ())),
    ("pack_stored", |prune| prune.pack_stored(pack(9, 0), Outcome::Created)),
    ("begin_run", |prune| prune.begin_run().map(|_| ())),
    ("begin_merged_run", |prune| prune.begin_merged_run().map(|_| ())),
    ("run_stored", |prune| prune.run_stored(Outcome::Created)),
    ("copied", Prune::copied),
    ("merged", Prune::merged),
    ("deleted", |prune| prune.deleted(&[])),
];

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
}

/// Answers whatever is asked for until the last sweep, which is returned; none if there is nothing to be swept.
fn swept(mut prune: Prune<S>) -> Vec<Removal<S>> {
    let mut has_condemned = prune.outlook().condemn.is_empty();
    loop {
        match prune.next().unwrap() {
            PruneTask::Create(Object::End(_)) => return Vec::new(),
            PruneTask::Create(object) => {
                has_condemned |= matches!(object, Object::Condemned { .. });
                prune.created(Outcome::Created).unwrap();
            }
            PruneTask::Delete(removals) if has_condemned && removals != prune.outlook().delete => return removals,
            PruneTask::Delete(_) => prune.deleted(&[]).unwrap(),
            PruneTask::Merge(_) => prune.merged().unwrap(),
            PruneTask::ListSessions => prune.sessions(vec![open(9)]).unwrap(),
            task => panic!("{task:?}"),
        }
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

#[test]
fn asks_for_everything_in_order_and_refuses_the_rest() {
    let check = |prune: &Prune<S>, task, allowed: &[&str]| {
        assert_eq!(prune.next(), Ok(task));
        refuses_all_but(prune, &CALLS, allowed);
    };
    let scene = busy();
    let mut prune = Prune::new(9);
    check(&prune, create(Object::Start { session: 9, adopts: vec![] }), &["created"]);
    prune.created(Outcome::Created).unwrap();
    check(&prune, PruneTask::ListCondemned, &["condemned"]);
    prune.condemned(scene.records.clone()).unwrap();
    check(&prune, PruneTask::ListSessions, &["sessions"]);
    prune.sessions(scene.sessions.clone()).unwrap();
    check(&prune, create(Object::Waits { record: 2, sessions: vec![7, 9] }), &["created"]);
    prune.created(Outcome::Taken(Occupant::Other)).unwrap();
    check(&prune, PruneTask::ListSnapshots, &["snapshots"]);
    prune.snapshots(scene.snapshots.clone()).unwrap();
    check(&prune, PruneTask::ListIndex, &["index"]);
    prune.index(scene.tombstones.clone()).unwrap();
    check(&prune, PruneTask::ListPacks, &["packs"]);
    prune.packs().unwrap();
    check(&prune, PruneTask::Mark, &["surveyed"]);
    scene.survey(&mut prune);
    let copy = PruneTask::Copy { rescue: vec![pack(3, 0)], repack: vec![pack(4, 2)] };
    check(&prune, copy.clone(), &["begin_pack", "begin_run", "copied"]);
    let copies = prune.begin_pack().unwrap();
    check(&prune, copy.clone(), &["begin_pack", "pack_stored", "begin_run"]);
    prune.pack_stored(copies, Outcome::Created).unwrap();
    check(&prune, copy.clone(), &["begin_pack", "begin_run"]);
    assert_eq!(prune.begin_run(), Ok(Some(Object::Run { run: run(9, 0), packs: vec![pack(9, 0)] })));
    check(&prune, copy.clone(), &["begin_pack", "run_stored"]);
    prune.run_stored(Outcome::Created).unwrap();
    prune.copied().unwrap();
    check(&prune, create(Object::Void(3)), &["created"]);
    prune.created(Outcome::Created).unwrap();
    check(&prune, PruneTask::Delete(vec![Removal::Pack(pack(3, 0)), Removal::Index(run(3, 0))]), &["deleted"]);
    prune.deleted(&[]).unwrap();
    check(&prune, PruneTask::Merge(vec![run(4, 0)]), &["begin_merged_run", "merged"]);
    assert_eq!(prune.begin_merged_run(), Ok(run(9, 1)));
    check(&prune, PruneTask::Merge(vec![run(4, 0)]), &["run_stored"]);
    prune.run_stored(Outcome::Created).unwrap();
    prune.merged().unwrap();
    let names = Condemned { packs: vec![pack(4, 1), pack(4, 2)], runs: vec![run(4, 0)] };
    check(&prune, create(Object::Condemned { record: 9, names }), &["created"]);
    prune.created(Outcome::Created).unwrap();
    check(&prune, PruneTask::ListSessions, &["sessions"]);
    prune.sessions(vec![over(7), open(8), open(9)]).unwrap();
    check(&prune, create(Object::Waits { record: 9, sessions: vec![8, 9] }), &["created"]);
    prune.created(Outcome::Created).unwrap();
    check(&prune, create(Object::Gone { record: 1, sessions: vec![8, 9] }), &["created"]);
    prune.created(Outcome::Created).unwrap();
    let record = [Removal::Gone(5), Removal::Waits(5), Removal::Record(5)];
    let sessions = [Removal::Session(1), Removal::Session(2), Removal::Session(5)];
    check(&prune, PruneTask::Delete(record.into_iter().chain(sessions).collect()), &["deleted"]);
    prune.deleted(&[]).unwrap();
    check(&prune, create(Object::End(9)), &["created"]);
    prune.created(Outcome::Created).unwrap();
    check(&prune, PruneTask::Done, &[]);
}

#[test]
fn does_nothing_where_nothing_is_to_be_done() {
    let mut prune = Scene { sessions: vec![open(9)], ..Scene::default() }.decided();
    assert_eq!(prune.next(), Ok(create(Object::End(9))));
    prune.created(Outcome::Taken(Occupant::Other)).unwrap();
    assert_eq!(prune.next(), Ok(PruneTask::Done));
}

#[test]
fn is_fenced_at_what_it_creates_in_its_name() {
    const FENCED: Outcome<S> = Outcome::Taken(Occupant::RunTombstone);
    let stopped = |mut prune: Prune<S>, create: fn(&mut Prune<S>) -> Result<(), Stop>| {
        assert_eq!(create(&mut prune), Err(Stop::Fenced));
        assert_eq!(prune.next(), Err(Stop::Fenced));
        assert_eq!(prune.packs(), Err(Stop::Fenced));
    };
    stopped(Prune::new(9), |prune| prune.created(FENCED));
    let mut prune = busy().decided_after_waits();
    prune.begin_pack().unwrap();
    stopped(prune.clone(), |prune| prune.pack_stored(pack(9, 0), FENCED));
    prune.pack_stored(pack(9, 0), Outcome::Created).unwrap();
    prune.begin_run().unwrap();
    stopped(prune.clone(), |prune| prune.run_stored(FENCED));
    prune.run_stored(Outcome::Created).unwrap();
    prune.copied().unwrap();
    prune.created(Outcome::Created).unwrap();
    prune.deleted(&[]).unwrap();
    prune.begin_merged_run().unwrap();
    stopped(prune.clone(), |prune| prune.run_stored(FENCED));
    prune.run_stored(Outcome::Created).unwrap();
    prune.merged().unwrap();
    stopped(prune, |prune| prune.created(FENCED));
}

impl Scene {
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

#[test]
fn ends_at_once_when_it_is_abandoned() {
    assert!(matches!(Prune::<S>::new(9).abandon(), Err(Stop::Misuse(_))), "before it has started");
    let mut marking = Scene::default().listed();
    marking.abandon().unwrap();
    assert_eq!(marking.next(), Ok(create(Object::End(9))));
    let mut copying = busy().decided_after_waits();
    copying.begin_pack().unwrap();
    copying.abandon().unwrap();
    assert_eq!(copying.next(), Ok(create(Object::End(9))));
    copying.created(Outcome::Created).unwrap();
    assert!(matches!(copying.abandon(), Err(Stop::Misuse(_))), "after it is over");
}

#[test]
fn condemns_what_abandoned_sessions_left_only() {
    // 1 is over. 2 was adopted by 3, which is open; 4 by 5, which is swept away. 6 has started since. 7 is open.
    let left = [1, 2, 4, 6, 7];
    let scene = Scene {
        sessions: vec![over(1), over(2), open(3), over(4), open(7)],
        snapshots: vec![fenced(2, Some(3)), fenced(4, Some(5))],
        runs: left.map(|session| (run(session, 0), vec![pack(session, 0)], true)).into(),
        packs: left.into_iter().flat_map(|session| [dead(pack(session, 0)), live(pack(session, 1))]).collect(),
        ..Scene::default()
    };
    let prune = scene.decided();
    assert_eq!(prune.outlook().condemn.packs, [pack(1, 0), pack(4, 0)]);
    assert_eq!(prune.outlook().condemn.runs, [run(1, 0), run(4, 0)]);
    assert_eq!(prune.outlook().merge, [run(1, 0), run(4, 0)]);
}

#[test]
fn leaves_sessions_alone_that_adopted_each_other() {
    let scene = Scene {
        sessions: vec![over(1), over(2)],
        snapshots: vec![fenced(1, Some(2)), fenced(2, Some(1))],
        packs: vec![dead(pack(1, 0))],
        ..Scene::default()
    };
    assert!(scene.decided().outlook().condemn.is_empty());
}

#[test]
fn merges_runs_of_a_fenced_session_together() {
    let scene = Scene {
        sessions: vec![over(1), over(2)],
        snapshots: vec![fenced(1, None)],
        tombstones: vec![run_tombstone(1, 2)],
        runs: [(1, 0, false), (1, 1, true), (2, 0, false), (2, 1, true)]
            .map(|(session, number, is_wanted)| (run(session, number), vec![pack(session, number)], is_wanted))
            .into(),
        packs: [(1, 0), (1, 1), (2, 0), (2, 1)].map(|(session, number)| live(pack(session, number))).into(),
        ..Scene::default()
    };
    assert_eq!(scene.decided().outlook().merge, [run(1, 0), run(1, 1), run(2, 1)]);
}

#[test]
fn merges_runs_with_rows_of_deleted_packs_and_leaves_the_rows_out() {
    let scene = Scene {
        records: vec![ripe(1, &[pack(3, 0)], &[]), Record { gone: Some(vec![8]), ..ripe(2, &[pack(4, 0)], &[]) }],
        sessions: vec![over(1), over(2), over(3), over(4), open(8)],
        runs: vec![
            (run(3, 0), vec![pack(3, 0), pack(3, 1)], false),
            (run(4, 0), vec![pack(4, 0)], false),
            (run(4, 1), vec![pack(4, 1)], false),
        ],
        packs: vec![dead(pack(3, 0)), live(pack(3, 1)), live(pack(4, 1))],
        ..Scene::default()
    };
    let prune = scene.decided();
    assert_eq!(prune.outlook().merge, [run(3, 0), run(4, 0)]);
    assert!(prune.is_dropped(pack(3, 0)) && prune.is_dropped(pack(4, 0)));
    assert!(!prune.is_dropped(pack(3, 1)));
    assert_eq!(prune.outlook().delete, [Removal::Pack(pack(3, 0))]);
}

/// Of a fenced session with two runs, of which the first is to be deleted, and the second as said.
fn fenced_with_two_runs(second: &[RunId<S>], tombstones: &[ListedTombstone<S>]) -> Prune<S> {
    let scene = Scene {
        records: vec![ripe(1, &[], &[run(3, 0)]), Record { waits: Some(vec![8]), ..ripe(2, &[], second) }],
        sessions: vec![over(1), over(2), over(3), open(8)],
        tombstones: tombstones.to_vec(),
        runs: vec![(run(3, 0), vec![pack(3, 0)], false), (run(3, 1), vec![pack(3, 1)], false)],
        packs: vec![live(pack(3, 0)), live(pack(3, 1))],
        ..Scene::default()
    };
    let prune = scene.decided();
    assert_eq!(prune.outlook().delete, [Removal::Index(run(3, 0))]);
    prune
}

#[test]
fn makes_a_fenced_session_void_before_its_first_run_goes() {
    let prune = fenced_with_two_runs(&[run(3, 1)], &[run_tombstone(3, 2)]);
    assert_eq!(prune.next(), Ok(create(Object::Void(3))));
}

#[test]
fn makes_nothing_void_that_counts_in_part_or_was_not_fenced_or_is_void() {
    let delete = Ok(PruneTask::Delete(vec![Removal::Index(run(3, 0))]));
    assert_eq!(fenced_with_two_runs(&[], &[run_tombstone(3, 2)]).next(), delete, "its second run counts");
    assert_eq!(fenced_with_two_runs(&[run(3, 1)], &[]).next(), delete, "it ended by itself");
    assert_eq!(fenced_with_two_runs(&[run(3, 1)], &[run_tombstone(3, 2), void(3)]).next(), delete, "it is void");
}

#[test]
fn condemns_runs_of_void_sessions_that_come_back() {
    let scene = Scene {
        sessions: vec![over(3)],
        tombstones: vec![run_tombstone(3, 1), void(3)],
        runs: vec![(run(3, 0), vec![pack(3, 0)], false)],
        ..Scene::default()
    };
    let prune = scene.decided();
    assert!(!prune.is_run_of_use(run(3, 0)));
    assert_eq!(prune.outlook().condemn.runs, [run(3, 0)]);
    assert!(prune.outlook().merge.is_empty(), "others have its rows");
}

#[test]
fn deletes_after_the_sessions_and_the_grace_only() {
    let scene = |record: Record<S>, waited_for: ListedSession<S>| Scene {
        records: vec![record],
        sessions: vec![over(1), waited_for, over(3)],
        packs: vec![dead(pack(3, 0))],
        ..Scene::default()
    };
    let record = Record { waits: Some(vec![2]), ..ripe(1, &[pack(3, 0)], &[]) };
    let deletes = |record: &Record<S>, waited_for| scene(record.clone(), waited_for).decided().outlook().delete.len();
    assert_eq!(deletes(&record, over(2)), 1);
    assert_eq!(deletes(&record, open(4)), 1, "2 is swept away");
    assert_eq!(deletes(&record, open(2)), 0);
    assert_eq!(deletes(&record, ListedSession { has_lapsed: true, ..open(2) }), 0, "lapsed is not over");
    assert_eq!(deletes(&Record { is_graced: false, ..record }, over(2)), 0);
}

#[test]
fn leaves_what_could_not_be_copied() {
    let mut scene = busy();
    scene.records.remove(1);
    let mut prune = scene.decided();
    let copies = PruneTask::Copy { rescue: vec![pack(3, 0)], repack: vec![pack(4, 2)] };
    assert_eq!(prune.next(), Ok(copies));
    assert!(prune.is_dropped(pack(3, 0)));
    prune.leave(&[pack(3, 0), pack(4, 2)]).unwrap();
    prune.copied().unwrap();
    assert_eq!(prune.outlook().condemn.packs, [pack(4, 1)], "what holds something is not condemned");
    assert!(!prune.outlook().delete.contains(&Removal::Pack(pack(3, 0))), "what is condemned is not deleted");
    assert!(prune.outlook().delete.contains(&Removal::Index(run(3, 0))));
    assert!(!prune.is_dropped(pack(3, 0)), "its rows stay");
    let mut has_gone = false;
    while let Ok(task) = prune.next() {
        match task {
            PruneTask::Create(object) => {
                has_gone |= matches!(object, Object::Gone { record: 1, .. });
                prune.created(Outcome::Created).unwrap();
            }
            PruneTask::Delete(_) => prune.deleted(&[]).unwrap(),
            PruneTask::Merge(_) => prune.merged().unwrap(),
            PruneTask::ListSessions => prune.sessions(vec![open(9)]).unwrap(),
            PruneTask::Done => break,
            task => panic!("{task:?}"),
        }
    }
    assert!(!has_gone, "the record stays open");
    assert!(matches!(prune.leave(&[]), Err(Stop::Misuse(_))));
}

#[test]
fn leaves_a_record_open_of_which_a_delete_was_refused() {
    let scene = Scene {
        records: vec![ripe(1, &[pack(3, 0)], &[]), ripe(2, &[pack(3, 1)], &[])],
        sessions: vec![over(1), over(2), over(3)],
        runs: vec![(run(3, 0), vec![pack(3, 0), pack(3, 1)], false)],
        packs: vec![dead(pack(3, 0)), dead(pack(3, 1))],
        ..Scene::default()
    };
    let mut prune = scene.decided();
    assert_eq!(prune.next(), Ok(PruneTask::Delete(vec![Removal::Pack(pack(3, 0)), Removal::Pack(pack(3, 1))])));
    prune.deleted(&[Removal::Pack(pack(3, 0))]).unwrap();
    assert!(!prune.is_dropped(pack(3, 0)), "it is still there");
    assert!(prune.is_dropped(pack(3, 1)));
    prune.merged().unwrap();
    prune.created(Outcome::Created).unwrap();
    prune.sessions(vec![open(9)]).unwrap();
    prune.created(Outcome::Created).unwrap();
    assert_eq!(prune.next(), Ok(create(Object::Gone { record: 2, sessions: vec![9] })));
    prune.created(Outcome::Created).unwrap();
    assert!(!matches!(prune.next(), Ok(PruneTask::Create(Object::Gone { .. }))));
}

#[test]
fn removes_records_that_nobody_relies_on() {
    let scene = |gone: Option<Vec<S>>, runs: &[RunId<S>]| {
        let record = Record { gone, ..ripe(1, &[pack(3, 0)], &[run(3, 0)]) };
        let runs = runs.iter().map(|run| (*run, vec![pack(3, 0)], false)).collect();
        let sessions = vec![over(1), over(2), open(8), open(9)];
        swept(Scene { records: vec![record], sessions, runs, ..Scene::default() }.decided())
    };
    let record = [Removal::Gone(1), Removal::Waits(1), Removal::Record(1)];
    let is_removed = |sweep: Vec<Removal<S>>| sweep.starts_with(&record);
    assert!(is_removed(scene(Some(vec![2]), &[])));
    assert!(!is_removed(scene(Some(vec![2, 8]), &[])), "8 is open");
    assert!(!is_removed(scene(None, &[])), "nobody has deleted it");
    assert!(!is_removed(scene(Some(vec![2]), &[run(3, 0)])), "its run is there");
    assert!(!is_removed(scene(Some(vec![2]), &[run(4, 0)])), "a run has rows of its pack");
    // What is left of a record without its names says nothing.
    let rest = Record { names: None, gone: None, ..ripe(1, &[], &[]) };
    let scene = Scene { records: vec![rest], sessions: vec![open(9)], ..Scene::default() };
    assert_eq!(swept(scene.decided()), record);
}

#[test]
fn sweeps_a_fenced_session_a_year_later() {
    let sweep = |is_expired: bool, runs: &[u32], packs: &[u32]| {
        let scene = Scene {
            sessions: vec![over(3), open(9)],
            snapshots: vec![ListedSnapshot { is_expired, ..fenced(3, None) }],
            tombstones: [run_tombstone(3, 2), void(3)].map(|listed| ListedTombstone { is_expired, ..listed }).into(),
            runs: runs.iter().map(|number| (run(3, *number), vec![], false)).collect(),
            packs: packs.iter().map(|number| live(pack(3, *number))).collect(),
            ..Scene::default()
        };
        swept(scene.decided())
    };
    let (snapshot, index, void) = (Removal::Snapshot(3), Removal::Index(run(3, 2)), Removal::Void(3));
    assert_eq!(sweep(false, &[], &[]), []);
    // `.void` comes before the tombstone: none comes before a number.
    assert_eq!(sweep(true, &[], &[]), [snapshot, void, index, Removal::Session(3)]);
    assert_eq!(sweep(true, &[], &[0]), [snapshot, void, index], "its pack needs its folder");
    assert_eq!(sweep(true, &[0], &[]), [snapshot, index], "its run must not count");
}

#[test]
fn sweeps_forgotten_snapshots_that_are_there_again() {
    let forgotten = ListedSnapshot { session: 3, tombstone: None, is_forgotten: true, is_expired: false };
    let counting = ListedSnapshot { session: 4, is_forgotten: false, ..forgotten };
    let scene = Scene { sessions: vec![open(9)], snapshots: vec![forgotten, counting], ..Scene::default() };
    assert_eq!(swept(scene.decided()), [Removal::Snapshot(3)]);
}

#[test]
fn names_no_more_in_one_record_than_it_may() {
    let most = u32::try_from(MAX_CONDEMNED).unwrap();
    let scene = Scene {
        sessions: vec![over(1)],
        runs: vec![(run(1, 0), vec![], true)],
        packs: (0..=most).map(|number| dead(pack(1, number))).collect(),
        ..Scene::default()
    };
    let prune = scene.decided();
    let condemn = prune.outlook().condemn;
    assert_eq!(condemn.packs.len() + condemn.runs.len(), MAX_CONDEMNED);
    assert_eq!(condemn.runs, [run(1, 0)], "a merged run must not be left out");
}

#[test]
fn a_chunk_is_held_by_what_is_sound_and_there() {
    use Standing::{Condemned, Sound};
    assert_eq!(choose_holder([(Condemned, true), (Sound, false), (Sound, true), (Sound, true)]), Holder::Keep(2));
    assert_eq!(choose_holder([(Sound, false), (Condemned, true), (Condemned, true)]), Holder::Rescue(1));
    assert_eq!(choose_holder([(Sound, false), (Condemned, false)]), Holder::Lost);
    assert_eq!(choose_holder([]), Holder::Lost);
}
