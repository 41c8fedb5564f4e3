//! What it condemns, merges and makes void.

use super::*;

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
