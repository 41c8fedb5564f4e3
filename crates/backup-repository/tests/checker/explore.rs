//! The rules kept: what can happen in a scenario, and nothing may go wrong.
//!
//! Scenarios that fit are explored whole. Larger ones end at a number of states, unless BACKUP_SLOW is set.

use crate::model::Scenario;
use crate::scenarios::Fault::{PruneDies, PruneLosesAnswers, PushLosesAnswers, TornListings};
use crate::scenarios::Part::{
    self, ChoosyPrune, Forget, MergingPrune, Owner, Prune, Push, PushInParts, Repair, Repeat, Resume,
};
use crate::scenarios::{empty, garbage, garbage_and_more, half_used, orphan, orphan_deleted, two_holders};
use crate::store::{Sid, Store};
use backup_repository::protocol::PackId;
use stateright::{Checker as _, HasDiscoveries, Model as _};
use std::time::Instant;

/// States of one scenario in a run of normal size.
const STATES: usize = 600_000;

/// Explores states, and fails with a trace when one is wrong, or, when all were seen, when one that must be reachable
/// is not.
fn explore(name: &'static str, store: Store, parts: &[Part], adapt: impl FnOnce(Scenario) -> Scenario) {
    let scenario = adapt(Scenario::new(name, store, parts));
    let name = scenario.name;
    let is_slow = std::env::var_os("BACKUP_SLOW").is_some();
    let begin = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut checker = scenario.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    if !is_slow {
        checker = checker.target_state_count(STATES);
    }
    let checker = checker.spawn_dfs().join();
    let model = checker.model();
    let (storages, passes) = model.drains.as_ref().map_or((0, 0), |drains| drains.counts());
    println!(
        "{name}: {} states, depth {}; {storages} storages drained in at most {passes} passes; {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        begin.elapsed().as_secs_f32(),
    );
    let saw_all = is_slow || checker.state_count() < STATES;
    let mut discoveries = checker.discoveries();
    for property in model.properties() {
        match (property.expectation.discovery_is_failure(), discoveries.remove(property.name)) {
            (true, Some(path)) => panic!("{name}: not so: {}\n{}", property.name, crate::trace::path(model, path)),
            (false, None) if saw_all => panic!("{name}: never so: {}", property.name),
            _ => {}
        }
    }
    assert!(checker.unique_state_count() > 100, "{name}: hardly anything was explored");
}

#[test]
fn a_push_and_a_prune_whose_answers_are_lost() {
    explore("push, prune of three passes", garbage(), &[Push(1, 1), Prune(3)], |s| {
        s.with(&[PushLosesAnswers, PruneLosesAnswers])
    });
}

#[test]
fn a_push_and_a_prune_with_torn_listings() {
    explore("push, prune of three passes", garbage(), &[Push(1, 1), Prune(3)], |s| s.with(&[TornListings]));
}

#[test]
fn a_push_that_is_fenced_twice_and_a_prune_that_dies() {
    explore("push, prune, two fences", garbage(), &[Push(1, 1), Prune(3), Owner(2)], |s| {
        s.with(&[PushLosesAnswers, PruneDies])
    });
}

#[test]
fn two_pushes_and_a_prune() {
    explore("two pushes, prune", garbage(), &[Push(1, 1), Push(2, 1), Prune(3)], |s| s);
}

#[test]
fn a_push_that_is_resumed_and_a_prune() {
    explore("push, resume, prune", garbage(), &[Push(1, 1), Resume(2, 1, 1), Prune(3)], |s| s);
}

#[test]
fn two_prunes_that_disagree() {
    explore("two prunes", two_holders(), &[MergingPrune(2), MergingPrune(2)], |s| s);
}

#[test]
fn two_prunes_a_forget_and_a_fence() {
    let parts = [Prune(2), Prune(2), Forget(Sid::old(1)), Owner(1)];
    explore("two prunes, forget, fence", two_holders(), &parts, |s| s.with(&[PruneDies]));
}

#[test]
fn a_push_and_prunes_that_merge() {
    let parts = [Push(1, 1), MergingPrune(3), MergingPrune(1)];
    explore("push, two merging prunes", garbage_and_more(), &parts, |s| s);
}

#[test]
fn a_pack_half_used_and_a_forget() {
    let parts = [Push(1, 2), MergingPrune(3), Forget(Sid::old(1))];
    explore("push, merging prune, forget", half_used(), &parts, |s| s);
}

#[test]
fn an_empty_repository_with_two_pushes_a_prune_and_a_fence() {
    let parts = [Push(1, 1), Push(2, 1), Prune(4), Owner(1)];
    explore("two pushes, prune, fence", empty(), &parts, |s| s.with(&[PushLosesAnswers]));
}

#[test]
fn a_push_that_is_forgotten_while_its_answer_is_lost() {
    let parts = [Push(1, 1), Forget(Sid::push(1)), MergingPrune(3), Owner(1)];
    explore("push, forget, prune, fence", garbage(), &parts, |s| s.with(&[PushLosesAnswers]));
}

#[test]
fn a_push_of_two_runs_that_is_fenced_while_it_ends() {
    let parts = [PushInParts(1, 0b11), ChoosyPrune(3), Owner(1)];
    explore("push of two runs, prune that merges one, fence", empty(), &parts, |s| s);
}

#[test]
fn a_repair_of_the_index() {
    let parts = [Push(1, 0b1), Repair, Prune(3), Owner(1)];
    explore("push, repair, prune, fence", orphan(), &parts, |s| s.with(&[PushLosesAnswers]));
}

#[test]
fn a_repair_of_a_pack_that_was_deleted_and_comes_back() {
    let back = Repeat(PackId { session: Sid::old(1), number: 0 }, 0b1);
    let parts = [back, Repair, Push(1, 0b1), Prune(1), Prune(1)];
    explore("a deleted pack comes back, repair, push, two prunes", orphan_deleted(), &parts, |s| s);
}
