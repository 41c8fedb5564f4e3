//! The rules kept: what can happen in a scenario, and nothing may go wrong.
//!
//! In a run of normal size a scenario ends after a number of steps; with BACKUP_SLOW it is explored whole, or ends later.

use crate::client::Late;
use crate::docs;
use crate::model::Scenario;
use crate::scenarios::Fault::{PruneDies, PruneLosesAnswers, PushLosesAnswers, TornListings};
use crate::scenarios::Part::{
    ChoosyPrune, Forget, LatePrune, MergingPrune, Owner, Prune, Push, PushInParts, Repair, Repeat, Resume,
};
use crate::store::Sid;
use crate::stores::{
    empty, garbage, garbage_and_more, garbage_of_a_fenced, half_used, orphan, orphan_deleted, two_holders,
};
use backup_repository::protocol::PackId;
use stateright::{Checker as _, HasDiscoveries, Model as _};
use std::time::Instant;

/// Steps taken in one scenario in a run of normal size, and in a slow one.
const STEPS: [usize; 2] = [400_000, 30_000_000];

/// Explores states, and fails with a trace when one is wrong, or, when all were seen, when one that must be reachable
/// is not.
fn explore(scenario: Scenario) {
    let name = scenario.name;
    let steps = STEPS[usize::from(std::env::var_os("BACKUP_SLOW").is_some())];
    let begin = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = scenario.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.target_state_count(steps).spawn_dfs().join();
    let model = checker.model();
    let (storages, passes) = model.drains.as_ref().expect("drains").counts();
    let states = checker.unique_state_count();
    println!(
        "{name}: {states} states, depth {}; {storages} storages drained in at most {passes} passes; {:.1} s",
        checker.max_depth(),
        begin.elapsed().as_secs_f32(),
    );
    let saw_all = checker.state_count() < steps;
    let mut discoveries = checker.discoveries();
    for property in model.properties() {
        match (property.expectation.discovery_is_failure(), discoveries.remove(property.name)) {
            (true, Some(path)) => {
                panic!("{name}: not so: {}\n{}", property.name, crate::trace::whole_path(model, path))
            }
            (false, None) if saw_all => panic!("{name}: never so: {}", property.name),
            _ => {}
        }
    }
    assert!(states > 100, "{name}: hardly anything was explored");
    let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
    if saw_all {
        docs::hold_row(&names, name, &format!(" {} | {} | {passes} |", grouped(states), grouped(storages)));
    } else if steps == STEPS[1] {
        docs::hold_row(&names, name, &format!(" not all in {} steps | | |", grouped(steps)));
    }
}

/// With a comma before every three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let comma = |place: usize| place != 0 && (digits.len() - place).is_multiple_of(3);
    digits.char_indices().flat_map(|(place, digit)| comma(place).then_some(',').into_iter().chain([digit])).collect()
}

macro_rules! scenarios {
    ($($test:ident: $name:literal, $store:expr, $parts:expr, $faults:expr;)*) => {
        $(
            #[test]
            fn $test() {
                explore(Scenario::new($name, $store, &$parts).with(&$faults));
            }
        )*

        fn all() -> Vec<Scenario> {
            vec![$(Scenario::new($name, $store, &$parts).with(&$faults)),*]
        }
    };
}

#[test]
fn the_page_has_every_scenario() {
    let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(docs::scenarios(), names);
}

const FIRST: [Sid; 1] = [Sid::push(1)];
const BOTH: [Sid; 2] = [Sid::push(2), Sid::push(1)];

scenarios! {
    a_push_and_a_prune_whose_answers_are_lost:
        "push, prune of three passes, answers lost",
        garbage(), [Push(1, 0b1), Prune(3)], [PushLosesAnswers, PruneLosesAnswers];
    a_push_and_a_prune_with_torn_listings:
        "push, prune of three passes, listings torn",
        garbage(), [Push(1, 0b1), Prune(3)], [TornListings];
    a_pack_half_used_and_a_forget:
        "push, merging prune, forget",
        half_used(), [Push(1, 0b10), MergingPrune(3), Forget(Sid::old(1))], [];
    two_pushes_and_a_prune:
        "two pushes, prune",
        garbage(), [Push(1, 0b1), Push(2, 0b1), Prune(3)], [];
    a_push_and_prunes_that_merge:
        "push, two merging prunes",
        garbage_and_more(), [Push(1, 0b1), MergingPrune(3), MergingPrune(1)], [];
    two_prunes_that_disagree:
        "two merging prunes of one chunk in two packs",
        two_holders(), [MergingPrune(2), MergingPrune(2)], [];
    two_prunes_a_forget_and_a_fence:
        "two prunes that die, forget, fence",
        two_holders(), [Prune(2), Prune(2), Forget(Sid::old(1)), Owner(1)], [PruneDies];
    a_push_that_is_fenced_twice_and_a_prune_that_dies:
        "push, prune that dies, two fences, answers lost",
        garbage(), [Push(1, 0b1), Prune(3), Owner(2)], [PushLosesAnswers, PruneDies];
    an_empty_repository_with_two_pushes_a_prune_and_a_fence:
        "two pushes, prune of four passes, fence, answers lost",
        empty(), [Push(1, 0b1), Push(2, 0b1), Prune(4), Owner(1)], [PushLosesAnswers];
    a_push_that_is_forgotten_while_its_answer_is_lost:
        "push, forget of it, merging prune, fence, answers lost",
        garbage(), [Push(1, 0b1), Forget(Sid::push(1)), MergingPrune(3), Owner(1)], [PushLosesAnswers];
    a_push_of_two_runs_that_is_fenced_while_it_ends:
        "push of two runs, prune that merges one of them, fence, answers lost",
        empty(), [PushInParts(1, 0b11), ChoosyPrune(3), Owner(1)], [PushLosesAnswers];
    a_push_of_two_runs_of_which_one_is_forgotten:
        "push of two runs, forget of it, push of one chunk, prune that merges one, fence",
        empty(), [PushInParts(1, 0b11), Forget(Sid::push(1)), Push(2, 0b10), ChoosyPrune(3), Owner(1)], [];
    a_push_that_is_resumed_and_a_prune:
        "push, resumed, prune",
        garbage(), [Push(1, 0b1), Resume(2, &FIRST, 0b1), Prune(3)], [];
    a_push_that_is_resumed_twice:
        "push, resumed and resumed again, prune, answers lost",
        empty(), [Push(1, 0b1), Resume(2, &FIRST, 0b1), Resume(3, &BOTH, 0b1), Prune(2)], [PushLosesAnswers];
    a_push_that_is_resumed_and_fenced_and_prunes_that_merge:
        "push of two runs, resumed, merging prune, fence, answers lost",
        garbage(), [PushInParts(1, 0b11), Resume(2, &FIRST, 0b11), MergingPrune(3), Owner(1)], [PushLosesAnswers];
    a_push_that_is_resumed_with_torn_listings:
        "push, resumed, merging prune, listings torn",
        garbage(), [Push(1, 0b1), Resume(2, &FIRST, 0b1), MergingPrune(3)], [TornListings];
    a_prune_whose_answers_are_lost_and_a_fence:
        "push, merging prune, another that dies, fence, answers of prunes lost",
        garbage_and_more(), [Push(1, 0b1), MergingPrune(2), MergingPrune(2), Owner(1)], [PruneDies, PruneLosesAnswers];
    a_push_that_is_fenced_with_torn_listings:
        "push, merging prune, fence, listings torn",
        garbage(), [Push(1, 0b1), MergingPrune(3), Owner(1)], [TornListings];
    a_sweep_a_year_later:
        "push, merging prune, another a year after a fence",
        garbage_of_a_fenced(), [Push(1, 0b1), MergingPrune(2), LatePrune(3)], [];
    a_repair_with_torn_listings:
        "push, repair, merging prune of two passes, listings torn",
        orphan(), [Push(1, 0b1), Repair, MergingPrune(2)], [TornListings];
    a_repair_of_the_index:
        "push, repair, prune, fence, answers lost",
        orphan(), [Push(1, 0b1), Repair, Prune(3), Owner(1)], [PushLosesAnswers];
    a_repair_of_a_pack_that_was_deleted_and_comes_back:
        "a deleted pack put once more, repair, push, two prunes",
        orphan_deleted(),
        [Repeat(Late::Pack(PackId { session: Sid::old(1), number: 0 }, 0b1)), Repair, Push(1, 0b1), Prune(1), Prune(1)],
        [];
}
