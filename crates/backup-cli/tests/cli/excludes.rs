//! What is left out of a backup.

use crate::world::World;
use std::fs;

fn listed(world: &World) -> Vec<String> {
    let root = world.path("src");
    let ran = world.ok(["ls", "--repo", "repo", "latest", root.to_str().unwrap()]);
    let below = |line: &str| line.strip_prefix(root.to_str().unwrap()).unwrap().trim_start_matches('/').to_owned();
    ran.text().lines().map(below).filter(|line| !line.is_empty()).collect()
}

#[test]
fn patterns_sizes_and_caches() {
    let world = World::with_repository();
    for name in ["a.tmp", "keep.tmp", "big", "sub/b.tmp", "sub/c", "cache/data", "build/x"] {
        world.file(format!("src/{name}"), "1234567890");
    }
    world.file("src/big", vec![0; 5000]);
    world.file("src/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    world.file("patterns", "# comment\n*.tmp\nbuild/\n");
    world.ok([
        "push",
        "--repo",
        "repo",
        "src",
        "--exclude-file",
        "patterns",
        "--exclude",
        "!keep.tmp",
        "--exclude-caches",
        "--max-size",
        "4k",
        "--one-file-system",
    ]);
    assert_eq!(listed(&world), ["cache", "cache/CACHEDIR.TAG", "keep.tmp", "sub", "sub/c"]);
}

#[test]
fn a_repository_does_not_back_itself_up() {
    let world = World::new();
    world.file("src/x", "x");
    let repository = "src/odd [name]*/repo";
    fs::create_dir_all(world.path("src/odd [name]*")).unwrap();
    fs::create_dir_all(world.path("src/odd n/repo")).unwrap();
    world.file("src/odd n/repo/y", "y");
    world.ok(["init", "--repo", repository]);
    let push = ["push", "--repo", repository, "src", "--cache-dir", "src/cache"];
    for _ in 0..2 {
        let ran = world.ok(push);
        assert!(ran.err.contains("leaving out") && ran.err.contains("repo: it is the repository"), "{ran}");
        assert!(ran.err.contains("cache: it is the cache"), "{ran}");
    }
    world.ok(["pull", "--repo", repository, "latest", "--into", "out"]);
    let out = world.pulled("out", "src");
    assert_eq!(fs::read(out.join("odd n/repo/y")).unwrap(), b"y");
    assert!(!out.join("odd [name]*/repo").exists());
    assert!(!out.join("cache").exists());
    for source in [repository.to_owned(), format!("{repository}/packs")] {
        let ran = world.run(["push", "--repo", repository, &source]);
        assert_eq!(ran.code, 2, "{ran}");
    }
}

#[test]
fn a_dry_run_says_what_would_be_read_and_does_nothing() {
    let world = World::new();
    world.file("src/x", "12345");
    let ran = world.ok(["push", "src", "--dry-run"]);
    assert!(ran.text().contains("1 new"), "{ran}");
    assert!(!world.path("home/.local").exists() && !world.path("home/.config").exists());
    world.ok(["init", "--repo", "repo"]);
    world.ok(["push", "--repo", "repo", "src"]);
    world.file("src/y", "123");
    world.file("src/x", "123456");
    let dry = world.ok(["push", "--repo", "repo", "src", "--dry-run", "--json"]).json();
    let numbers = ["files_new", "files_changed", "files_unchanged", "bytes_read"].map(|key| dry[key].as_u64().unwrap());
    assert_eq!(numbers, [1, 1, 0, 9]);
    let marker = world.path("marker");
    let ran = world.ok(["push", "--repo", "repo", "--dry-run", "--as", "x", "--", "touch", marker.to_str().unwrap()]);
    assert!(ran.err.contains("touch"), "{ran}");
    assert!(!marker.exists());
    assert_eq!(world.ids().len(), 1);
}
