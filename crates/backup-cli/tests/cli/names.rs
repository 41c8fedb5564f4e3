//! How snapshots are called on the command line.

use crate::world::World;
use std::fs;

#[test]
fn latest_asks_which_name_where_there_are_several() {
    let world = World::with_repository();
    world.file("src/x", "web");
    world.ok(["push", "--repo", "repo", "src", "--name", "web"]);
    world.ok(["ls", "--repo", "repo", "latest"]);
    world.file("src/x", "db");
    world.ok(["push", "--repo", "repo", "src", "--name", "db"]);
    let refused = world.run(["ls", "--repo", "repo", "latest"]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.err.contains("latest:db") && refused.err.contains("latest:web"), "{refused}");
    for name in ["web", "db"] {
        let latest = format!("latest:{name}");
        world.ok(["pull", "--repo", "repo", &latest, "--into", name]);
        assert_eq!(fs::read_to_string(world.pulled(name, "src/x")).unwrap(), name);
    }
}

#[test]
fn an_id_may_be_shortened_while_it_is_unique() {
    let world = World::with_repository();
    world.file("src/x", "x");
    for _ in 0..2 {
        world.ok(["push", "--repo", "repo", "src"]);
    }
    let ids = world.ids();
    let shared = ids[0].bytes().zip(ids[1].bytes()).take_while(|(a, b)| a == b).count();
    let refused = world.run(["ls", "--repo", "repo", &ids[0][..shared]]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(ids.iter().all(|id| refused.err.contains(id.as_str())), "{refused}");
    for id in &ids {
        world.ok(["ls", "--repo", "repo", &id[..=shared]]);
    }
    // What the table shows is enough.
    let table = world.ok(["list", "--repo", "repo"]);
    let shown: Vec<&str> = table.text().lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(shown.len(), 2);
    for (id, shown) in ids.iter().zip(shown) {
        assert!(id.starts_with(shown));
        world.ok(["ls", "--repo", "repo", shown]);
    }
}

#[test]
fn the_host_is_the_default_name() {
    let world = World::with_repository();
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    let snapshot = &world.snapshots()[0];
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!((snapshot["name"].as_str(), snapshot["host"].as_str()), (Some(host.trim()), Some(host.trim())));
}

#[test]
fn list_filters() {
    let world = World::with_repository();
    world.file("src/x", "x");
    for (name, tag) in [("web", "daily"), ("web", "weekly"), ("db", "daily")] {
        world.ok(["push", "--repo", "repo", "src", "--name", name, "--tag", tag]);
    }
    let count = |filter: &[&str]| {
        let line = [&["list", "--repo", "repo", "--json"], filter].concat();
        world.ok(line).json().as_array().unwrap().len()
    };
    assert_eq!(count(&["--name", "web"]), 2);
    assert_eq!(count(&["--name", "web", "--name", "db"]), 3);
    assert_eq!(count(&["--tag", "daily"]), 2);
    assert_eq!(count(&["--tag", "daily", "--tag", "weekly"]), 0);
    assert_eq!(count(&["--name", "web", "--tag", "daily"]), 1);
    assert_eq!(count(&["--last", "2"]), 2);
    assert_eq!(count(&["--last", "0"]), 0);
    assert_eq!(count(&["--host", "elsewhere"]), 0);
    assert_eq!(count(&["--since", "1h"]), 3);
    assert_eq!(count(&["--since", "2100-01-01"]), 0);
    let last = world.ok(["list", "--repo", "repo", "--json", "--last", "1"]).json();
    assert_eq!(last[0]["name"], "db");
}

#[test]
fn forget_removes_what_was_named_and_nothing_else() {
    let world = World::with_repository();
    world.file("src/x", "x");
    for name in ["a", "b", "c"] {
        world.ok(["push", "--repo", "repo", "src", "--name", name]);
    }
    // One that is not clear, and none goes.
    assert_eq!(world.run(["forget", "--repo", "repo", "latest:a", "latest:x"]).code, 6);
    assert_eq!(world.ids().len(), 3);
    world.ok(["forget", "--repo", "repo", "latest:a", "--dry-run"]);
    assert_eq!(world.ids().len(), 3);
    let a = world.ids().remove(0);
    world.ok(["delete", "--repo", "repo", "latest:a", &a, "latest:c"]);
    let left = world.snapshots();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["name"], "b");
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/x")).unwrap(), b"x");
}
