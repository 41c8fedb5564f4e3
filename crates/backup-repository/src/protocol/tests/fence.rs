use super::*;

const TAKEN_BY_RUN: Outcome<S> = Outcome::Taken(Occupant::Run);
const CALLS: [Call<Fence<S>>; 2] =
    [("created", |fence| fence.created(Outcome::Created)), ("runs", |fence| fence.runs([run(1, 4)]))];

fn create(object: Object<S>) -> FenceTask<S> {
    FenceTask::Create(object)
}

fn tombstone(by: Option<S>) -> Object<S> {
    Object::SnapshotTombstone { session: 1, tombstone: Tombstone { by } }
}

#[test]
fn takes_the_snapshot_then_the_next_run_then_ends() {
    let mut fence = Fence::new(1);
    assert_eq!(fence.next(), create(tombstone(None)));
    refuses_all_but(&fence, &CALLS, &["created"]);
    fence.created(Outcome::Created).unwrap();
    assert_eq!(fence.next(), FenceTask::ListRuns(1));
    refuses_all_but(&fence, &CALLS, &["runs"]);
    fence.runs([run(1, 1), run(2, 7), run(1, 0)]).unwrap();
    assert_eq!(fence.next(), create(Object::RunTombstone(run(1, 2))));
    refuses_all_but(&fence, &CALLS, &["created"]);
    fence.created(Outcome::Created).unwrap();
    assert_eq!(fence.next(), create(Object::End(1)));
    refuses_all_but(&fence, &CALLS, &["created"]);
    fence.created(Outcome::Created).unwrap();
    assert_eq!(fence.next(), FenceTask::Done(Verdict::Fenced(Tombstone { by: None })));
    refuses_all_but(&fence, &CALLS, &[]);
}

#[test]
fn goes_on_behind_runs_that_come_meanwhile() {
    let mut fence = Fence::adopt(1, 9);
    assert_eq!(fence.next(), create(tombstone(Some(9))));
    fence.created(Outcome::Created).unwrap();
    fence.runs([]).unwrap();
    fence.created(TAKEN_BY_RUN).unwrap();
    fence.created(TAKEN_BY_RUN).unwrap();
    assert_eq!(fence.next(), create(Object::RunTombstone(run(1, 2))));
    // Another fence was here.
    fence.created(Outcome::Taken(Occupant::RunTombstone)).unwrap();
    assert_eq!(fence.next(), create(Object::End(1)));
    fence.created(Outcome::Taken(Occupant::Other)).unwrap();
    assert_eq!(fence.next(), FenceTask::Done(Verdict::Fenced(Tombstone { by: Some(9) })));
}

#[test]
fn finds_a_commit_or_the_first_adopter() {
    let first = Tombstone { by: Some(7) };
    for (occupant, verdict) in [
        (Occupant::Commit, Verdict::Committed),
        (Occupant::Other, Verdict::Unclear),
        (Occupant::SnapshotTombstone(first), Verdict::Fenced(first)),
        (Occupant::SnapshotTombstone(Tombstone { by: None }), Verdict::Fenced(Tombstone { by: None })),
    ] {
        let mut fence = Fence::adopt(1, 9);
        fence.created(Outcome::Taken(occupant)).unwrap();
        fence.runs([]).unwrap();
        fence.created(Outcome::Created).unwrap();
        fence.created(Outcome::Created).unwrap();
        assert_eq!(fence.next(), FenceTask::Done(verdict));
    }
    assert!(matches!(Fence::new(1).created(Outcome::Taken(Occupant::Run)), Err(Stop::Misuse(_))));
}

#[test]
fn no_number_behind_a_gap_leads_it_past_the_next_run() {
    for (listed, next) in [(vec![0, 1, 9], 2), (vec![u32::MAX], 0), (vec![0, 2, 1, 4, u32::MAX], 3)] {
        let mut fence = Fence::new(1);
        fence.created(Outcome::Created).unwrap();
        fence.runs(listed.into_iter().map(|number| run(1, number))).unwrap();
        assert_eq!(fence.next(), create(Object::RunTombstone(run(1, next))));
        // What is neither run nor tombstone keeps no name for good.
        fence.created(Outcome::Taken(Occupant::Other)).unwrap();
        assert_eq!(fence.next(), create(Object::RunTombstone(run(1, next + 1))));
    }
}

#[test]
fn a_forget_notes_before_it_deletes() {
    const CALLS: [Call<Forget<S>>; 2] =
        [("created", |forget| forget.created(Outcome::Created)), ("deleted", Forget::deleted)];
    let mut forget = Forget::new(1);
    assert_eq!(forget.next(), ForgetTask::Create(Object::Forgotten(1)));
    refuses_all_but(&forget, &CALLS, &["created"]);
    forget.created(Outcome::Taken(Occupant::Other)).unwrap();
    assert_eq!(forget.next(), ForgetTask::Delete(Removal::Snapshot(1)));
    refuses_all_but(&forget, &CALLS, &["deleted"]);
    forget.deleted().unwrap();
    assert_eq!(forget.next(), ForgetTask::Done);
    refuses_all_but(&forget, &CALLS, &[]);
}
