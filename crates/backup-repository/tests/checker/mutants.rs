//! Each rule left out: the checker must notice.

use crate::model::{Act, NOTHING_LOST, Scenario, World};
use crate::scenarios::Fault::{AllLapsed, PushLosesAnswers};
use crate::scenarios::Part::{Forget, MergingPrune, Owner, Prune, Push};
use crate::scenarios::{empty, garbage, garbage_and_more, two_holders};
use crate::store::Sid;
use backup_repository::protocol::{Rule, Rules};
use stateright::{Checker as _, HasDiscoveries, Model as _, Path};

/// The shortest way to lose a chunk, and how many states were seen on the first search.
fn shortest_loss(scenario: impl Fn() -> Scenario) -> Option<(Path<World, Act>, usize)> {
    let mut found: Option<(Path<World, Act>, usize)> = None;
    loop {
        // Depths count states, the first included.
        let depth = found.as_ref().map_or(usize::MAX, |(path, _)| path.clone().into_states().len());
        let checker = scenario().checker().finish_when(HasDiscoveries::AnyOf([NOTHING_LOST].into()));
        let checker = if depth == usize::MAX { checker } else { checker.target_max_depth(depth) };
        let checker = checker.spawn_bfs().join();
        match checker.discovery(NOTHING_LOST) {
            Some(path) => found = Some((path, found.map_or(checker.unique_state_count(), |(_, states)| states))),
            None => {
                if found.is_none() {
                    println!("{} states", checker.unique_state_count());
                }
                return found;
            }
        }
    }
}

#[test]
fn mutants() {
    let which = std::env::var("EXP").unwrap_or_default();
    use Rule::*;
    let s = |store, parts: &[_]| Scenario::new("x", store, parts).not_drained();
    type Make<'a> = Box<dyn Fn() -> Scenario + 'a>;
    let late = || s(garbage_and_more(), &[Push(1, 1), Prune(4), MergingPrune(1)]);
    let sets: Vec<(&str, &[Rule], Make)> = vec![
        ("OverBeforeMark", &[OverBeforeMark], Box::new(|| s(garbage(), &[Push(1, 1), Prune(2)]))),
        ("SecondMark", &[SecondMark], Box::new(|| s(garbage(), &[Push(1, 1), Prune(2)]))),
        ("RescueByCopy", &[RescueByCopy], Box::new(|| s(two_holders(), &[Prune(2), Prune(2)]))),
        ("FenceLapsed", &[FenceLapsed], Box::new(|| s(garbage(), &[Push(1, 1), Prune(2)]).with(&[AllLapsed]))),
        ("FenceIndex", &[FenceIndex], Box::new(|| s(empty(), &[Push(1, 1), Push(2, 1), Prune(3), Owner(1)]))),
        (
            "GoneBothM",
            &[GoneSessionsOver, NoRowsLeft],
            Box::new(|| s(garbage_and_more(), &[Push(1, 1), MergingPrune(3)])),
        ),
        ("CondemnedBeforeIndex", &[CondemnedBeforeIndex], Box::new(|| s(garbage(), &[Push(1, 1), Prune(4)]))),
        ("RecordBeforeSessions", &[RecordBeforeSessions], Box::new(|| s(garbage(), &[Push(1, 1), Prune(2)]))),
        ("GoneBoth", &[GoneSessionsOver, NoRowsLeft], Box::new(|| s(garbage(), &[Push(1, 1), Prune(3)]))),
        (
            "NoteForgotten",
            &[NoteForgotten],
            Box::new(|| {
                s(garbage(), &[Push(1, 1), Prune(2), Owner(1), Forget(Sid::push(1))]).with(&[PushLosesAnswers])
            }),
        ),
        (
            "VoidRuns",
            &[VoidRuns],
            Box::new(|| s(empty(), &[Push(1, 1), Push(2, 1), Prune(4), Owner(1)]).with(&[PushLosesAnswers])),
        ),
        ("PruneSession", &[PruneSession], Box::new(late)),
        ("GoneSessions", &[GoneSessionsOver], Box::new(late)),
        ("NoRows", &[NoRowsLeft], Box::new(late)),
        ("None", &[], Box::new(late)),
    ];
    for (name, rules, scenario) in sets {
        if !name.starts_with(&which) {
            continue;
        }
        let rules = rules.iter().copied().fold(Rules::default(), Rules::without);
        match shortest_loss(|| scenario().under(rules)) {
            Some((path, states)) => {
                println!("{name}: {states} states\n{}", crate::trace::path(&scenario().under(rules), path))
            }
            None => println!("{name}: not found"),
        }
    }
}
