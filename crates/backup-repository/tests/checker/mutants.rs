//! Each rule left out alone.

use crate::model::{NO_GARBAGE, NOTHING_LOST, NOTHING_WRONG, Scenario};
use crate::scenarios::{Part, garbage, half, two_holders};
use backup_repository::protocol::{Rule, Rules};
use stateright::{Checker as _, HasDiscoveries, Model as _};
use std::time::Instant;

#[test]
fn mutants() {
    let which = std::env::var("EXP").unwrap_or_default();
    let secs = std::env::var("SECS").map_or(60, |s| s.parse().unwrap());
    use Rule::*;
    let sets: Vec<(&str, Vec<Rule>)> = vec![
        ("OverBeforeMark", vec![OverBeforeMark]),
        ("SecondMark", vec![SecondMark]),
        ("RescueByCopy", vec![RescueByCopy]),
        ("FenceLapsed", vec![FenceLapsed]),
        ("FenceIndex", vec![FenceIndex]),
        ("CondemnedBeforeIndex", vec![CondemnedBeforeIndex]),
        ("GoneSessionsOver", vec![GoneSessionsOver]),
        ("NoRowsLeft", vec![NoRowsLeft]),
        ("GoneBoth", vec![GoneSessionsOver, NoRowsLeft]),
        ("PruneSession", vec![PruneSession]),
        ("RecordBeforeSessions", vec![RecordBeforeSessions]),
        ("VoidRuns", vec![VoidRuns]),
        ("NoteForgotten", vec![NoteForgotten]),
        ("SpareOpenSessions", vec![SpareOpenSessions]),
    ];
    for (name, rules) in sets {
        if !name.starts_with(&which) {
            continue;
        }
        let rules = rules.into_iter().fold(Rules::default(), Rules::without);
        let s = |title, store, parts: &[Part]| {
            let scenario = Scenario::new(title, store, parts).without(rules);
            if name == "FenceLapsed" { scenario.lapsed() } else { scenario }
        };
        use Part::*;
        let scenarios = vec![
            s("push prune2", garbage(), &[Push(0, 1), Prune(2)]),
            s("push prune3", garbage(), &[Push(0, 1), Prune(3)]),
            s("push prune4", garbage(), &[Push(0, 1), Prune(4)]),
            s("push prune3 owner1", garbage(), &[Push(0, 1), Prune(3), Owner(1)]),
            s("push push prune3", garbage(), &[Push(0, 1), Push(1, 1), Prune(3)]),
            s("push push prune4", garbage(), &[Push(0, 1), Push(1, 1), Prune(4)]),
            s("forget push prune3 lost", garbage(), &[Push(0, 1), Forget(vec![10]), Prune(3)]).losing_answers(),
            s("push resume prune3", garbage(), &[Push(0, 1), Resume(1, 0, 1), Prune(3)]),
            s("two holders prune2 prune2", two_holders(), &[Prune(2), Prune(2)]),
            s("two holders prune2 prune3", two_holders(), &[Prune(2), Prune(3)]),
            s("two holders prune2 prune2 merging", two_holders(), &[Prune(2), Prune(2)]).merging(),
            s("half push prune4 merging", half(), &[Push(0, 2), Prune(4)]).merging(),
            s("push push prune3 owner", garbage(), &[Push(0, 1), Push(1, 1), Prune(3), Owner(1)]),
            s("push push prune3 owner lost", garbage(), &[Push(0, 1), Push(1, 1), Prune(3), Owner(1)]).losing_answers(),
            s("prune2 prune2 push merging", garbage(), &[Push(0, 1), Prune(2), Prune(2)]).merging(),
        ];
        for mut scenario in scenarios {
            scenario.only_loss = true;
            let title = scenario.name;
            let begin = Instant::now();
            let checker = scenario
                .checker()
                .finish_when(HasDiscoveries::AnyOf([NOTHING_LOST, NOTHING_WRONG, NO_GARBAGE].into()))
                .timeout(std::time::Duration::from_secs(secs))
                .spawn_bfs()
                .join();
            let found = checker.discoveries().into_iter().filter(|(n, _)| [NOTHING_LOST, NOTHING_WRONG, NO_GARBAGE].contains(n)).collect::<Vec<_>>();
            println!("{name} in {title}: {} states, {:.1} s: {:?}", checker.unique_state_count(), begin.elapsed().as_secs_f32(),
                found.iter().map(|(n, path)| (*n, path.clone().into_actions().len())).collect::<Vec<_>>());
            if let Some((_, path)) = found.into_iter().find(|(n, _)| *n == NOTHING_LOST) {
                println!("{}", crate::trace::path(checker.model(), path));
                break;
            }
        }
    }
}
