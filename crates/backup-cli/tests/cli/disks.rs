//! Disks that are full, read-only or damaged, wherever one is written to.

use crate::trees::assert_same;
use crate::world::{Ran, World, files_below, noise};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const MB: u64 = 1 << 20;

/// A file system of a few megabytes.
struct Disk(PathBuf);

impl Disk {
    /// None where nothing may be mounted, which is said.
    fn mount(path: PathBuf, megabytes: u64) -> Option<Disk> {
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(&path).output().unwrap();
        if mount.status.success() {
            return Some(Disk(path));
        }
        println!("NOT RUN: nothing can be mounted here: {}", String::from_utf8_lossy(&mount.stderr));
        None
    }

    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &how]).arg(&self.0).status().unwrap().success());
    }

    fn fill(&self) {
        let file = fs::File::create(self.0.join("filler")).unwrap();
        let mut at = 0;
        for part in [1 << 20, 4096, 1] {
            while file.write_all_at(&vec![1; part], at).is_ok() {
                at += part as u64;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn assert_full(ran: &Ran) {
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.err.to_lowercase().contains("no space"), "{ran}");
}

#[test]
fn a_push_to_a_full_disk_fails_and_the_next_goes_on() {
    let world = World::new();
    let Some(disk) = Disk::mount(world.path("disk"), 70) else { return };
    world.ok(["init", "--repo", "disk/repo"]);
    world.file("src/data", noise(1, 72 << 20));
    let push = || world.run(["push", "--repo", "disk/repo", "--name", "n", "--json", "src"]);
    let full = push();
    assert_full(&full);
    assert!(full.out.is_empty(), "nothing is claimed: {full}");
    let list = world.ok(["list", "--repo", "disk/repo", "--json"]);
    assert_eq!(list.json(), serde_json::json!([]));
    world.ok(["check", "--repo", "disk/repo", "--read-data"]);
    // Still full: still refused, and nothing gets lost by trying.
    assert_full(&push());

    disk.remount("size=120m");
    let ran = push();
    assert_eq!(ran.code, 0, "{ran}");
    let stored = ran.json()["bytes_stored"].as_u64().unwrap();
    assert!(stored < (72 - 64 + 1) * MB, "two packs were there already; {stored} bytes were sent");
    world.ok(["pull", "--repo", "disk/repo", "latest", "--into", "out"]);
    assert_same(&world.path("src"), &world.pulled("out", "src"));
    world.ok(["check", "--repo", "disk/repo", "--read-data"]);
}

#[test]
fn a_full_disk_can_be_freed_by_forget_and_prune() {
    let world = World::new();
    let Some(disk) = Disk::mount(world.path("disk"), 12) else { return };
    world.ok(["init", "--repo", "disk/repo"]);
    world.file("src/data", noise(1, 4 << 20));
    world.ok(["push", "--repo", "disk/repo", "src"]);
    let old = world.ok(["list", "--repo", "disk/repo", "--json"]).json()[0]["id"].as_str().unwrap().to_owned();
    world.file("src/data", noise(2, 2 << 20));
    world.ok(["push", "--repo", "disk/repo", "src"]);
    disk.fill();
    let forget = world.run(["forget", "--repo", "disk/repo", &old]);
    assert_full(&forget);
    let prune = world.run(["prune", "--repo", "disk/repo", "--grace", "0"]);
    assert_full(&prune);
    world.ok(["check", "--repo", "disk/repo", "--read-data"]);
    // A little room is enough.
    fs::remove_file(disk.0.join("filler")).unwrap();
    world.ok(["forget", "--repo", "disk/repo", &old]);
    let report = world.ok(["prune", "--repo", "disk/repo", "--grace", "0", "--json"]).json();
    assert!(report["bytes_deleted"].as_u64().unwrap() >= 4 * MB, "{report}");
    world.ok(["pull", "--repo", "disk/repo", "latest", "--into", "out"]);
    assert_same(&world.path("src"), &world.pulled("out", "src"));
}

/// Pushes changed files and pulls them, whatever the cache is; gives what both said.
fn push_and_pull(world: &World, seed: u64) -> [Ran; 2] {
    world.file("src/changing", noise(seed, 500_000));
    let push = world.ok(["--cache-dir", "cache", "push", "--repo", "repo", "src"]);
    let into = format!("out{seed}");
    let pull = world.ok(["--cache-dir", "cache", "pull", "--repo", "repo", "latest", "--into", &into]);
    assert_same(&world.path("src"), &world.pulled(&into, "src"));
    world.ok(["--cache-dir", "cache", "check", "--repo", "repo", "--read-data"]);
    [push, pull]
}

fn with_files() -> World {
    let world = World::with_repository();
    for i in 0..20 {
        world.file(format!("src/{i}"), noise(100 + i, 10_000));
    }
    world
}

fn warns(ran: &Ran) -> bool {
    ran.err.contains("warning")
}

#[test]
fn without_room_for_a_cache_all_works_with_a_warning() {
    let world = with_files();
    let Some(disk) = Disk::mount(world.path("cache"), 4) else { return };
    disk.fill();
    let [push, _] = push_and_pull(&world, 1);
    assert!(warns(&push), "{push}");
    // It fills up in the middle.
    fs::remove_file(disk.0.join("filler")).unwrap();
    push_and_pull(&world, 2);
    disk.fill();
    let [push, _] = push_and_pull(&world, 3);
    assert!(warns(&push), "{push}");
}

#[test]
fn a_cache_that_is_read_only_is_used_as_it_is() {
    let world = with_files();
    let Some(disk) = Disk::mount(world.path("cache"), 16) else { return };
    push_and_pull(&world, 1);
    disk.remount("ro");
    let [push, _] = push_and_pull(&world, 2);
    assert!(warns(&push), "{push}");
    push_and_pull(&world, 3);
    disk.remount("rw");
    push_and_pull(&world, 4);
}

#[test]
fn a_damaged_cache_costs_time_and_nothing_else() {
    type Harm = fn(u64, &[u8]) -> Vec<u8>;
    let harms: [Harm; 5] = [
        |_, _| Vec::new(),
        |_, bytes| bytes[..bytes.len() / 2].to_vec(),
        |seed, bytes| noise(seed, bytes.len()),
        |seed, bytes| {
            let mut bytes = bytes.to_vec();
            let at = seed as usize * 7919 % bytes.len().max(1);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x40);
            bytes
        },
        |_, bytes| [bytes, bytes].concat(),
    ];
    let world = with_files();
    push_and_pull(&world, 1);
    for (seed, harm) in (2..).zip(harms) {
        let harmed = files_below(&world.path("cache"));
        assert!(harmed.len() > 3, "{harmed:?}");
        for (file, path) in (seed..).zip(harmed) {
            let bytes = fs::read(&path).unwrap();
            fs::write(path, harm(file, &bytes)).unwrap();
        }
        push_and_pull(&world, seed);
    }
    // Folders where files should be, and the other way round.
    for path in files_below(&world.path("cache")) {
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
    }
    push_and_pull(&world, 20);
    fs::remove_dir_all(world.path("cache")).unwrap();
    world.file("cache", "no folder");
    let [push, _] = push_and_pull(&world, 21);
    assert!(warns(&push), "{push}");
}

#[test]
fn a_pull_to_a_full_disk_names_what_is_missing() {
    let world = World::with_repository();
    world.file("src/a-small", "small");
    world.file("src/b-large", noise(1, 6 << 20));
    world.ok(["push", "--repo", "repo", "src"]);
    let Some(disk) = Disk::mount(world.path("disk"), 3) else { return };
    let ran = world.run(["pull", "--repo", "repo", "latest", "--into", "disk/out"]);
    assert!(ran.code == 1 || ran.code == 3, "{ran}");
    assert!(ran.err.contains("b-large") && ran.err.to_lowercase().contains("no space"), "{ran}");
    assert!(!world.pulled("disk/out", "src/b-large").exists(), "half of it has its name");
    drop(disk);
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_same(&world.path("src"), &world.pulled("out", "src"));
}

#[test]
fn a_full_temporary_folder_stops_no_push_and_no_pull() {
    let world = with_files();
    let Some(disk) = Disk::mount(world.path("tmp"), 4) else { return };
    world.ok(["push", "--repo", "repo", "src"]);
    disk.fill();
    // Nothing is remembered, so that what is fetched has to be kept somewhere.
    let run = |cache: &str, arguments: &[&str]| {
        let mut command = world.command(["--cache-dir", cache]);
        Ran::of(command.args(arguments).env("TMPDIR", &disk.0))
    };
    let push = run("new1", &["push", "--repo", "repo", "src"]);
    assert_eq!(push.code, 0, "{push}");
    let pull = run("new2", &["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(pull.code, 0, "{pull}");
    assert_same(&world.path("src"), &world.pulled("out", "src"));
    let check = run("new3", &["check", "--repo", "repo", "--read-data"]);
    assert!(check.code == 0 || check.code == 1 && check.err.to_lowercase().contains("no space"), "{check}");
}

fn kill_after(world: &World, milliseconds: u64, arguments: &[&str]) {
    let mut child = world.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(milliseconds));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_forget_is_done_by_the_next() {
    let world = World::with_repository();
    world.file("src/a", "always");
    for round in 0..8 {
        for name in ["kept", "doomed"] {
            world.ok(["push", "--repo", "repo", "--name", name, "src"]);
        }
        let doomed = world.snapshots().into_iter().find(|snapshot| snapshot["name"] == "doomed").unwrap();
        let id = doomed["id"].as_str().unwrap();
        kill_after(&world, round * 4, &["forget", "--repo", "repo", id]);
        let again = world.run(["forget", "--repo", "repo", id]);
        assert!(again.code == 0 || again.code == 6, "{again}");
        let left = world.snapshots();
        assert!(left.len() as u64 == round + 1 && left.iter().all(|snapshot| snapshot["name"] == "kept"));
    }
    world.ok(["check", "--repo", "repo", "--read-data"]);
}

#[test]
fn a_killed_pull_leaves_no_half_file_of_several_pieces_under_its_name_and_can_be_repeated() {
    let world = World::with_repository();
    // One that comes in a single piece is written under its own name at once, and is short for that moment.
    let content = |i: u64| noise(i, if i.is_multiple_of(2) { 5 << 20 } else { 300_000 });
    for i in 0..12 {
        world.file(format!("src/{i:02}"), content(i));
    }
    world.ok(["push", "--repo", "repo", "src"]);
    let mut killed_midway = 0;
    for round in 0..10 {
        let into = format!("out{round}");
        let arguments = ["pull", "--repo", "repo", "latest", "--into", &into, "--overwrite", "if-changed"];
        kill_after(&world, 15 + round * 15, &arguments);
        let pulled = |i: u64| world.pulled(&into, &format!("src/{i:02}"));
        let named = (0..12).filter(|i| pulled(*i).exists()).collect::<Vec<u64>>();
        for i in named.iter().filter(|i| *i % 2 == 0) {
            assert!(fs::read(pulled(*i)).unwrap() == content(*i), "half of file {i} has its name");
        }
        killed_midway += u32::from(!named.is_empty() && named.len() < 12);
        world.ok(arguments);
        for i in 0..12 {
            assert!(fs::read(pulled(i)).unwrap() == content(i), "file {i} of round {round}");
        }
    }
    println!("{killed_midway} of 10 were killed between two files");
}
