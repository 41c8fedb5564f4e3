//! Who may import whom, and how large the tree of the core may be: read from cargo, for every package of the workspace.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// The packages of the workspace, and the packages of the workspace that each may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("backup-core", &[]),
    ("backup-repository", &["backup-core"]),
    ("backup-archive", &["backup-core"]),
    ("backup-drivers", &["backup-core"]),
    ("backup-storage", &["backup-core"]),
    ("backup-testkit", &["backup-core"]),
    ("backup-cli", &["backup-core", "backup-repository", "backup-archive", "backup-drivers", "backup-storage"]),
    ("backup-benches", &[]),
    ("backup-examples", &["backup-core", "backup-repository", "backup-drivers", "backup-storage"]),
    ("xtask", &[]),
];

/// What tests and examples of a package may import besides: the suites, a storage to run on, and files to push. The core's
/// may not.
const TESTS_MAY_IMPORT: &[&str] = &["backup-testkit", "backup-storage", "backup-drivers"];

/// Crates of a front end: no library may have them.
const FRONT_END_ONLY: &[&str] =
    &["anyhow", "clap", "clap_complete", "clap_mangen", "console", "crossterm", "eyre", "indicatif", "termcolor"];
const FRONT_ENDS: &[&str] = &["backup-cli", "backup-benches", "xtask"];

/// Features of tokio that reach the network, the file system, processes or signals: not for the core.
const OUTSIDE_WORLD: &[&str] = &["fs", "full", "io-std", "net", "process", "signal"];

/// The core's own tree, itself included, in normal dependencies.
const CORE_TREE: usize = 40;

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    command
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Value {
    serde_json::from_str(&output(cargo().args(["metadata", "--format-version=1", "--no-deps"]))).unwrap()
}

fn violations(metadata: &Value) -> Vec<String> {
    let may_import: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let packages = metadata["packages"].as_array().unwrap();
    let members: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = may_import.get(name) else {
            found.push(format!("{name} is not in the table of who may import whom"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let import = dependency["name"].as_str().unwrap();
            let for_tests = dependency["kind"] == "dev";
            if members.contains(import) || import.starts_with("backup-") {
                let allowed_in_tests = for_tests && name != "backup-core" && TESTS_MAY_IMPORT.contains(&import);
                if import != name && !allowed.contains(&import) && !allowed_in_tests {
                    found.push(format!("{name} may not import {import}"));
                }
            }
            if FRONT_END_ONLY.contains(&import) && !FRONT_ENDS.contains(&name) {
                found.push(format!("{name} is a library and may not use {import}"));
            }
            if name == "backup-core" && !for_tests {
                found.extend(core_reaches_out(dependency).map(|what| format!("backup-core may not use {what}")));
            }
        }
    }
    found
}

/// The part of a dependency of the core that would reach the outside world.
fn core_reaches_out(dependency: &Value) -> impl Iterator<Item = String> {
    let import = dependency["name"].as_str().unwrap();
    let features = dependency["features"].as_array().unwrap().iter().filter_map(Value::as_str);
    let outside = features.filter(move |feature| import == "tokio" && OUTSIDE_WORLD.contains(feature));
    outside.map(move |feature| format!("{import}'s feature {feature}")).collect::<Vec<_>>().into_iter()
}

#[test]
fn crates_import_only_whom_they_may() {
    let found = violations(&metadata());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_package_of_the_table_exists() {
    let metadata = metadata();
    let members: BTreeSet<_> =
        metadata["packages"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    let listed: BTreeSet<_> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, listed);
}

#[test]
fn the_core_has_a_small_tree() {
    let tree =
        output(cargo().args(["tree", "--package=backup-core", "--edges=normal", "--prefix=none", "--no-dedupe"]));
    let crates: BTreeSet<_> = tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert!(crates.len() > 1, "cargo tree shows no dependencies:\n{tree}");
    assert!(crates.len() <= CORE_TREE, "{} crates: {crates:#?}", crates.len());
}

#[test]
fn library_crates_are_ready_to_be_published() {
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if package["publish"] == json!([]) {
            continue;
        }
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        for field in ["description", "repository", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
    }
}

#[test]
fn a_broken_rule_is_seen() {
    let package =
        |name: &str, dependency: Value| json!({ "packages": [{ "name": name, "dependencies": [dependency] }] });
    let normal = |name: &str| json!({ "name": name, "kind": null, "features": [] });
    let dev = |name: &str| json!({ "name": name, "kind": "dev", "features": [] });
    let network = json!({ "name": "tokio", "kind": null, "features": ["rt", "net"] });
    for (name, dependency, expected) in [
        ("backup-repository", normal("backup-storage"), "backup-repository may not import backup-storage"),
        ("backup-core", normal("backup-drivers"), "backup-core may not import backup-drivers"),
        ("backup-core", dev("backup-testkit"), "backup-core may not import backup-testkit"),
        ("backup-drivers", dev("backup-repository"), "backup-drivers may not import backup-repository"),
        ("backup-storage", normal("anyhow"), "backup-storage is a library and may not use anyhow"),
        ("backup-core", network, "backup-core may not use tokio's feature net"),
        ("backup-new", normal("backup-core"), "backup-new is not in the table of who may import whom"),
    ] {
        assert_eq!(violations(&package(name, dependency)), [expected]);
    }
    assert!(violations(&package("backup-storage", dev("backup-testkit"))).is_empty());
}
