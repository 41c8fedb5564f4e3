//! Every bad input has its exit code, a message that says what is wrong, and loses nothing.

use crate::world::{World, files_below, noise};
use std::fs;

fn refused(world: &World, code: i32, says: &str, arguments: &[&str]) {
    let ran = world.run(arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {ran}");
    assert!(ran.err.contains(says), "{arguments:?} says nothing of {says:?}: {ran}");
    assert!(ran.out.is_empty(), "{arguments:?}: {ran}");
}

#[test]
fn wrong_command_lines_end_with_2() {
    let world = World::with_repository();
    world.file("src/x", "x");
    for (says, line) in [
        ("Usage", vec![]),
        ("unexpected argument", vec!["push", "src", "--frobnicate"]),
        ("unrecognized subcommand", vec!["psuh"]),
        ("required", vec!["push"]),
        ("required", vec!["pull", "latest"]),
        ("required", vec!["push", "--as", "x"]),
        ("required", vec!["push", "--", "true"]),
        ("several", vec!["list", "--repo", "repo", "--repo", "other"]),
        ("cannot be used", vec!["list", "--identity", "a", "--passphrase-file", "b"]),
        ("password", vec!["list", "--repo", "sftp://ann:hunter2@host/x"]),
        ("feature s3", vec!["list", "--repo", "s3://bucket/x"]),
        ("feature mysql", vec!["push", "--repo", "repo", "mysql://db/shop"]),
        ("there is no such storage", vec!["list", "--repo", "gopher://x"]),
        ("pattern", vec!["push", "--repo", "repo", "src", "--exclude", "a{b"]),
        ("max-size", vec!["push", "src", "--max-size", "large"]),
        ("--since", vec!["list", "--since", "once"]),
        ("--read-data", vec!["check", "--read-data=101%"]),
        ("empty path", vec!["push", "--repo", "repo", ""]),
        ("..", vec!["ls", "--repo", "repo", "latest", "/a/../b"]),
        ("no command", vec!["man", "psuh"]),
    ] {
        refused(&world, 2, says, &line);
    }
    assert!(world.ids().is_empty());
}

#[test]
fn a_password_on_the_command_line_is_not_repeated() {
    let world = World::new();
    for line in [["list", "--repo", "sftp://ann:hunter2@host/x"], ["push", "--name=x", "mysql://root:hunter2@db/shop"]]
    {
        let ran = world.run(line);
        assert_eq!(ran.code, 2, "{ran}");
        assert!(!ran.err.contains("hunter2"), "{ran}");
    }
}

#[test]
fn what_is_not_there_ends_with_6() {
    let world = World::with_repository();
    for line in [
        &["list", "--repo", "missing"][..],
        &["list"],
        &["list", "--repo", "src"],
        &["push", "--repo", "missing", "src"],
        &["push", "--repo", "repo", "missing"],
        &["pull", "--repo", "repo", "latest", "--into", "out"],
        &["pull", "--repo", "repo", "latest:web", "--into", "out"],
        &["ls", "--repo", "repo", "0123"],
        &["forget", "--repo", "repo", "0123"],
    ] {
        refused(&world, 6, "error:", line);
    }
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    for (says, line) in [
        ("no such path", &["ls", "--repo", "repo", "latest", "/missing"][..]),
        ("/missing", &["cat", "--repo", "repo", "latest", "/missing"]),
        ("/missing", &["pull", "--repo", "repo", "latest", "/missing", "--into", "out"]),
        ("nothing found", &["find", "--repo", "repo", "*.nothing"]),
        ("no snapshot of the name", &["ls", "--repo", "repo", "latest:other"]),
        ("no component", &["ls", "--repo", "repo", "latest", "--component", "db"]),
    ] {
        refused(&world, 6, says, line);
    }
    assert!(!world.path("out").exists());
    assert!(!world.path("missing").exists());
}

#[test]
fn a_repository_is_not_made_among_other_files() {
    let world = World::new();
    world.file("src/letter.txt", "dear");
    refused(&world, 1, "letter.txt", &["init", "--repo", "src"]);
    refused(&world, 1, "cannot", &["init", "--repo", "src/letter.txt"]);
    world.ok(["init", "--repo", "repo"]);
    refused(&world, 1, "already", &["init", "--repo", "repo"]);
    assert_eq!(fs::read_dir(world.path("src")).unwrap().count(), 1);
}

#[test]
fn damaged_content_ends_with_4_and_spares_the_rest() {
    let world = World::with_repository();
    world.file("src/good", "good");
    world.ok(["push", "--repo", "repo", "src", "--name", "good"]);
    let good = files_below(&world.path("repo/packs"));
    world.file("src/bad", (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    world.ok(["push", "--repo", "repo", "src", "--name", "bad"]);
    // Of the packs of the second push, the largest has the content.
    let mut packs = files_below(&world.path("repo/packs"));
    packs.retain(|pack| !good.contains(pack));
    packs.sort_by_key(|pack| fs::metadata(pack).unwrap().len());
    let pack = packs.last().unwrap();
    let mut bytes = fs::read(pack).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(pack).unwrap();
    fs::write(pack, bytes).unwrap();

    let ran = world.run(["pull", "--repo", "repo", "latest:bad", "--into", "out"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.err.contains("src/bad"), "{ran}");
    assert!(!world.pulled("out", "src/bad").exists(), "wrong bytes stand under a right name");
    assert_eq!(fs::read(world.pulled("out", "src/good")).unwrap(), b"good");
    let path = world.path("src/bad");
    assert_eq!(world.run(["cat", "--repo", "repo", "latest:bad", path.to_str().unwrap()]).code, 4);

    // A check of the content names the pack and the snapshot, and not the other one.
    world.ok(["check", "--repo", "repo"]);
    let check = world.run(["check", "--repo", "repo", "--read-data", "--json"]);
    assert_eq!(check.code, 4, "{check}");
    let report = check.json();
    let findings = report["findings"].as_array().unwrap();
    let name = pack.strip_prefix(world.path("repo")).unwrap().to_str().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding["object"] == name), "{check}");
    let bad = &world.ids()[1];
    assert!(findings.iter().all(|finding| finding["affects"] == serde_json::json!([bad])), "{check}");
    let text = world.run(["check", "--repo", "repo", "--read-data=100%"]);
    assert!(text.text().contains(name) && text.text().contains(bad.as_str()), "{text}");
    assert!(text.err.contains("no other damage found\n") && !text.err.contains("repair index"), "{text}");
    let run = files_below(&world.path("repo/index")).remove(0);
    fs::remove_file(run).unwrap();
    let without = world.run(["check", "--repo", "repo"]);
    assert!(without.code == 4 && without.err.contains("`backup repair index`"), "{without}");
}

#[test]
fn of_a_pack_that_was_cut_short_what_is_left_is_restored() {
    let world = World::with_repository();
    for file in 0..8 {
        world.file(format!("src/{file}"), noise(file, 500_000));
    }
    world.ok(["push", "--repo", "repo", "src"]);
    let packs = files_below(&world.path("repo/packs"));
    let pack = packs.iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let length = fs::metadata(pack).unwrap().len();
    assert!(length >= 4_000_000, "they are in one pack");
    fs::OpenOptions::new().write(true).open(pack).unwrap().set_len(length * 6 / 10).unwrap();

    let ran = world.run(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(ran.code, 4, "{ran}");
    let restored: Vec<u64> = (0..8).filter(|file| world.pulled("out", &format!("src/{file}")).exists()).collect();
    assert!((3..=5).contains(&restored.len()), "{restored:?} {ran}");
    for file in restored.iter().map(|file| format!("src/{file}")) {
        assert_eq!(fs::read(world.pulled("out", &file)).unwrap(), fs::read(world.path(&file)).unwrap(), "{file}");
    }
}

#[test]
fn a_check_of_a_sound_repository_finds_nothing() {
    let world = World::with_repository();
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    for depth in [&[][..], &["--read-data"], &["--read-data=50%"], &["--read-data=1/2"]] {
        let ran = world.ok([&["check", "--repo", "repo"], depth].concat());
        assert!(ran.err.contains("no damage found"), "{ran}");
    }
    let report = world.ok(["check", "--repo", "repo", "--read-data", "--json"]).json();
    assert_eq!((&report["clean"], &report["findings"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(report["checked"]["snapshots"], 1, "{report}");
}

#[test]
fn a_reader_that_goes_away_is_no_error_to_shout_about() {
    let world = World::with_repository();
    world.file("src/x", "x");
    world.ok(["push", "--repo", "repo", "src"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = world.command(["ls", "--repo", "repo", "latest"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = world.command(["ls", "--repo", "repo", "latest"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output"));
}
