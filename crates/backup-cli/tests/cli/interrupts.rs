//! Ctrl-C and SIGTERM.

use crate::world::{Ran, World};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

/// Interrupts a push while its program runs: the program says so through a pipe, whose end tells that it is gone.
fn interrupted_by(signal: Signal) {
    let world = World::with_repository();
    let pipe = world.path("running");
    mkfifoat(CWD, &pipe, Mode::from_raw_mode(0o600)).unwrap();
    let script = format!("echo half; exec 3>{}; exec sleep 1000", pipe.display());
    let mut push = world.command(["push", "--repo", "repo", "--as", "dump", "--", "sh", "-c", &script]);
    let child = push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Opens once the program has opened its end.
    let mut running = File::open(&pipe).unwrap();
    kill_process(Pid::from_child(&child), signal).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran}");
    assert!(ran.err.contains("no snapshot was made"), "{ran}");
    assert!(ran.out.is_empty(), "{ran}");
    assert_eq!(running.read(&mut [0]).unwrap(), 0, "the program is still there");
    assert!(world.ids().is_empty());
    world.ok(["push", "--repo", "repo", "--as", "dump", "--", "echo", "whole"]);
    assert_eq!(world.ok(["cat", "--repo", "repo", "latest", "/dump"]).out, b"whole\n");
}

#[test]
fn ctrl_c_stops_a_push_cleanly() {
    interrupted_by(Signal::INT);
}

#[test]
fn a_termination_does_the_same() {
    interrupted_by(Signal::TERM);
}

#[test]
fn a_command_with_nothing_to_clean_up_ends_at_once() {
    let world = World::with_repository();
    let passphrase = world.path("passphrase");
    mkfifoat(CWD, &passphrase, Mode::from_raw_mode(0o600)).unwrap();
    let mut list = world.command(["list", "--repo", "repo", "--passphrase-file", "passphrase"]);
    let child = list.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It waits for the passphrase, which never comes.
    let waiting = File::options().write(true).open(&passphrase).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    drop(waiting);
    assert_eq!(ran.code, 130, "{ran}");
}
