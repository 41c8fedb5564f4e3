//! What opens a repository, and what does not.

use crate::world::{Ran, World};
use std::fs;

#[test]
fn a_passphrase_from_each_of_its_places() {
    let world = World::new();
    world.file("src/x", "x");
    let file = world.file("passphrase", "correct horse\n");
    world.ok(["init", "--repo", "repo", "--passphrase-file", "passphrase"]);
    assert_eq!(
        fs::read_dir(world.path("home")).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".cache").count(),
        0
    );
    world.ok(["push", "--repo", "repo", "src", "--passphrase-file", "passphrase"]);
    for (variable, value) in
        [("BACKUP_PASSPHRASE", "correct horse"), ("BACKUP_PASSPHRASE_FILE", file.to_str().unwrap())]
    {
        let ran = Ran::of(world.command(["list", "--repo", "repo"]).env(variable, value));
        assert_eq!(ran.code, 0, "{ran}");
    }
    for wrong in ["incorrect horse", "correct horse ", ""] {
        let ran = Ran::of(world.command(["list", "--repo", "repo"]).env("BACKUP_PASSPHRASE", wrong));
        assert_eq!(ran.code, 5, "{ran}");
        assert!(ran.err.contains("hint:"), "{ran}");
        assert!(wrong.is_empty() || !ran.err.contains(wrong), "{ran}");
    }
    // Nobody is there to be asked.
    assert_eq!(world.run(["list", "--repo", "repo"]).code, 5);
}

#[test]
fn an_identity_from_each_of_its_places() {
    let world = World::new();
    world.file("src/x", "x");
    world.ok(["init", "--repo", "repo", "--identity", "keys/mine.txt"]);
    world.ok(["push", "--repo", "repo", "src", "--identity", "keys/mine.txt"]);
    let ran = Ran::of(world.command(["list"]).env("BACKUP_IDENTITY", "keys/mine.txt").env("BACKUP_REPOSITORY", "repo"));
    assert_eq!(ran.code, 0, "{ran}");
    world.ok(["init", "--repo", "other", "--identity", "keys/other.txt"]);
    let wrong = world.run(["list", "--repo", "repo", "--identity", "keys/other.txt"]);
    assert_eq!(wrong.code, 5, "{wrong}");
    let other = world.run(["list", "--repo", "repo", "--identity", "/dev/null"]);
    assert_eq!(other.code, 2, "{other}");
    assert!(other.err.contains("/dev/null"), "{other}");
    let missing = world.run(["list", "--repo", "repo", "--identity", "keys/missing.txt"]);
    assert_eq!(missing.code, 6, "{missing}");
    let secret = fs::read_to_string(world.path("keys/mine.txt")).unwrap();
    let key = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    assert!(!wrong.err.contains(key));
}

#[test]
fn recipients_open_with_their_identities() {
    let world = World::new();
    world.file("src/x", "x");
    world.ok(["init", "--repo", "first", "--identity", "mine.txt"]);
    let identity = fs::read_to_string(world.path("mine.txt")).unwrap();
    let recipient = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    world.ok(["init", "--repo", "repo", "--recipient", recipient]);
    assert!(!world.path("home/.config").exists(), "no identity was asked for");
    world.ok(["list", "--repo", "repo", "--identity", "mine.txt"]);
    let wrong = world.run(["init", "--repo", "none", "--recipient", "age1nobody"]);
    assert_eq!(wrong.code, 2, "{wrong}");
}

#[test]
fn an_open_identity_file_is_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.ok(["init", "--repo", "repo", "--identity", "mine.txt"]);
    let list = ["list", "--repo", "repo", "--identity", "mine.txt"];
    assert!(!world.ok(list).err.contains("chmod"));
    fs::set_permissions(world.path("mine.txt"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(world.ok(list).err.contains("chmod 600"));
}

#[test]
fn two_repositories_take_one_push() {
    let world = World::new();
    world.file("src/x", "x");
    for repository in ["repo", "second"] {
        world.ok(["init", "--repo", repository]);
    }
    let pushed = world.ok(["push", "--repo", "repo", "--repo", "second", "src", "--json"]).json();
    let places: Vec<_> =
        pushed["repositories"].as_array().unwrap().iter().map(|r| r["repository"].as_str().unwrap()).collect();
    assert_eq!(places, ["repo", "second"]);
    for repository in ["repo", "second"] {
        world.ok(["pull", "--repo", repository, "latest", "--into", &format!("out-{repository}")]);
        assert_eq!(fs::read(world.pulled(&format!("out-{repository}"), "src/x")).unwrap(), b"x");
    }
    // One that is not there is named, and the other has the snapshot all the same.
    let ran = world.run(["push", "--repo", "repo", "--repo", "third", "src"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.err.contains("third"), "{ran}");
    assert_eq!(world.ids().len(), 2);
}
