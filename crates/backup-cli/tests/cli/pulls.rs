//! Where a pull writes, and what it leaves alone.

use crate::trees;
use crate::world::World;
use std::fs;
use std::path::Path;

fn depth(path: &Path) -> usize {
    path.components().count() - 1
}

#[test]
fn leading_parts_can_be_left_out() {
    let world = World::with_repository();
    trees::plant(&world.path("src"));
    world.ok(["push", "--repo", "repo", "src"]);
    let parts = depth(&world.path("src")).to_string();
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--strip-components", &parts]);
    trees::assert_same(&world.path("src"), &world.path("out"));

    let ran = world.run(["pull", "--repo", "repo", "latest", "--into", "none", "--strip-components", "99"]);
    assert_eq!(ran.code, 3, "{ran}");
    assert!(ran.err.contains("sea.jpg: no component of its path is left"), "{ran}");
}

#[test]
fn what_failed_is_said_once() {
    let world = World::with_repository();
    world.file("src/x", "stored");
    world.ok(["push", "--repo", "repo", "src"]);
    let ran = world.run(["pull", "--repo", "repo", "latest", "--into", "src/x"]);
    assert_eq!((ran.code, ran.err.matches("File exists").count()), (1, 1), "{ran}");
}

#[test]
fn paths_are_chosen_with_what_is_below_them() {
    let world = World::with_repository();
    trees::plant(&world.path("src"));
    world.ok(["push", "--repo", "repo", "src"]);
    let chosen = world.path("src/photos");
    world.ok(["pull", "--repo", "repo", "latest", chosen.to_str().unwrap(), "--into", "out"]);
    let names: Vec<_> = fs::read_dir(world.pulled("out", "src")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["photos"]);
    assert!(world.pulled("out", "src/photos/2026/summer/sea.jpg").is_file());
}

#[test]
fn what_is_there_is_overwritten_as_asked() {
    let world = World::with_repository();
    world.file("src/x", "stored");
    world.ok(["push", "--repo", "repo", "src"]);
    let pull = |when: &str| world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--overwrite", when]);
    pull("always");
    let there = world.pulled("out", "src/x");
    fs::write(&there, "edited later").unwrap();
    pull("never");
    assert_eq!(fs::read(&there).unwrap(), b"edited later");
    pull("if-newer");
    assert_eq!(fs::read(&there).unwrap(), b"edited later");
    pull("if-changed");
    assert_eq!(fs::read(&there).unwrap(), b"stored");
}

#[test]
fn delete_and_dry_run() {
    let world = World::with_repository();
    world.file("src/x", "stored");
    world.ok(["push", "--repo", "repo", "src"]);
    let dry = world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--dry-run"]);
    assert!(dry.text().contains("would restore"), "{dry}");
    assert!(!world.path("out").exists());
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    let extra = world.pulled("out", "src/extra");
    let beside = world.path("out/beside");
    fs::write(&extra, "").unwrap();
    fs::write(&beside, "").unwrap();
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--delete", "--dry-run"]);
    assert!(extra.exists());
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert!(extra.exists());
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--delete"]);
    assert!(!extra.exists());
    assert!(beside.exists(), "what lies beside what the snapshot has is none of its business");
}

#[test]
fn verify_reads_everything_back() {
    let world = World::with_repository();
    trees::plant(&world.path("src"));
    world.ok(["push", "--repo", "repo", "src"]);
    let parts = depth(&world.path("src")).to_string();
    let pull = ["pull", "--repo", "repo", "latest", "--into", "out", "--strip-components", &parts, "--verify"];
    let ran = world.ok(pull);
    assert!(ran.text().contains("verified"), "{ran}");

    // What looks the same to a restore is not the same to a comparison.
    let sea = world.path("out/photos/2026/summer/sea.jpg");
    let modified = fs::metadata(&sea).unwrap().modified().unwrap();
    let mut content = fs::read(&sea).unwrap();
    content[2_000_000] ^= 1;
    fs::write(&sea, content).unwrap();
    fs::File::open(&sea).unwrap().set_modified(modified).unwrap();
    let hole = world.path("out/sparse");
    let modified = fs::metadata(&hole).unwrap().modified().unwrap();
    std::os::unix::fs::FileExt::write_at(&fs::File::options().write(true).open(&hole).unwrap(), b"x", 5 << 20).unwrap();
    fs::File::open(&hole).unwrap().set_modified(modified).unwrap();
    world.ok(&pull[..pull.len() - 1]);
    let ran = world.run(pull);
    assert_eq!(ran.code, 3, "{ran}");
    let different: Vec<_> = ran.err.lines().filter(|line| line.contains("not that of the snapshot")).collect();
    assert_eq!(different.len(), 2, "{ran}");

    // Nothing is followed or changed on the way.
    fs::remove_file(world.path("out/link")).unwrap();
    std::os::unix::fs::symlink("/etc", world.path("out/link")).unwrap();
    fs::remove_dir_all(world.path("out/photos")).unwrap();
    std::os::unix::fs::symlink(world.path("src/photos"), world.path("out/photos")).unwrap();
    let ran = world.run([&pull[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, 3, "{ran}");
    for says in ["points elsewhere", "photos: it is a Symlink, not a Directory", "sea.jpg: cannot be looked at"] {
        assert!(ran.err.contains(says), "{says}: {ran}");
    }
}
