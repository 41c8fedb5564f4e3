//! The shapes that programs rely on.

use crate::world::World;
use serde_json::Value;
use std::collections::BTreeSet;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn push_ends_with_one_object() {
    let world = World::with_repository();
    world.file("src/x", "x");
    let ran = world.ok(["push", "--repo", "repo", "src", "--json"]);
    let object = ran.json();
    let expected = [
        "snapshot",
        "status",
        "files_new",
        "files_changed",
        "files_unchanged",
        "bytes_read",
        "bytes_added",
        "bytes_stored",
        "errors",
        "duration_seconds",
    ];
    assert_eq!(keys(&object), BTreeSet::from(expected));
    assert_eq!(
        (&object["status"], &object["errors"], &object["bytes_read"]),
        (&"complete".into(), &0.into(), &1.into())
    );
    assert_eq!(object["snapshot"].as_str(), world.ids().first().map(String::as_str));
    assert!(object["duration_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn list_is_an_array() {
    let world = World::with_repository();
    assert_eq!(world.snapshots(), Vec::<Value>::new());
    world.file("src/x", "12345");
    world.ok(["push", "--repo", "repo", "src", "--name", "web", "--tag", "daily", "--tag", "b"]);
    let snapshots = world.snapshots();
    let [snapshot] = snapshots.as_slice() else { panic!("{snapshots:?}") };
    let expected =
        ["id", "name", "time", "host", "tags", "held", "received", "untimely", "status", "components", "size_bytes"];
    assert_eq!(keys(snapshot), BTreeSet::from(expected));
    assert_eq!(snapshot["name"], "web");
    assert_eq!(snapshot["tags"], serde_json::json!(["daily", "b"]));
    assert_eq!(snapshot["components"], serde_json::json!(["files"]));
    assert_eq!((&snapshot["status"], &snapshot["size_bytes"]), (&"complete".into(), &5.into()));
    let time = snapshot["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
}

#[test]
fn an_error_is_an_object_on_standard_error() {
    let world = World::with_repository();
    for (code, line) in [
        (6, &["ls", "--repo", "repo", "latest", "--json"][..]),
        (6, &["list", "--repo", "missing", "--json"]),
        (2, &["list", "--repo", "s3://x", "--json"]),
        (2, &["list", "--frobnicate", "--json"]),
        (2, &["list", "--repo", "repo", "--json", "--identity", "/dev/null"]),
    ] {
        let ran = world.run(line);
        let lines = ran.err_json();
        let error = lines.last().unwrap();
        assert_eq!((error["type"].as_str(), error["exit_code"].as_i64()), (Some("error"), Some(code)), "{ran}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert!(error["causes"].is_array());
        assert_eq!(i64::from(ran.code), code);
        assert!(ran.out.is_empty());
    }
}

#[test]
fn ls_find_and_diff_give_an_object_a_line() {
    let world = World::with_repository();
    let file = world.file("src/x.txt", "12345");
    std::os::unix::fs::symlink("x.txt", world.path("src/link")).unwrap();
    world.ok(["push", "--repo", "repo", "src"]);
    let lines = |line: &[&str]| -> Vec<Value> {
        world.ok(line).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let listed = lines(&["ls", "--repo", "repo", "latest", "--json", world.path("src").to_str().unwrap()]);
    let kinds: Vec<_> = listed.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["directory", "symlink", "file"]);
    assert_eq!(listed[1]["target"], "x.txt");
    assert_eq!((&listed[2]["path"], &listed[2]["size_bytes"]), (&file.to_str().unwrap().into(), &5.into()));
    let found = lines(&["find", "--repo", "repo", "*.txt", "--json"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["snapshot"].as_str(), Some(world.ids()[0].as_str()));
    world.file("src/y", "");
    std::fs::remove_file(&file).unwrap();
    world.ok(["push", "--repo", "repo", "src"]);
    let ids = world.ids();
    let changes = lines(&[
        "diff",
        "--repo",
        "repo",
        &ids[0],
        &ids[1],
        "--json",
        "--metadata",
        world.path("src").to_str().unwrap(),
    ]);
    let mut changes: Vec<_> = changes
        .iter()
        .map(|change| {
            (change["change"].as_str().unwrap(), change["path"].as_str().unwrap().rsplit('/').next().unwrap())
        })
        .collect();
    changes.sort_unstable();
    // The folder's time changed with its names.
    assert_eq!(changes, [("added", "y"), ("metadata", "src"), ("removed", "x.txt")]);
}

#[test]
fn the_small_commands_speak_json_too() {
    let world = World::new();
    let version = world.ok(["version", "--json"]).json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let init = world.ok(["init", "--repo", "repo", "--json"]).json();
    assert_eq!(init["repository"].as_str().unwrap().len(), 32);
    assert_eq!(init["identity_is_new"], true);
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    let stats = world.ok(["stats", "--repo", "repo", "--json"]).json();
    assert_eq!((&stats["snapshots"], &stats["files"], &stats["size_bytes"]), (&1.into(), &1.into(), &1.into()));
    let stored: u64 =
        stats["objects"].as_object().unwrap().values().map(|kind| kind["size_bytes"].as_u64().unwrap()).sum();
    assert_eq!(stats["stored_bytes"], stored);
    let id = world.ids().remove(0);
    let forgotten = world.ok(["forget", "--repo", "repo", &id, "--json"]).json();
    assert_eq!(forgotten, serde_json::json!({ "snapshot": id, "forgotten": true }));
    assert!(world.ids().is_empty());
}
