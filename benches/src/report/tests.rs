use std::path::PathBuf;

use super::*;
use crate::data::{Facts, Set};
use crate::machine::Machine;
use crate::measure::Usage;
use crate::results::{Outcome, SetFacts, ToolFacts};

const TOOLS: [(&str, bool); 3] = [("backup", true), ("restic", true), ("tar+zstd+age", false)];

fn results(first_push: [f64; 3], repository_mib: [u64; 3]) -> Results {
    let facts: Facts = serde_json::from_str(r#"{"files": 3, "bytes": 5000000, "hash": "cafe", "one": "a/b"}"#).unwrap();
    let machine = Machine {
        processor: "Some Processor".to_owned(),
        cores: 2,
        memory_bytes: 8_000_000_000,
        kernel: "6.1".to_owned(),
        file_system: "ext2/ext3".to_owned(),
    };
    let tools = TOOLS.map(|(name, deduplicates)| ToolFacts {
        name: name.to_owned(),
        version: Some(format!("{name} 1.0")),
        settings: String::new(),
        deduplicates,
    });
    let mut runs = Vec::new();
    for ((tool, _), (wall_seconds, mib)) in TOOLS.into_iter().zip(first_push.into_iter().zip(repository_mib)) {
        for round in 0..3 {
            let usage =
                Usage { wall_seconds: wall_seconds * (1.0 + round as f64), cpu_seconds: 1.0, peak_bytes: 90_000_000 };
            let outcome = Outcome::Done { usage, repository_bytes: mib << 20 };
            runs.push(Run {
                set: Set::Tree,
                tool: tool.to_owned(),
                step: Step::FirstPush,
                round,
                cache: Cache::Warm,
                outcome,
            });
        }
    }
    Results {
        factor: 1.0,
        machine,
        no_cold: Some("not asked for".to_owned()),
        tools: tools.into(),
        sets: vec![SetFacts { set: Set::Tree, began: "2026-01-01T00:00:00Z".to_owned(), load_before: 0.1, facts }],
        runs,
    }
}

fn line<'a>(table: &'a str, start: &str) -> &'a str {
    table.lines().find(|line| line.starts_with(start)).unwrap()
}

#[test]
fn the_pipe_counts_for_speed_and_not_for_the_size_of_the_repository() {
    let table = targets(&results([1.0, 3.0, 2.1], [100, 100, 50]));
    assert_eq!(
        line(&table, "| first push | tree"),
        "| first push | tree | ≥ 2 × as fast | 2.10 | met | 2.10 × tar+zstd+age | 3.00 × restic |"
    );
    assert_eq!(
        line(&table, "| repository | tree"),
        "| repository | tree | ≤ 1.00 × as large | 1.00 | met | 1.00 × restic | 1.00 × restic |"
    );
    assert_eq!(line(&table, "| memory | tree"), "| memory | tree | ≤ 128 MB | 90.0 | met | – | – |");
    assert!(line(&table, "| first push | small").contains("not measured"));
}

#[test]
fn a_missed_target_is_said() {
    let table = targets(&results([1.0, 3.0, 1.9], [102, 100, 50]));
    assert!(line(&table, "| first push | tree").contains("| 1.90 | **missed** |"));
    assert!(line(&table, "| repository | tree").contains("| 1.02 | **missed** |"));
}

#[test]
fn a_failed_round_is_no_number() {
    let mut results = results([1.0, 3.0, 2.0], [100, 100, 50]);
    results.runs[1].outcome = Outcome::Failed("disk full".to_owned());
    assert!(line(&targets(&results), "| first push | tree").contains("| – | not measured |"));
    let page = compose(&results, &[], None).unwrap();
    assert!(line(&page, "| backup |").contains("| failed |"), "{page}");
    assert!(page.contains("- backup failed at first push, round 2: disk full"));
}

#[test]
fn the_page_can_be_made_anew_from_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("benchmarks.md");
    write(&results([1.0, 3.0, 2.0], [100, 110, 50]), &page).unwrap();
    let first = fs::read_to_string(&page).unwrap();
    assert!(first.contains("| restic | 6.00 (1.00) |"), "{first}");
    assert!(first.contains("(benchmarks/first-push.svg)"));
    let svg = fs::read_to_string(folder.path().join("benchmarks/first-push.svg")).unwrap();
    assert!(svg.contains("6.00") && svg.contains("restic"));
    fs::write(folder.path().join("benchmarks/notes.md"), "## Why\nBecause.\n").unwrap();
    write(&Results::read(&results_of(&page)).unwrap(), &page).unwrap();
    assert_eq!(fs::read_to_string(&page).unwrap(), format!("{first}\n## Why\nBecause.\n"));
    assert_eq!(results_of(&page), PathBuf::from(folder.path()).join("benchmarks/results.json"));
}

#[test]
fn a_set_that_is_measured_anew_replaces_only_its_own_runs() {
    let mut anew = results([1.0, 3.0, 2.0], [100, 100, 50]);
    let mut earlier = results([9.0, 9.0, 9.0], [1, 1, 1]);
    let mut dump = earlier.clone();
    dump.runs.iter_mut().for_each(|run| run.set = Set::Dump);
    dump.sets[0].set = Set::Dump;
    earlier.runs.extend(dump.runs);
    earlier.sets.extend(dump.sets);
    anew.tools.retain(|tool| tool.name != "restic");
    anew.keep(earlier.clone()).unwrap();
    assert_eq!(anew.sets.iter().map(|facts| facts.set).collect::<Vec<_>>(), [Set::Tree, Set::Dump]);
    let first = |set| Measure::Wall(Step::FirstPush).of(&anew, set, "backup", Cache::Warm);
    assert_eq!([first(Set::Tree), first(Set::Dump)], [Some(2.0), Some(18.0)]);
    assert_eq!(anew.tools.len(), TOOLS.len());
    let mut other = earlier.clone();
    other.machine.cores = 3;
    assert!(anew.keep(other).is_err());
    earlier.tools[0].version = Some("backup 0.9".to_owned());
    assert!(anew.keep(earlier).is_err());
}
