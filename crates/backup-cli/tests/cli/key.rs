//! Owners and writers, on the command line.

use crate::world::{Ran, World, files_below};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Makes a writer's credential and puts it into a file.
fn credential(world: &World, file: &str, options: &[&str]) -> PathBuf {
    let ran = world.ok([&["key", "writer", "--repo", "repo"], options].concat());
    let path = world.file(file, &ran.out);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs with nothing but a credential.
fn with(world: &World, words: &[&str], credential: &str) -> Ran {
    Ran::of(world.command([words, &["--repo", "repo"]].concat()).env("BACKUP_IDENTITY", credential))
}

fn keys(world: &World) -> Value {
    world.ok(["key", "list", "--repo", "repo", "--json"]).json()
}

#[test]
fn a_writer_backs_up_and_an_owner_restores() {
    let world = World::with_repository();
    world.file("src/x", "precious");
    credential(&world, "web.key", &["--names", "web-*", "--names", "db"]);
    let pushed = with(&world, &["push", "src", "--name", "web-1"], "web.key");
    assert_eq!(pushed.code, 0, "{pushed}");
    let listed = with(&world, &["list", "--json"], "web.key");
    assert_eq!(listed.json()[0]["name"], "web-1", "{listed}");
    for refused in [
        &["pull", "latest", "--into", "out"][..],
        &["cat", "latest", "x"],
        &["ls", "latest"],
        &["forget", "latest"],
        &["check", "--read-data"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "writer"],
        &["push", "src", "--name", "mail"],
    ] {
        let ran = with(&world, refused, "web.key");
        assert_eq!(ran.code, 5, "{refused:?} {ran}");
        assert!(ran.err.contains("owner"), "{refused:?} {ran}");
        assert!(ran.out.is_empty(), "{refused:?} {ran}");
    }
    assert_eq!(with(&world, &["check"], "web.key").code, 0);
    world.ok(["pull", "--repo", "repo", "latest", "--into", "out"]);
    assert_eq!(fs::read(world.pulled("out", "src/x")).unwrap(), b"precious");

    let keys = keys(&world);
    assert_eq!((&keys["writers"][0]["names"][1], &keys["writers"][0]["domain"]), (&"db".into(), &"default".into()));
    assert_eq!(keys["owners"][0]["current"], true);
    let id = keys["writers"][0]["id"].as_str().unwrap();
    let table = world.ok(["key", "list", "--repo", "repo"]).text().to_owned();
    assert!(table.contains(id) && table.contains("web-* db") && table.contains("this is you"), "{table}");

    world.ok(["key", "remove", "--repo", "repo", &id[..8]]);
    let revoked = with(&world, &["push", "src", "--name", "web-1"], "web.key");
    assert!(revoked.code == 5 && revoked.err.contains("revoked"), "{revoked}");
    assert_eq!(world.ids().len(), 1, "what it had backed up stays");
    assert!(self::keys(&world)["writers"][0]["revoked"].is_string());
}

#[test]
fn the_credential_is_printed_once_and_kept_nowhere() {
    let world = World::with_repository();
    let made = world.ok(["key", "writer", "--repo", "repo", "--json", "--until", "90d"]);
    let json = made.json();
    let text = json["credential"].as_str().unwrap();
    let secret = text.lines().find(|line| line.starts_with("BACKUP-WRITER-1-")).unwrap();
    assert!(!made.err.contains(secret), "{made}");
    world.file("web.key", text);
    let open = with(&world, &["list"], "web.key");
    assert!(open.code == 0 && open.err.contains("chmod 600"), "{open}");
    for path in ["home", "repo"].into_iter().flat_map(|folder| files_below(&world.path(folder))) {
        let content = fs::read(&path).unwrap();
        let found = content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }
    // One that was cut says so and shows nothing of it.
    world.file("cut.key", &text[..text.len() - 9]);
    let cut = with(&world, &["list"], "cut.key");
    assert!(cut.code == 2 && cut.err.contains("cut.key") && !cut.err.contains(&secret[20..40]), "{cut}");
    for wrong in [&["--names", ""][..], &["--until", "2020-01-01"], &["--domain", ""]] {
        assert_eq!(world.run([&["key", "writer", "--repo", "repo"], wrong].concat()).code, 2, "{wrong:?}");
    }
}

#[test]
fn owners_are_added_rotated_and_removed() {
    let world = World::with_repository();
    world.file("src/x", "old");
    world.file("passphrase", "correct horse\n");
    world.ok(["push", "--repo", "repo", "src", "--name", "old"]);
    assert_eq!(world.run(["key", "add", "--repo", "repo"]).code, 2);
    world.ok(["key", "add", "--repo", "repo", "--new-passphrase-file", "passphrase"]);
    let first = keys(&world)["owners"].as_array().unwrap().clone();
    assert_eq!(first.len(), 2);
    let kind =
        |kind: &str| first.iter().find(|owner| owner["kind"] == kind).unwrap()["id"].as_str().unwrap().to_owned();
    let rotated = world.ok(["key", "rotate", "--repo", "repo", "--json"]).json();
    assert_eq!((rotated["identity"].as_u64(), rotated["owners"].as_array().unwrap().len()), (Some(1), 2));
    world.file("src/x", "new");
    world.ok(["push", "--repo", "repo", "src", "--name", "new"]);
    for (name, content) in [("old", "old"), ("new", "new")] {
        let into = format!("out-{name}");
        let latest = format!("latest:{name}");
        world.ok(["pull", "--repo", "repo", &latest, "--into", &into, "--passphrase-file", "passphrase"]);
        assert_eq!(fs::read_to_string(world.pulled(&into, "src/x")).unwrap(), content);
    }
    world.ok(["key", "remove", "--repo", "repo", &kind("age"), "--passphrase-file", "passphrase"]);
    assert_eq!(world.run(["list", "--repo", "repo"]).code, 5);
    let last = world.run(["key", "remove", "--repo", "repo", &kind("passphrase"), "--passphrase-file", "passphrase"]);
    assert!(last.code == 2 && last.err.contains("last owner"), "{last}");
    let unknown = world.run(["key", "remove", "--repo", "repo", "zz", "--passphrase-file", "passphrase"]);
    assert_eq!(unknown.code, 6, "{unknown}");
}

#[test]
fn domains_are_made_when_they_are_named() {
    let world = World::with_repository();
    world.file("src/x", "x");
    credential(&world, "lab.key", &["--domain", "lab"]);
    credential(&world, "web.key", &[]);
    for file in ["lab.key", "web.key"] {
        let ran = with(&world, &["push", "src", "--name", file], file);
        assert_eq!(ran.code, 0, "{ran}");
        let listed = with(&world, &["list", "--json"], file).json();
        assert!(listed.as_array().unwrap().len() == 1 && listed[0]["name"] == file, "{listed}");
        world.ok(["pull", "--repo", "repo", &format!("latest:{file}"), "--into", &format!("out-{file}")]);
        assert_eq!(fs::read(world.pulled(&format!("out-{file}"), "src/x")).unwrap(), b"x");
    }
    assert_eq!(keys(&world)["domains"], serde_json::json!(["default", "lab"]));
    world.ok(["check", "--repo", "repo", "--read-data"]);
}
