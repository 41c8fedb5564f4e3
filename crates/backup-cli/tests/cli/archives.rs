//! Folders of archives: the same commands as for repositories, and stock programs beside them.

use crate::world::{Ran, World, noise};
use std::fs;
use std::process::Command;

fn with_archives(options: &[&str]) -> World {
    let world = World::new();
    world.ok([&["init", "--repo", "repo", "--archives", "--template", "{name}"], options].concat());
    world.file("src/deep/large", noise(1, 5 << 20));
    world.file("src/x", "hello");
    world
}

fn names(world: &World) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(world.path("repo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "tmp")
        .collect();
    names.sort();
    names
}

fn push(world: &World, name: &str) -> Ran {
    world.run(["push", "--repo", "repo", "--json", "src", "--name", name])
}

#[test]
fn archives_are_pushed_listed_read_and_pulled() {
    let world = with_archives(&[]);
    let pushed = push(&world, "shop").json();
    assert_eq!(
        (&pushed["snapshot"], &pushed["status"], &pushed["files_new"]),
        (&"shop".into(), &"complete".into(), &2.into())
    );
    assert_eq!(names(&world), ["archives.json", "shop.index.zst.age", "shop.manifest.json", "shop.tar.zst.age"]);
    assert_eq!(world.ids(), ["shop"]);
    let x = world.path("src/x").display().to_string();
    assert!(world.ok(["ls", "--repo", "repo", "latest"]).text().contains(&x));
    assert_eq!(world.ok(["cat", "--repo", "repo", "latest:shop", &x]).out, b"hello");
    assert!(world.ok(["find", "--repo", "repo", "*large"]).text().contains("src/deep/large"));
    world.ok(["pull", "--repo", "repo", "shop", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/deep/large")).unwrap(), noise(1, 5 << 20));
    world.ok(["check", "--repo", "repo", "--read-data"]);
}

#[test]
fn nothing_is_overwritten_and_names_are_numbered_where_that_is_wanted() {
    let world = with_archives(&[]);
    push(&world, "shop");
    let before = names(&world);
    let refused = push(&world, "shop");
    assert_eq!(refused.code, 1, "{refused}");
    assert!(refused.err.contains("there is an archive of this name"), "{refused}");
    assert_eq!(names(&world), before);

    let world = with_archives(&["--number-taken-names"]);
    push(&world, "shop");
    push(&world, "shop");
    assert_eq!(world.ids(), ["shop", "shop-2"]);
}

#[test]
fn held_archives_stay_and_what_is_no_archives_business_is_refused() {
    let world = with_archives(&["--no-encryption", "--compress", "gzip"]);
    push(&world, "shop");
    push(&world, "other");
    let unclear = world.run(["ls", "--repo", "repo", "latest"]);
    assert_eq!(unclear.code, 2, "{unclear}");
    world.ok(["hold", "--repo", "repo", "shop"]);
    let refused = world.run(["forget", "--repo", "repo", "shop"]);
    assert_eq!(refused.code, 5, "{refused}");
    world.ok(["release", "--repo", "repo", "shop"]);
    world.ok(["forget", "--repo", "repo", "shop"]);
    assert_eq!(world.ids(), ["other"]);
    for command in [&["prune"][..], &["stats"], &["key", "list"], &["tag", "other", "--add", "x"]] {
        let refused = world.run([command, &["--repo", "repo"]].concat());
        assert_eq!(refused.code, 2, "{command:?}: {refused}");
    }
    for missing in ["nothing", "othe", ""] {
        let missing = world.run(["forget", "--repo", "repo", missing]);
        assert_eq!(missing.code, 6, "{missing}");
    }
    assert_eq!(world.ids(), ["other"]);
    let script = "gzip -d < repo/other.tar.gz | tar -t";
    let listed = Command::new("sh").args(["-c", script]).current_dir(world.path(".")).output().unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("src/deep/large\n"));
}

#[test]
fn a_place_is_a_repository_or_an_archive_folder() {
    let world = World::with_repository();
    let refused = world.run(["init", "--repo", "repo", "--archives"]);
    assert_eq!(refused.code, 1, "{refused}");
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    let archives = with_archives(&["--no-encryption"]);
    let refused = archives.run(["init", "--repo", "repo"]);
    assert_eq!(refused.code, 1, "{refused}");
    // As somebody would who wants to read what comes next.
    fs::copy(archives.path("repo/archives.json"), world.path("repo/archives.json")).unwrap();
    for command in [&["push", "src"][..], &["list"], &["prune"]] {
        let refused = world.run([command, &["--repo", "repo"]].concat());
        assert_eq!(refused.code, 4, "{command:?}: {refused}");
    }
}

#[test]
fn a_damaged_archive_is_named_and_what_is_whole_is_restored() {
    let world = with_archives(&["--no-encryption", "--compress", "none"]);
    push(&world, "shop");
    let archive = world.path("repo/shop.tar");
    let mut content = fs::read(&archive).unwrap();
    // Inside the large file, in the second piece.
    content[(4 << 20) + 100] ^= 1;
    fs::write(&archive, content).unwrap();
    let checked = world.run(["check", "--repo", "repo", "--read-data"]);
    assert_eq!(checked.code, 4, "{checked}");
    assert!(checked.text().contains("shop.tar"), "{checked}");
    let large = world.path("src/deep/large").display().to_string();
    let refused = world.run(["cat", "--repo", "repo", "latest", &large]);
    assert_eq!(refused.code, 4, "{refused}");
    let pulled = world.run(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(pulled.code, 4, "{pulled}");
    assert!(!world.pulled("out", "src/deep/large").exists());
}

#[test]
fn a_passphrase_opens_what_it_closed() {
    let world = World::new();
    world.file("pass", "a long passphrase\n");
    world.file("src/x", "hello");
    world.ok(["init", "--repo", "repo", "--archives", "--passphrase-file", "pass"]);
    let refused = world.run(["push", "--repo", "repo", "src"]);
    assert_eq!(refused.code, 5, "{refused}");
    world.ok(["push", "--repo", "repo", "src", "--passphrase-file", "pass"]);
    assert_eq!(world.ids().len(), 1, "listing needs no key");
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out", "--passphrase-file", "pass"]);
    assert_eq!(fs::read(world.pulled("out", "src/x")).unwrap(), b"hello");
    world.file("wrong", "another passphrase\n");
    let refused = world.run(["pull", "--repo", "repo", "latest", "--into", "two", "--passphrase-file", "wrong"]);
    assert_eq!(refused.code, 5, "{refused}");
}

#[test]
fn wrong_settings_are_refused_before_anything_is_made() {
    let world = World::new();
    for wrong in [
        &["--template", "{nam}"][..],
        &["--template", "{date:%~}"],
        &["--compress", "zstd:99"],
        &["--recipient", "age1nonsense"],
        &["--time-zone", "Europe/Atlantis"],
        &["--no-encryption", "--recipient", "age1x"],
    ] {
        let refused = world.run([&["init", "--repo", "repo", "--archives"], wrong].concat());
        assert_eq!(refused.code, 2, "{wrong:?}: {refused}");
    }
    assert!(!world.path("repo/archives.json").exists());
    assert_eq!(world.run(["init", "--archives"]).code, 2, "it has no default place");
    assert_eq!(world.run(["init", "--repo", "repo", "--template", "x"]).code, 2);
}
