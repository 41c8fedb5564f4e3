//! Programs whose output is backed up.

use crate::world::World;
use std::fs;

#[test]
fn a_programs_output_is_one_entry() {
    let world = World::with_repository();
    world.ok([
        "push",
        "--repo",
        "repo",
        "--name",
        "db",
        "--as",
        "shop.sql",
        "--",
        "sh",
        "-c",
        "printf 'a\\0b'; echo noise >&2",
    ]);
    assert_eq!(world.ok(["ls", "--repo", "repo", "latest"]).text(), "/shop.sql\n");
    assert_eq!(world.ok(["cat", "--repo", "repo", "latest", "/shop.sql"]).out, b"a\0b");
    assert_eq!(world.ok(["restore", "--repo", "repo", "latest", "--into", "-"]).out, b"a\0b");
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.path("out/shop.sql")).unwrap(), b"a\0b");
}

#[test]
fn a_program_that_fails_becomes_no_backup() {
    let world = World::with_repository();
    for script in ["echo half; exit 3", "echo half; kill -9 $$"] {
        let ran = world.run(["push", "--repo", "repo", "--as", "shop.sql", "--", "sh", "-c", script]);
        assert_eq!(ran.code, 1, "{ran}");
        assert!(ran.out.is_empty(), "{ran}");
    }
    let ran = world.run(["push", "--repo", "repo", "--as", "x", "--", "/missing/program"]);
    assert_eq!(ran.code, 6, "{ran}");
    assert!(world.ids().is_empty());
}

#[test]
fn files_and_a_program_make_one_snapshot() {
    let world = World::with_repository();
    let path = world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src", "--as", "dump", "--", "echo", "hello"]);
    assert_eq!(world.snapshots()[0]["components"], serde_json::json!(["files", "dump"]));
    assert_eq!(world.ok(["ls", "--repo", "repo", "latest", "--component", "dump"]).text(), "/dump\n");
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.path("out/dump")).unwrap(), b"hello\n");
    assert_eq!(fs::read(world.pulled("out", "src/x")).unwrap(), b"x");
    // Two files do not fit into one stream.
    assert_eq!(world.run(["pull", "--repo", "repo", "latest", "--into", "-"]).code, 2);
    let one = world.ok(["pull", "--repo", "repo", "latest", path.to_str().unwrap(), "--into", "-"]);
    assert_eq!(one.out, b"x");

    // Half a snapshot is kept, is told apart, and is never the latest.
    let ran = world.run(["push", "--repo", "repo", "src", "--as", "dump", "--", "false"]);
    assert_eq!(ran.code, 1, "{ran}");
    let snapshots = world.snapshots();
    assert_eq!(snapshots[1]["status"], "incomplete");
    let latest = world.ok(["cat", "--repo", "repo", "latest", "/dump"]);
    assert_eq!(latest.out, b"hello\n");
}
