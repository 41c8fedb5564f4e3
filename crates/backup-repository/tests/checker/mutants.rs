//! Each rule left out: the checker must notice. The shortest way to lose a chunk without it stands in
//! docs/protocol.md; `BACKUP_UPDATE_DOCS=1` writes it there, otherwise it must be there.

use crate::model::{Act, NOTHING_LOST, Scenario, World};
use crate::scenarios::Fault::{AllLapsed, PushLosesAnswers};
use crate::scenarios::Part::{Forget, MergingPrune, Owner, Prune, Push};
use crate::scenarios::{empty, garbage, garbage_and_more, two_holders};
use crate::store::Sid;
use backup_repository::protocol::Rule::{self, *};
use backup_repository::protocol::Rules;
use stateright::{Checker as _, HasDiscoveries, Model as _, Path};
use std::sync::Mutex;

/// Leaves the rules out of a scenario, and holds the shortest trace against the documentation.
fn caught(name: &str, rules: &[Rule], scenario: impl Fn() -> Scenario) {
    let rules = rules.iter().copied().fold(Rules::default(), Rules::without);
    let scenario = || scenario().under(rules).not_drained();
    let (path, states) = shortest_loss(&scenario).unwrap_or_else(|| panic!("nothing is lost without: {name}"));
    let trace = crate::trace::steps(&scenario(), &path) + &crate::trace::end(&path);
    println!("without {name}: lost after {} steps, in {states} states\n{trace}", path.into_actions().len());
    document(name, &trace);
}

/// The shortest path, and how many states it took to find one.
fn shortest_loss(scenario: impl Fn() -> Scenario) -> Option<(Path<World, Act>, usize)> {
    let loss = || HasDiscoveries::AnyOf([NOTHING_LOST].into());
    let checker = scenario().checker().finish_when(loss()).spawn_bfs().join();
    let states = checker.unique_state_count();
    let mut path = checker.discovery(NOTHING_LOST)?;
    // The search ends in the middle of a level, and the last that it saw counts.
    loop {
        let depth = path.clone().into_states().len();
        let checker = scenario().checker().finish_when(loss()).target_max_depth(depth).spawn_bfs().join();
        match checker.discovery(NOTHING_LOST) {
            Some(shorter) => path = shorter,
            None => return Some((path, states)),
        }
    }
}

fn document(name: &str, trace: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let text = std::fs::read_to_string(file).unwrap();
    let begin = format!("<!-- without: {name} -->\n```text\n");
    let from = text.find(&begin).unwrap_or_else(|| panic!("{file} has no place for: {name}")) + begin.len();
    let to = from + text[from..].find("```").expect("the block has an end");
    if std::env::var_os("BACKUP_UPDATE_DOCS").is_some() {
        std::fs::write(file, format!("{}{trace}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], trace, "{file} has another trace: run this with BACKUP_UPDATE_DOCS=1");
    }
}

#[test]
fn mark_before_the_sessions_are_over() {
    caught("the sessions are over before the mark", &[OverBeforeMark], || {
        Scenario::new("", garbage(), &[Push(1, 0b1), Prune(2)])
    });
}

#[test]
fn second_mark_skipped() {
    caught("the second mark", &[SecondMark], || Scenario::new("", garbage(), &[Push(1, 0b1), Prune(2)]));
}

#[test]
fn sparing_instead_of_rescue() {
    caught("rescue by a copy", &[RescueByCopy], || Scenario::new("", two_holders(), &[Prune(2), Prune(2)]));
}

#[test]
fn a_lapsed_lease_trusted_without_fence() {
    caught("a fence for a lapsed lease", &[FenceLapsed], || {
        Scenario::new("", garbage(), &[Push(1, 0b1), Prune(2)]).with(&[AllLapsed])
    });
}

#[test]
fn the_late_index_run_not_fenced() {
    caught("a fence for the late index run", &[FenceIndex], || {
        Scenario::new("", empty(), &[Push(1, 0b1), Push(2, 0b1), Prune(3), Owner(1)])
    });
}

#[test]
fn index_listed_before_condemned() {
    caught("condemned listed before index", &[CondemnedBeforeIndex], || {
        Scenario::new("", garbage(), &[Push(1, 0b1), Prune(4)])
    });
}

#[test]
fn record_removed_at_once() {
    caught("a record that stays", &[GoneSessionsOver, NoRowsLeft], || {
        Scenario::new("", garbage(), &[Push(1, 0b1), Prune(3)])
    });
}

#[test]
fn record_removed_at_once_with_a_merge() {
    caught("a record that stays, with a merge", &[GoneSessionsOver, NoRowsLeft], || {
        Scenario::new("", garbage_and_more(), &[Push(1, 0b1), MergingPrune(3)])
    });
}

#[test]
fn prune_without_a_session() {
    caught("a session for prune", &[PruneSession], || {
        Scenario::new("", garbage_and_more(), &[Push(1, 0b1), Prune(4), MergingPrune(1)])
    });
}

#[test]
fn sessions_listed_before_the_record() {
    caught("the record before the list of sessions", &[RecordBeforeSessions], || {
        Scenario::new("", garbage(), &[Push(1, 0b1), Prune(2)])
    });
}

#[test]
fn runs_of_a_fenced_session_deleted_and_not_void() {
    caught("void runs", &[VoidRuns], || {
        Scenario::new("", empty(), &[Push(1, 0b1), Push(2, 0b1), Prune(4), Owner(1)]).with(&[PushLosesAnswers])
    });
}

#[test]
fn a_snapshot_deleted_without_a_note() {
    caught("a note of what is forgotten", &[NoteForgotten], || {
        let parts = [Push(1, 0b1), Prune(2), Owner(1), Forget(Sid::push(1))];
        Scenario::new("", garbage(), &parts).with(&[PushLosesAnswers])
    });
}
