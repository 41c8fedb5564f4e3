//! The two commands of the README, on a machine where nothing is set up.

use crate::trees;
use crate::world::World;
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn push_and_pull_give_the_tree_back() {
    let world = World::new();
    trees::plant(&world.path("src"));
    let first = world.ok(["push", "src"]);
    assert!(first.text().contains("complete"), "{first}");
    world.ok(["pull", "latest", "--into", "out"]);
    trees::assert_same(&world.path("src"), &world.pulled("out", "src"));
    // A second pull finds everything as it should be.
    let again = world.ok(["pull", "latest", "--into", "out", "--json"]).json();
    assert_eq!((&again["bytes_written"], &again["errors"]), (&0.into(), &0.into()));
    trees::assert_same(&world.path("src"), &world.pulled("out", "src"));
}

#[test]
fn the_second_push_stores_only_what_is_new() {
    let world = World::new();
    trees::plant(&world.path("src"));
    let first = world.ok(["push", "src", "--json"]).json();
    assert!(first["bytes_added"].as_u64().unwrap() > 3 << 20, "{first}");
    world.file("src/new", "something new");
    let second = world.ok(["push", "src", "--json"]).json();
    assert_eq!(second["bytes_added"], 13, "{second}");
    assert_eq!(second["files_new"], 1);
    assert_ne!(second["snapshot"], first["snapshot"]);
    // A file that has been as it is for long is not even read.
    world.ok(["push", "/usr/bin/env", "--name", "env"]);
    let second = world.ok(["push", "/usr/bin/env", "--name", "env", "--json"]).json();
    assert_eq!((&second["files_unchanged"], &second["bytes_read"]), (&1.into(), &0.into()));
}

#[test]
fn the_default_repository_is_announced_and_private() {
    let world = World::new();
    world.file("src/x", "x");
    let ran = world.ok(["push", "src"]);
    let repository = world.path("home/.local/share/backup/repository");
    let identity = world.path("home/.config/backup/identity.txt");
    let first = ran.err.lines().next().unwrap();
    assert!(first.contains("default repository") && first.contains(repository.to_str().unwrap()), "{ran}");
    assert!(ran.err.contains("keep a copy") && ran.err.contains(identity.to_str().unwrap()), "{ran}");
    assert!(ran.err.contains("same disk"), "{ran}");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&identity), mode(identity.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(&repository), 0o700);
    assert!(world.path("home/.cache/backup/CACHEDIR.TAG").is_file());

    let secret = fs::read(&identity).unwrap();
    let again = world.ok(["push", "src"]);
    assert!(again.err.lines().next().unwrap().contains("default repository"), "{again}");
    assert!(!again.err.contains("made the"), "{again}");
    assert_eq!(fs::read(&identity).unwrap(), secret);
    // There is nothing left to set up.
    let init = world.run(["init"]);
    assert_eq!(init.code, 1, "{init}");
    assert_eq!(fs::read(&identity).unwrap(), secret);
    assert_eq!(world.ok(["push", "src", "--quiet"]).err.lines().count(), 1, "only the warning about the disk");
}

#[test]
fn the_folders_follow_xdg() {
    let world = World::new();
    world.file("src/x", "x");
    let mut push = world.command(["push", "src"]);
    for (variable, folder) in [("XDG_DATA_HOME", "d"), ("XDG_CONFIG_HOME", "c"), ("XDG_CACHE_HOME", "k")] {
        push.env(variable, world.path(folder));
    }
    assert!(push.status().unwrap().success());
    for path in ["d/backup/repository/config", "c/backup/identity.txt", "k/backup/CACHEDIR.TAG"] {
        assert!(world.path(path).exists(), "{path}");
    }
    assert_eq!(fs::read_dir(world.path("home")).unwrap().count(), 0);
}

#[test]
fn a_missing_source_makes_nothing() {
    let world = World::new();
    let ran = world.run(["push", "missing"]);
    assert_eq!(ran.code, 6, "{ran}");
    assert_eq!(fs::read_dir(world.path("home")).unwrap().count(), 0);
}

#[test]
fn a_first_push_that_was_killed_early_is_no_obstacle() {
    let world = World::new();
    world.file("src/x", "x");
    // All that can stand there before there is a config.
    world.file("home/.local/share/backup/repository/keys/owners/0011223344556677", "half an owner file");
    fs::create_dir_all(world.path("home/.local/share/backup/repository/tmp")).unwrap();
    world.ok(["push", "src"]);
    world.ok(["pull", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/x")).unwrap(), b"x");
}

#[test]
fn several_first_pushes_at_once_share_one_repository() {
    let world = World::new();
    world.file("src/x", "x");
    let name = |number: usize| format!("--name=n{number}");
    let children: Vec<_> =
        (0..4).map(|number| world.command(["push", "src", &name(number)]).spawn().unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.ok(["list", "--json"]).json().as_array().unwrap().len(), 4);
}

#[test]
fn a_damaged_default_repository_is_never_replaced() {
    let world = World::new();
    world.file("src/x", "x");
    world.ok(["push", "src"]);
    let repository = world.path("home/.local/share/backup/repository");
    fs::remove_dir_all(repository.join("config")).unwrap();
    let ran = world.run(["push", "src"]);
    assert_ne!(ran.code, 0, "{ran}");
    assert!(!repository.join("config").exists());
    assert!(fs::read_dir(repository.join("snapshots")).unwrap().count() > 0);
}
