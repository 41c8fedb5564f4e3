//! The rules kept: everything that can happen in a scenario, and nothing may go wrong.

use crate::model::Scenario;
use crate::scenarios::Fault::{PruneDies, PruneLosesAnswers, PushLosesAnswers, TornListings};
use crate::scenarios::Part::{Forget, MergingPrune, Owner, Prune, Push, Resume};
use crate::scenarios::{empty, garbage, garbage_and_more, half_used, two_holders};
use crate::store::Sid;
use stateright::{Checker as _, Model as _};
use std::time::Instant;

/// Explores all states, and fails with a trace when one is wrong, or when one that must be reachable is not.
fn explore(scenario: Scenario) {
    let name = scenario.name;
    let begin = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = scenario.checker().threads(threads).spawn_dfs().join();
    let model = checker.model();
    let (storages, passes) = model.drains.as_ref().map_or((0, 0), |drains| drains.counts());
    println!(
        "{name}: {} states, depth {}; {storages} storages drained in at most {passes} passes; {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        begin.elapsed().as_secs_f32(),
    );
    let mut discoveries = checker.discoveries();
    for property in model.properties() {
        match (property.expectation.discovery_is_failure(), discoveries.remove(property.name)) {
            (true, Some(path)) => panic!("{name}: not so: {}\n{}", property.name, crate::trace::path(model, path)),
            (false, None) => panic!("{name}: never so: {}", property.name),
            _ => {}
        }
    }
}

#[test]
fn experiments() {
    let which = std::env::var("EXP").unwrap_or_default();
    let s = |name, store, parts: &[_]| Scenario::new(name, store, parts);
    let all: Vec<Scenario> = vec![
        s("a1 push, prune3, lost", garbage(), &[Push(1, 1), Prune(3)]).with(&[PushLosesAnswers, PruneLosesAnswers]),
        s("a2 push, prune3, torn", garbage(), &[Push(1, 1), Prune(3)]).with(&[TornListings]),
        s("a2o push, prune3, torn, owner", garbage(), &[Push(1, 1), Prune(3), Owner(1)]).with(&[TornListings]),
        s("a3 push, prune3, owner1, lost", garbage(), &[Push(1, 1), Prune(3), Owner(1)])
            .with(&[PushLosesAnswers, PruneLosesAnswers]),
        s("a4 push, prune3, owner2, pushlost, kill", garbage(), &[Push(1, 1), Prune(3), Owner(2)])
            .with(&[PushLosesAnswers, PruneDies]),
        s("b0 push push prune3", garbage(), &[Push(1, 1), Push(2, 1), Prune(3)]),
        s("b1 push push prune3 torn", garbage(), &[Push(1, 1), Push(2, 1), Prune(3)]).with(&[TornListings]),
        s("b2 push resume prune3", garbage(), &[Push(1, 1), Resume(2, 1, 1), Prune(3)]),
        s("b2e empty push resume prune3 owner", empty(), &[Push(1, 1), Resume(2, 1, 1), Prune(3), Owner(1)]),
        s("b3 push resume prune3 owner1", garbage(), &[Push(1, 1), Resume(2, 1, 1), Prune(3), Owner(1)]),
        s("c0 two holders prune2 prune2 merging", two_holders(), &[MergingPrune(2), MergingPrune(2)]),
        s("c1 push prune2 prune1", garbage(), &[Push(1, 1), Prune(2), Prune(1)]),
        s("c2 push prune3 prune1 merging", garbage_and_more(), &[Push(1, 1), MergingPrune(3), MergingPrune(1)]),
        s(
            "d1 prune2 prune2 kill owner1 forget, two holders",
            two_holders(),
            &[Prune(2), Prune(2), Forget(Sid::old(1)), Owner(1)],
        )
        .with(&[PruneDies]),
        s("e1 half push prune3 forget merging", half_used(), &[Push(1, 2), MergingPrune(3), Forget(Sid::old(1))]),
        s("e2 half push push prune3", half_used(), &[Push(1, 2), Push(2, 1), MergingPrune(3), Forget(Sid::old(1))]),
        s("f1 empty push push prune4 owner lost", empty(), &[Push(1, 1), Push(2, 1), Prune(4), Owner(1)])
            .with(&[PushLosesAnswers]),
        s(
            "g1 push forget own prune3 owner lost merging",
            garbage(),
            &[Push(1, 1), Forget(Sid::push(1)), Prune(3), Owner(1)],
        )
        .with(&[PushLosesAnswers]),
        s("c9 push prune2 prune2", garbage(), &[Push(1, 1), Prune(2), Prune(2)]),
    ];
    for scenario in all {
        if scenario.name.starts_with(&which) {
            explore(scenario);
        }
    }
}
