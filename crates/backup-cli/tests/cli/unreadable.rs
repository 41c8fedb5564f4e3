//! Files that cannot be read. Root can read everything, so the binary runs as somebody else there.

use crate::world::{BACKUP, Ran, World};
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const NOBODY: u32 = 65534;

/// Gives the world to nobody, if this is root, and runs a copy of the binary that nobody can reach.
fn run_without_rights(world: &World, arguments: &[&str]) -> Ran {
    let inner = world.command(arguments);
    let mut command = if geteuid().is_root() {
        let binary = world.path("backup");
        if !binary.exists() {
            fs::copy(BACKUP, &binary).unwrap();
        }
        for path in [world.path(""), world.path("home")] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut command = Command::new(binary);
        command.args(inner.get_args()).current_dir(world.path("")).env_clear().uid(NOBODY).gid(NOBODY);
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    } else {
        inner
    };
    Ran::of(&mut command)
}

fn lock(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn an_unreadable_file_is_reported_and_the_rest_is_there() {
    let world = World::new();
    world.file("src/good", "good");
    lock(&world.file("src/secret", "secret"));
    fs::set_permissions(world.path("src"), Permissions::from_mode(0o755)).unwrap();
    let ran = run_without_rights(&world, &["push", "src", "--json"]);
    assert_eq!(ran.code, 3, "{ran}");
    let object = ran.json();
    assert_eq!((&object["status"], &object["errors"]), (&"partial".into(), &1.into()), "{ran}");
    let failed: Vec<_> = ran.err_json().into_iter().filter(|line| line["type"] == "entry_failed").collect();
    assert_eq!(failed.len(), 1, "{ran}");
    assert!(failed[0]["path"].as_str().unwrap().ends_with("src/secret"), "{ran}");
    // A partial snapshot is a snapshot.
    let pull = run_without_rights(&world, &["pull", "latest", "--into", "out"]);
    assert_eq!(pull.code, 0, "{pull}");
    assert_eq!(fs::read(world.pulled("out", "src/good")).unwrap(), b"good");
    assert!(!world.pulled("out", "src/secret").exists());
    let text = run_without_rights(&world, &["push", "src"]);
    assert!(text.err.contains("src/secret") && text.text().contains("partial"), "{text}");
}

#[test]
fn a_repository_that_cannot_be_entered_ends_with_5() {
    let world = World::with_repository();
    lock(&world.path("repo"));
    let ran = run_without_rights(&world, &["list", "--repo", "repo"]);
    fs::set_permissions(world.path("repo"), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, 5, "{ran}");
}
