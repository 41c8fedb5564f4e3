use super::*;

const FENCED: Outcome<S> = Outcome::Taken(Occupant::Other);
const CALLS: [Call<Writer<S>>; 12] = [
    ("created", |writer| writer.created(Outcome::Created)),
    ("adopted_runs", |writer| writer.adopted_runs([])),
    ("condemned", |writer| writer.condemned(&[])),
    ("indexed", |writer| writer.indexed([])),
    ("adopted_packs", |writer| writer.adopted_packs([]).map(|_| ())),
    ("begin_pack", |writer| writer.begin_pack().map(|_| ())),
    ("pack_stored", |writer| writer.pack_stored(pack(writer.session(), 0), Outcome::Created)),
    ("begin_run", |writer| writer.begin_run().map(|_| ())),
    ("begin_run_of", |writer| writer.begin_run_of(&[pack(writer.session(), 0)]).map(|_| ())),
    ("run_stored", |writer| writer.run_stored(Outcome::Created)),
    ("commit", Writer::commit),
    ("give_up", Writer::give_up),
];

fn create(object: Object<S>) -> Result<WriterTask<S>, Stop> {
    Ok(WriterTask::Create(object))
}

/// A session that may write.
fn writing(session: S) -> Writer<S> {
    let mut writer = Writer::new(session);
    writer.created(Outcome::Created).unwrap();
    writer.condemned(&[]).unwrap();
    writer.indexed([]).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::Write));
    writer
}

#[test]
fn asks_for_everything_in_order_and_refuses_the_rest() {
    let mut writer = Writer::resume(3, vec![2]);
    let check = |writer: &Writer<S>, task, allowed: &[&str]| {
        assert_eq!(writer.next(), task);
        refuses_all_but(writer, &CALLS, allowed);
    };
    check(&writer, create(Object::Start { session: 3, adopts: vec![2] }), &["created"]);
    writer.created(Outcome::Created).unwrap();
    let tombstone = Object::SnapshotTombstone { session: 2, tombstone: Tombstone { by: Some(3) } };
    check(&writer, create(tombstone), &["created"]);
    writer.created(Outcome::Created).unwrap();
    check(&writer, Ok(WriterTask::ListRuns(2)), &["adopted_runs"]);
    writer.adopted_runs([run(2, 0)]).unwrap();
    check(&writer, create(Object::RunTombstone(run(2, 1))), &["created"]);
    writer.created(Outcome::Created).unwrap();
    check(&writer, create(Object::End(2)), &["created"]);
    writer.created(Outcome::Created).unwrap();
    check(&writer, Ok(WriterTask::ListCondemned), &["condemned"]);
    writer.condemned(&[]).unwrap();
    check(&writer, Ok(WriterTask::ListIndex), &["indexed"]);
    writer.indexed([]).unwrap();
    check(&writer, Ok(WriterTask::ListPacks(vec![2])), &["adopted_packs"]);
    writer.adopted_packs([]).unwrap();
    check(&writer, Ok(WriterTask::Write), &["begin_pack", "begin_run", "commit", "give_up"]);
    let first = writer.begin_pack().unwrap();
    check(&writer, Ok(WriterTask::Write), &["begin_pack", "pack_stored", "begin_run"]);
    writer.pack_stored(first, Outcome::Created).unwrap();
    check(&writer, Ok(WriterTask::Write), &["begin_pack", "begin_run", "begin_run_of"]);
    writer.begin_run().unwrap();
    check(&writer, Ok(WriterTask::Write), &["begin_pack", "run_stored"]);
    writer.run_stored(Outcome::Created).unwrap();
    check(&writer, Ok(WriterTask::Write), &["begin_pack", "begin_run", "commit", "give_up"]);
    writer.commit().unwrap();
    check(&writer, create(Object::Commit(3)), &["created"]);
    writer.created(Outcome::Created).unwrap();
    check(&writer, create(Object::End(3)), &["created"]);
    writer.created(Outcome::Created).unwrap();
    check(&writer, Ok(WriterTask::Done), &[]);
}

#[test]
fn commits_only_what_stands_in_a_run() {
    let mut writer = writing(1);
    let (a, b) = (writer.begin_pack().unwrap(), writer.begin_pack().unwrap());
    assert_eq!((a, b), (pack(1, 0), pack(1, 1)));
    writer.pack_stored(b, Outcome::Created).unwrap();
    assert_eq!(writer.begin_run(), Ok(Some(Object::Run { run: run(1, 0), packs: vec![b] })), "of stored packs only");
    writer.pack_stored(a, Outcome::Created).unwrap();
    writer.run_stored(Outcome::Created).unwrap();
    assert!(matches!(writer.commit(), Err(Stop::Misuse(_))), "a pack stands in no run");
    assert_eq!(writer.begin_run_of(&[a]), Ok(run(1, 1)));
    writer.run_stored(Outcome::Created).unwrap();
    writer.commit().unwrap();
}

#[test]
fn is_fenced_at_every_create_but_its_end() {
    let stopped = |mut writer: Writer<S>, create: fn(&mut Writer<S>) -> Result<(), Stop>| {
        assert_eq!(create(&mut writer), Err(Stop::Fenced));
        assert_eq!(writer.next(), Err(Stop::Fenced));
        assert_eq!(writer.begin_pack(), Err(Stop::Fenced));
        assert_eq!(writer.begin_run(), Err(Stop::Fenced));
        assert_eq!(writer.commit(), Err(Stop::Fenced));
    };
    stopped(Writer::new(1), |writer| writer.created(FENCED));
    let mut writer = writing(1);
    let first = writer.begin_pack().unwrap();
    stopped(writer.clone(), |writer| writer.pack_stored(pack(1, 0), FENCED));
    writer.pack_stored(first, Outcome::Created).unwrap();
    writer.begin_run().unwrap();
    stopped(writer.clone(), |writer| writer.run_stored(Outcome::Taken(Occupant::RunTombstone)));
    writer.run_stored(Outcome::Created).unwrap();
    writer.commit().unwrap();
    stopped(writer.clone(), |writer| {
        writer.created(Outcome::Taken(Occupant::SnapshotTombstone(Tombstone { by: None })))
    });
    writer.created(Outcome::Created).unwrap();
    // Whoever fenced it came too late: the snapshot counts.
    writer.created(FENCED).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::Done));
}

#[test]
fn gives_up_without_a_commit() {
    let mut writer = writing(1);
    writer.give_up().unwrap();
    assert_eq!(writer.next(), create(Object::End(1)));
    writer.created(Outcome::Created).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::Done));
}

#[test]
fn counts_nothing_condemned_or_void() {
    let mut writer = Writer::new(9);
    writer.created(Outcome::Created).unwrap();
    let nameless = Record { names: None, ..ripe(4, &[], &[]) };
    writer.condemned(&[ripe(1, &[pack(2, 0)], &[run(2, 0)]), nameless, ripe(3, &[pack(2, 2)], &[])]).unwrap();
    writer.indexed([5]).unwrap();
    assert!(!writer.is_present([pack(2, 0), pack(2, 2)]));
    assert!(writer.is_present([pack(2, 0), pack(2, 1)]));
    assert!(!writer.is_present([]));
    assert!(!writer.is_run_of_use(run(2, 0)));
    assert!(!writer.is_run_of_use(run(5, 0)));
    assert!(writer.is_run_of_use(run(2, 1)));
}

/// Lets a writer fence the next of those it adopts, which has no run, and finds this under its snapshot's name.
fn adopt(writer: &mut Writer<S>, found: Outcome<S>) {
    writer.created(found).unwrap();
    writer.adopted_runs([]).unwrap();
    writer.created(Outcome::Created).unwrap();
    writer.created(Outcome::Created).unwrap();
}

fn fenced_by(by: Option<S>) -> Outcome<S> {
    Outcome::Taken(Occupant::SnapshotTombstone(Tombstone { by }))
}

#[test]
fn owns_what_its_predecessor_had_adopted() {
    // 4 resumes 3, which had resumed 2, which had resumed 1.
    let mut writer = Writer::resume(4, vec![3, 2, 1]);
    writer.created(Outcome::Created).unwrap();
    adopt(&mut writer, Outcome::Created);
    adopt(&mut writer, fenced_by(Some(3)));
    adopt(&mut writer, fenced_by(Some(2)));
    writer.condemned(&[ripe(8, &[pack(1, 1)], &[])]).unwrap();
    writer.indexed([]).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::ListPacks(vec![3, 2, 1])));
    let somebody_elses = writer.clone().adopted_packs([pack(5, 0)]);
    assert!(matches!(somebody_elses, Err(Stop::Misuse(_))), "{somebody_elses:?}");
    assert_eq!(writer.adopted_packs([pack(1, 1), pack(2, 7), pack(1, 0)]), Ok(vec![pack(2, 7), pack(1, 0)]));
    let all = Object::Run { run: run(4, 0), packs: vec![pack(1, 0), pack(2, 7)] };
    assert_eq!(writer.begin_run(), Ok(Some(all)));
}

#[test]
fn owns_nothing_that_another_ended_or_that_committed() {
    for found in [fenced_by(None), fenced_by(Some(7)), Outcome::Taken(Occupant::Commit)] {
        let mut writer = Writer::resume(4, vec![3]);
        writer.created(Outcome::Created).unwrap();
        adopt(&mut writer, found);
        writer.condemned(&[]).unwrap();
        writer.indexed([]).unwrap();
        assert_eq!(writer.next(), Ok(WriterTask::Write), "{found:?}");
    }
}

#[test]
fn owns_nothing_behind_a_link_that_an_owner_broke() {
    // 3 had adopted 2, and then an owner fenced 3.
    let mut writer = Writer::resume(4, vec![3, 2]);
    writer.created(Outcome::Created).unwrap();
    adopt(&mut writer, fenced_by(None));
    adopt(&mut writer, fenced_by(Some(3)));
    writer.condemned(&[]).unwrap();
    writer.indexed([]).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::Write));
}
