//! What it asks for, in which order, and how it ends.

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
