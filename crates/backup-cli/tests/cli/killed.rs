//! A push that is killed, and one that another process runs meanwhile.

use crate::world::{Ran, World, files_below, noise};
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const MB: u64 = 1 << 20;

/// A push of a program's output that does not end before the file is dropped.
fn held_push(world: &World, script: &str) -> (Child, File) {
    let gate = world.path("gate");
    mkfifoat(CWD, &gate, Mode::from_raw_mode(0o600)).unwrap();
    let held = File::options().read(true).write(true).open(&gate).unwrap();
    let script = format!("{script}; exec cat {}", gate.display());
    let arguments = ["push", "--repo", "repo", "--name", "n", "--as", "dump", "--", "sh", "-c", &script];
    let mut push = world.command(arguments);
    (push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), held)
}

/// The files that say which sessions live on this machine.
fn session_files(world: &World) -> Vec<PathBuf> {
    let mut files = files_below(&world.path("home"));
    files.retain(|file| file.parent().unwrap().ends_with("sessions"));
    files
}

/// How many files are below a folder, which may not be there yet.
fn count(world: &World, folder: &str) -> usize {
    let folder = world.path(folder);
    if folder.exists() { files_below(&folder).len() } else { 0 }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_killed_push_has_stored_is_not_sent_again() {
    let world = World::with_repository();
    let data = noise(1, 72 << 20);
    world.file("data", &data);
    let (mut push, held) = held_push(&world, "cat data");
    wait_until("two packs are stored", || count(&world, "repo/packs") >= 2);
    push.kill().unwrap();
    push.wait().unwrap();
    drop(held);
    assert!(world.ids().is_empty());
    assert_eq!(session_files(&world).len(), 1);

    let ran = world.ok(["push", "--repo", "repo", "--name", "n", "--as", "dump", "--json", "--", "cat", "data"]);
    let object = ran.json();
    assert_eq!(object["bytes_read"], 72 * MB);
    let stored = object["bytes_stored"].as_u64().unwrap();
    assert!(stored < (72 - 64 + 1) * MB, "{stored} bytes were stored");
    assert!(world.ok(["cat", "--repo", "repo", "latest", "/dump"]).out == data);
    world.ok(["check", "--repo", "repo", "--read-data"]);
    assert_eq!(world.ids().len(), 1);
    assert!(session_files(&world).is_empty());
}

#[test]
fn a_push_that_another_process_runs_is_left_alone() {
    let world = World::with_repository();
    let (push, held) = held_push(&world, "echo slow");
    wait_until("it has begun", || count(&world, "repo/sessions") == 1);
    world.ok(["push", "--repo", "repo", "--name", "n", "--as", "dump", "--", "echo", "quick"]);
    assert_eq!(session_files(&world).len(), 1);
    drop(held);
    let ran = Ran::from(push.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran}");
    let contents = world.ids().into_iter().map(|id| world.ok(["cat", "--repo", "repo", &id, "/dump"]).out);
    assert_eq!(contents.collect::<std::collections::BTreeSet<_>>(), [b"slow\n".to_vec(), b"quick\n".to_vec()].into());
    assert!(session_files(&world).is_empty());
}
