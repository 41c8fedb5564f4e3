use super::*;

const CALLS: [Call<Repair<S>>; 3] = [
    ("sessions", |repair| repair.sessions([])),
    ("give_up", Repair::give_up),
    ("writer", |repair| repair.writer().map(|_| ())),
];

/// A repair that has listed condemned and waits, or would.
fn listed(records: &[Record<S>]) -> Repair<S> {
    let mut repair = Repair::new(9);
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::Create(Object::Start { session: 9, adopts: vec![] }))));
    refuses_all_but(&repair, &CALLS, &["writer"]);
    repair.writer().unwrap().created(Outcome::Created).unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::ListCondemned)));
    refuses_all_but(&repair, &CALLS, &["writer", "give_up"]);
    repair.writer().unwrap().condemned(records).unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::ListSessions));
    refuses_all_but(&repair, &CALLS, &["sessions", "give_up"]);
    repair
}

#[test]
fn waits_for_those_that_were_open_and_for_nobody_else() {
    let mut repair = listed(&[]);
    repair.sessions([over(1), open(3), open(2), open(9)]).unwrap();
    assert_eq!(repair.waits_for(), [2, 3]);
    assert_eq!(repair.next(), Ok(RepairTask::ListSessions));
    refuses_all_but(&repair, &CALLS, &["sessions", "give_up"]);
    repair.sessions([open(2), over(3), open(4), open(9)]).unwrap();
    assert_eq!(repair.waits_for(), [2]);
    // 2 is swept away, and only what is over is.
    repair.sessions([open(4), open(9)]).unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::ListIndex)));
    refuses_all_but(&repair, &CALLS, &["writer", "give_up"]);
}

#[test]
fn publishes_packs_of_anybody_that_count_and_commits_nothing() {
    let mut repair = listed(&[ripe(5, &[pack(2, 0)], &[])]);
    repair.sessions([open(9)]).unwrap();
    let writer = repair.writer().unwrap();
    writer.indexed([]).unwrap();
    assert_eq!(writer.next(), Ok(WriterTask::ListAllPacks));
    assert_eq!(writer.adopted_packs([pack(2, 0), pack(2, 1), pack(3, 0)]), Ok(vec![pack(2, 1), pack(3, 0)]));
    let both = Object::Run { run: run(9, 0), packs: vec![pack(2, 1), pack(3, 0)] };
    assert_eq!(writer.begin_run(), Ok(Some(both)));
    writer.run_stored(Outcome::Created).unwrap();
    assert!(matches!(writer.commit(), Err(Stop::Misuse(_))));
    writer.give_up().unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::Create(Object::End(9)))));
}

#[test]
fn gives_up_without_having_waited() {
    let mut repair = listed(&[]);
    repair.sessions([open(8), open(9)]).unwrap();
    repair.give_up().unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::Create(Object::End(9)))));
    repair.writer().unwrap().created(Outcome::Created).unwrap();
    assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::Done)));
}

#[test]
fn gives_up_with_packs_in_no_run_but_not_while_it_writes_one() {
    let mut repair = listed(&[]);
    repair.sessions([open(9)]).unwrap();
    repair.writer().unwrap().indexed([]).unwrap();
    repair.writer().unwrap().adopted_packs([pack(2, 1), pack(3, 0)]).unwrap();
    let mut writing = repair.clone();
    writing.writer().unwrap().begin_run_of(&[pack(2, 1)]).unwrap();
    assert!(matches!(writing.give_up(), Err(Stop::Misuse(_))), "it may arrive");
    writing.writer().unwrap().run_stored(Outcome::Created).unwrap();
    for mut repair in [repair, writing] {
        repair.give_up().unwrap();
        assert_eq!(repair.next(), Ok(RepairTask::Write(WriterTask::Create(Object::End(9)))));
    }
}
