//! What it deletes, leaves and sweeps.

use super::*;

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
