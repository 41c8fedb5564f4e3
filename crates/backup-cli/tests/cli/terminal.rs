//! What is only for terminals. `script` gives the program one.

use crate::world::{BACKUP, Ran, World};
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the program on a terminal of its own; what it writes anywhere comes out of it.
fn on_a_terminal(world: &World, arguments: &[&str], typed: &str, environment: &[(&str, &str)]) -> Ran {
    let line = [&[BACKUP], arguments].concat().join(" ");
    let inner = world.command([""; 0]);
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(world.path("")).env_clear();
    script.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    script.envs(environment.iter().copied());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn progress_and_colours_are_for_terminals() {
    let world = World::with_repository();
    world.file("src/x", "x");
    let push = ["push", "--repo", "repo", "src"];
    let ran = on_a_terminal(&world, &push, "", &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.text().contains("\x1b[1m"), "no colours: {ran}");
    let ran = on_a_terminal(&world, &push, "", &[("NO_COLOR", "1")]);
    assert!(!ran.text().contains("\x1b[1m"), "colours: {ran}");
    let plain = world.ok(push);
    assert!(!plain.text().contains('\x1b') && plain.err.is_empty(), "{plain}");
}

#[test]
fn a_bar_shows_while_a_program_runs() {
    let world = World::with_repository();
    let push = ["push", "--repo", "repo", "--as", "x", "--", "sleep", "0.5"];
    let ran = on_a_terminal(&world, &push, "", &[]);
    assert!(ran.text().contains("1 file ·"), "no bar: {ran}");
    let quiet = on_a_terminal(&world, &[&push[..3], &["--quiet"], &push[3..]].concat(), "", &[]);
    assert!(!quiet.text().contains(" file ·"), "a bar: {quiet}");
}

#[test]
fn the_passphrase_is_asked_for() {
    let world = World::new();
    world.file("passphrase", "correct horse");
    world.ok(["init", "--repo", "repo", "--passphrase-file", "passphrase"]);
    let ran = on_a_terminal(&world, &["list", "--repo", "repo"], "correct horse\n", &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.text().contains("Passphrase of repo"), "{ran}");
    let ran = on_a_terminal(&world, &["list", "--repo", "repo"], "wrong\n", &[]);
    assert_eq!(ran.code, 5, "{ran}");
}
