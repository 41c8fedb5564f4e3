//! What is said of snapshots afterwards, what is undone, and what is missed.

use crate::world::World;
use serde_json::json;
use std::fs;
use std::process::Command;

fn pushed(tags: &[&str]) -> (World, Vec<String>) {
    let world = World::with_repository();
    world.file("src/x", "x");
    for tag in tags {
        world.ok(["push", "--repo", "repo", "src", "--name", "web", "--tag", tag]);
    }
    let ids = world.ids();
    (world, ids)
}

#[test]
fn tags_are_changed_and_found() {
    let (world, ids) = pushed(&["daily", "daily"]);
    let tagged = world.ok(["tag", "--repo", "repo", &ids[0], "--add", "golden", "--remove", "daily"]);
    assert!(tagged.err.contains("golden") && !tagged.err.contains("daily"), "{tagged}");
    let json = world.ok(["tag", "--repo", "repo", "--json", "latest", &ids[1], "--set", "a", "--set", "b"]).json();
    assert_eq!(json, json!({ "snapshot": ids[1], "tags": ["a", "b"], "held": false, "hold_reason": null }));
    let tags: Vec<_> = world.snapshots().into_iter().map(|snapshot| snapshot["tags"].clone()).collect();
    assert_eq!(tags, [json!(["golden"]), json!(["a", "b"])]);
    for (tag, found) in [("golden", &ids[..1]), ("b", &ids[1..]), ("daily", &[])] {
        let listed = world.ok(["list", "--repo", "repo", "--json", "--tag", tag]).json();
        let listed: Vec<_> = listed.as_array().unwrap().iter().map(|snapshot| &snapshot["id"]).collect();
        assert_eq!(listed, found.iter().collect::<Vec<_>>(), "{tag}");
    }
    world.ok(["tag", "--repo", "repo", &ids[0], "--set", ""]);
    assert_eq!(world.snapshots()[0]["tags"], json!([]));
    for wrong in [&["--add", ""][..], &[], &["--set", "a", "--add", "b"]] {
        let ran = world.run([&["tag", "--repo", "repo", "latest"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {ran}");
    }
}

#[test]
fn a_held_snapshot_is_refused_and_named_until_it_is_released() {
    let (world, ids) = pushed(&["a", "b"]);
    let held = world.ok(["hold", "--repo", "repo", &ids[1], "--reason", "audit 2026"]);
    assert!(held.err.contains("held, audit 2026"), "{held}");
    let again = world.ok(["hold", "--repo", "repo", &ids[1], "--json"]).json();
    assert_eq!(again["hold_reason"], "audit 2026", "who says nothing leaves the reason");
    let marks: Vec<_> = world.snapshots().into_iter().map(|snapshot| snapshot["held"].clone()).collect();
    assert_eq!(marks, [json!(false), json!(true)]);
    let table = world.ok(["list", "--repo", "repo"]);
    let lines: Vec<bool> = table.text().lines().skip(1).map(|line| line.contains("held")).collect();
    assert_eq!(lines, [false, true], "{table}");

    let refused = world.run(["forget", "--repo", "repo", &ids[0], &ids[1]]);
    assert_eq!(refused.code, 5, "{refused}");
    assert!(refused.err.contains("is held") && refused.err.contains("backup release"), "{refused}");
    assert_eq!(world.ids(), ids, "nothing goes unless everything may");
    world.ok(["release", "--repo", "repo", &ids[1]]);
    world.ok(["forget", "--repo", "repo", &ids[0], &ids[1]]);
    assert!(world.ids().is_empty());
}

#[test]
fn what_the_storage_has_lost_is_missed_until_that_is_right() {
    let (world, ids) = pushed(&["a", "b"]);
    fs::remove_file(world.path("repo/snapshots").join(&ids[1])).unwrap();
    for command in ["list", "stats"] {
        let ran = world.ok([command, "--repo", "repo"]);
        assert!(ran.err.contains("older state") && ran.err.contains(&ids[1]), "{ran}");
    }
    // A copy elsewhere has a memory of its own.
    assert!(Command::new("cp").arg("-a").args([world.path("repo"), world.path("copy")]).status().unwrap().success());
    let copy = world.ok(["list", "--repo", "copy"]);
    assert!(!copy.err.contains("older state"), "{copy}");
    let check = world.run(["check", "--repo", "repo", "--json"]);
    assert_eq!(check.code, 4, "{check}");
    assert_eq!(check.json()["findings"][0]["affects"], json!([ids[1]]), "{check}");
    let there = world.run(["forget", "--repo", "repo", "--missing", &ids[0]]);
    assert_eq!(there.code, 2, "{there}");
    world.ok(["forget", "--repo", "repo", "--missing", &ids[1]]);
    assert!(!world.ok(["list", "--repo", "repo"]).err.contains("older state"));
    world.ok(["check", "--repo", "repo"]);
    assert_eq!(world.ids(), ids[..1]);
}

#[test]
fn an_owner_records_when_snapshots_came() {
    let (world, ids) = pushed(&["a", "b"]);
    assert_eq!(world.snapshots()[1]["received"], json!(null));
    world.ok(["forget", "--repo", "repo", &ids[0]]);
    let snapshot = world.snapshots().remove(0);
    assert!(snapshot["received"].as_str().unwrap().ends_with('Z'), "{snapshot}");
    assert_eq!(snapshot["untimely"], false);
    // A file system's time that is days away from what the writer said.
    world.ok(["push", "--repo", "repo", "src", "--name", "web"]);
    let newest = world.ids().pop().unwrap();
    let file = fs::File::open(world.path("repo/snapshots").join(newest)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(world.snapshots()[1]["untimely"], true);
    let table = world.ok(["list", "--repo", "repo"]);
    assert!(table.text().lines().last().unwrap().contains("untimely"), "{table}");
}

#[test]
fn what_dead_runs_left_is_undone() {
    let world = World::new();
    let nothing = world.ok(["undo"]);
    assert!(nothing.err.contains("nothing to undo"), "{nothing}");
    let record = |number: u32, words: &[&str]| {
        let options: serde_json::Map<_, _> =
            words.iter().enumerate().map(|(i, word)| (format!("word.{i}"), json!(word))).collect();
        let undo = json!({ "kind": "command", "options": options, "secrets": {} });
        let text = json!({ "version": 1, "chain": ["local"], "undo": undo }).to_string();
        world.file(format!("home/.local/state/backup/journal/{number:020}-a.json"), text)
    };
    let thawed = world.path("thawed");
    let done = record(1, &["touch", thawed.to_str().unwrap()]);
    let undone = world.ok(["undo"]);
    assert!(undone.err.contains("undid command") && undone.err.contains("touch"), "{undone}");
    assert!(thawed.exists() && !done.exists());

    let left = record(2, &["false"]);
    record(3, &["true"]);
    let torn = world.file("home/.local/state/backup/journal/torn.json", "{");
    let failed = world.run(["undo", "--json"]);
    assert_eq!(failed.code, 1, "{failed}");
    let report = failed.json();
    let failures: Vec<bool> = report["tried"].as_array().unwrap().iter().map(|one| one["failure"].is_null()).collect();
    assert_eq!((failures, report["clean"].clone()), (vec![true, false], json!(false)), "{report}");
    assert_eq!(report["unreadable"].as_array().unwrap().len(), 1, "{report}");
    assert!(left.exists() && torn.exists(), "for a person to look");
    assert_eq!(world.run(["undo"]).code, 1);
}

#[test]
fn a_tag_without_a_change_names_all_that_can_be_changed() {
    let (world, _) = pushed(&["a"]);
    let refused = world.run(["tag", "--repo", "repo", "latest"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(["--add", "--remove", "--set"].iter().all(|option| refused.err.contains(option)), "{refused}");
}
