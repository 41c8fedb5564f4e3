//! Commands that only look.

use crate::world::World;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[test]
fn what_ls_prints_is_what_paths_are() {
    let world = World::with_repository();
    let odd = world.path("src").join(OsStr::from_bytes(b"a\\n\xff\n\x1b[31m"));
    fs::write(&odd, "odd").unwrap();
    world.file("src/sub/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    let listed = world.ok(["ls", "--repo", "repo", "latest"]);
    let lines: Vec<&str> = listed.text().lines().collect();
    assert!(lines.iter().all(|line| line.starts_with('/') && !line.contains(char::is_control)), "{lines:?}");
    let printed = lines.iter().find(|line| line.contains("xff")).unwrap();
    assert_eq!(world.ok(["cat", "--repo", "repo", "latest", printed]).out, b"odd");
    world.ok(["pull", "--repo", "repo", "latest", printed, "--into", "out"]);
    assert_eq!(fs::read(world.path("out").join(odd.strip_prefix("/").unwrap())).unwrap(), b"odd");
    let sub = world.path("src/sub");
    let below = world.ok(["ls", "--repo", "repo", "latest", sub.to_str().unwrap()]);
    assert_eq!(below.text(), format!("{0}\n{0}/x\n", sub.display()));
    let long = world.ok(["ls", "--repo", "repo", "latest", "-l", sub.join("x").to_str().unwrap()]);
    assert!(long.text().starts_with("-rw") && long.text().trim_end().ends_with("sub/x"), "{long}");
}

#[test]
fn cat_writes_bytes_as_they_are() {
    let world = World::with_repository();
    let content: Vec<u8> = (0..=255_u8).cycle().take(700_000).chain(*b"\x1b[31m\r\n").collect();
    let path = world.file("src/bytes", &content);
    world.ok(["push", "--repo", "repo", "src"]);
    let path = path.to_str().unwrap();
    assert_eq!(world.ok(["cat", "--repo", "repo", "latest", path]).out, content);
    assert_eq!(world.ok(["pull", "--repo", "repo", "latest", path, "--into", "-"]).out, content);
    let folder = world.run(["cat", "--repo", "repo", "latest", world.path("src").to_str().unwrap()]);
    assert_eq!(folder.code, 2, "{folder}");
    assert!(folder.err.contains("directory"), "{folder}");
}

#[test]
fn find_searches_all_snapshots() {
    let world = World::with_repository();
    world.file("src/report.txt", "1");
    world.ok(["push", "--repo", "repo", "src", "--name", "a"]);
    fs::rename(world.path("src/report.txt"), world.path("src/REPORT.TXT")).unwrap();
    world.ok(["push", "--repo", "repo", "src", "--name", "b"]);
    let matches = |line: &[&str]| {
        world
            .ok([&["find", "--repo", "repo"], line].concat())
            .text()
            .lines()
            .filter(|line| line.starts_with("  "))
            .count()
    };
    assert_eq!(matches(&["*.txt"]), 1);
    assert_eq!(matches(&["*.txt", "--ignore-case"]), 2);
    assert_eq!(matches(&["*.txt", "--ignore-case", "--name", "b"]), 1);
    assert_eq!(matches(&["**/src/*", "--in", "latest:a"]), 1);
}

#[test]
fn diff_names_what_changed() {
    let world = World::with_repository();
    for name in ["same", "longer", "gone"] {
        world.file(format!("src/{name}"), "1");
    }
    world.ok(["push", "--repo", "repo", "src"]);
    world.file("src/longer", "12");
    world.file("src/new", "");
    fs::remove_file(world.path("src/gone")).unwrap();
    world.ok(["push", "--repo", "repo", "src"]);
    let ids = world.ids();
    let ran = world.ok(["diff", "--repo", "repo", &ids[0], &ids[1]]);
    let path = |letter: &str, name: &str| format!("{letter} {}", world.path("src").join(name).display());
    for line in [path("M", "longer"), path("+", "new"), path("-", "gone")] {
        assert!(ran.text().lines().any(|printed| printed == line), "{line}: {ran}");
    }
    assert_eq!(ran.text().lines().count(), 3, "{ran}");
    let with_metadata = world.ok(["diff", "--repo", "repo", &ids[0], &ids[1], "--metadata"]);
    let folder = format!("U {}", world.path("src").display());
    assert!(with_metadata.text().lines().any(|line| line == folder), "{with_metadata}");
    assert_eq!(world.ok(["diff", "--repo", "repo", &ids[1], &ids[1]]).text(), "");
    let only = world.path("src/new");
    let ran = world.ok(["diff", "--repo", "repo", &ids[0], &ids[1], only.to_str().unwrap()]);
    assert_eq!(ran.text(), format!("{}\n", path("+", "new")));
}

#[test]
fn stats_count_what_is_stored() {
    let world = World::with_repository();
    world.file("src/x", "x".repeat(5000));
    world.ok(["push", "--repo", "repo", "src"]);
    let ran = world.ok(["stats", "--repo", "repo"]);
    assert!(ran.text().contains("snapshots 1") && ran.text().contains("packs"), "{ran}");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.ok(["completions", shell]);
        assert!(script.text().contains("strip-components"), "{shell}");
    }
    let page = world.ok(["man"]);
    assert!(page.text().contains(".TH backup") && page.text().contains("Bring a snapshot back"), "{page}");
    let page = world.ok(["man", "pull"]);
    assert!(page.text().contains("strip\\-components"), "{page}");
    assert!(world.ok(["version"]).text().contains(env!("CARGO_PKG_VERSION")));
    assert!(world.ok(["--version"]).text().contains(env!("CARGO_PKG_VERSION")));
}
