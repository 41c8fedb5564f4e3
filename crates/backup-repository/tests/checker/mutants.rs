//! Each rule left out: the checker must notice.

use crate::model::{NOTHING_LOST, Scenario};
use crate::scenarios::Fault::AllLapsed;
use crate::scenarios::Part::{self, MergingPrune, Owner, Prune, Push};
use crate::scenarios::{empty, garbage, garbage_and_more, two_holders};
use crate::store::Store;
use backup_repository::protocol::{Rule, Rules};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// Explores a scenario without these rules until a chunk is lost, and prints how.
fn loses(scenario: Scenario, rules: &[Rule]) {
    let without = rules.iter().copied().fold(Rules::default(), Rules::without);
    let checker = scenario
        .not_drained()
        .under(without)
        .checker()
        .finish_when(HasDiscoveries::AnyOf([NOTHING_LOST].into()))
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let path = checker.discovery(NOTHING_LOST);
    let path = path.unwrap_or_else(|| panic!("without {rules:?} nothing is lost in {states} states"));
    println!("without {rules:?}: {states} states\n{}", crate::trace::path(checker.model(), path));
}

fn scenario(store: Store, parts: &[Part]) -> Scenario {
    Scenario::new("a rule is left out", store, parts)
}

#[test]
fn marking_before_the_sessions_are_over_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(2)]), &[Rule::OverBeforeMark]);
}

#[test]
fn skipping_the_second_mark_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(2)]), &[Rule::SecondMark]);
}

#[test]
fn sparing_instead_of_rescue_loses() {
    loses(scenario(two_holders(), &[Prune(2), Prune(2)]), &[Rule::RescueByCopy]);
}

#[test]
fn trusting_a_lapsed_lease_without_a_fence_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(2)]).with(&[AllLapsed]), &[Rule::FenceLapsed]);
}

#[test]
fn not_fencing_the_late_run_loses() {
    loses(scenario(empty(), &[Push(1, 1), Push(2, 1), Prune(3), Owner(1)]), &[Rule::FenceIndex]);
}

#[test]
fn listing_the_index_before_the_records_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(4)]), &[Rule::CondemnedBeforeIndex]);
}

#[test]
fn listing_the_sessions_before_the_record_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(2)]), &[Rule::RecordBeforeSessions]);
}

#[test]
fn removing_the_record_at_once_loses() {
    loses(scenario(garbage(), &[Push(1, 1), Prune(3)]), &[Rule::GoneSessionsOver, Rule::NoRowsLeft]);
}

#[test]
fn removing_the_record_at_once_with_a_merge_loses() {
    loses(scenario(garbage_and_more(), &[Push(1, 1), MergingPrune(3)]), &[Rule::GoneSessionsOver, Rule::NoRowsLeft]);
}

#[test]
fn a_prune_without_a_session_loses() {
    loses(scenario(garbage_and_more(), &[Push(1, 1), Prune(4), MergingPrune(1)]), &[Rule::PruneSession]);
}
