//! The measuring process sees what a program took, and ends as the program ended.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn measure(program: &[&str]) -> (Output, Option<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let numbers = folder.path().join("numbers.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_backup-benches"));
    let output = command.arg("--measure").arg(&numbers).args(program).output().unwrap();
    let numbers = std::fs::read(&numbers).ok().map(|text| serde_json::from_slice(&text).unwrap());
    (output, numbers)
}

#[test]
fn memory_of_the_program_and_of_its_children_counts() {
    // tail keeps what it may have to print: all of it, as there is no newline.
    let (output, numbers) = measure(&["sh", "-c", "head -c 100000000 /dev/zero | tail | wc -c"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "100000000");
    let peak = numbers.unwrap()["peak_bytes"].as_u64().unwrap();
    assert!((100_000_000..200_000_000).contains(&peak), "{peak}");
    let (_, numbers) = measure(&["true"]);
    let peak = numbers.unwrap()["peak_bytes"].as_u64().unwrap();
    assert!((100_000..20_000_000).contains(&peak), "{peak}");
}

#[test]
fn time_on_the_processor_is_not_time_on_the_wall() {
    let (_, numbers) = measure(&["sleep", "0.2"]);
    let numbers = numbers.unwrap();
    assert!(numbers["wall_seconds"].as_f64().unwrap() >= 0.2, "{numbers}");
    assert!(numbers["cpu_seconds"].as_f64().unwrap() < 0.2, "{numbers}");
}

#[test]
fn a_failure_of_the_program_is_a_failure() {
    let (output, _) = measure(&["sh", "-c", "echo why >&2; exit 3"]);
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "why\n");
    assert!(!measure(&["/no/such/program"]).0.status.success());
}
