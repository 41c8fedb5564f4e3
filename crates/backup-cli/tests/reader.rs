//! The independent reader in docs/reader/ lists and restores what the program wrote.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}\nthe reader needs what `cargo xtask setup` installs");
    String::from_utf8(output.stdout).unwrap()
}

fn python() -> std::ffi::OsString {
    std::env::var_os("BACKUP_TEST_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Everything below a folder: kind and mode, time, content.
fn listing(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_file() {
                fs::read(&path).unwrap()
            } else {
                folders.push(path.clone());
                Vec::new()
            };
            let name = path.strip_prefix(root).unwrap().to_owned();
            found.insert(name, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
        }
    }
    found
}

#[test]
fn a_stranger_with_the_format_page_gets_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let source = at("source");
    fs::create_dir_all(source.join("deep/er")).unwrap();
    for i in 0..700u32 {
        fs::write(source.join(format!("deep/{i}")), format!("file {i}\n").repeat(i as usize)).unwrap();
    }
    // Content of more than 64 chunks, in content lists; noise, that is not compressed.
    let mut noise = Vec::new();
    let mut state = 1u64;
    while noise.len() < 80 << 20 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&(state >> 16).to_le_bytes());
    }
    fs::write(source.join("noise"), &noise).unwrap();
    let sparse = fs::File::create(source.join("sparse")).unwrap();
    sparse.set_len(9_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"in the middle", 5_000_000).unwrap();
    symlink("deep/7", source.join("link")).unwrap();
    fs::hard_link(source.join("deep/9"), source.join("deep/er/nine")).unwrap();

    let (repository, identity) = (at("repository"), at("identity.txt"));
    let backup = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup"));
        command.env("HOME", at("home")).args(words).arg("--repo").arg(&repository).arg("--identity").arg(&identity);
        run(&mut command)
    };
    backup(&["init"]);
    backup(&["push", "--name", "first", source.to_str().unwrap()]);
    fs::write(source.join("deep/3"), "changed").unwrap();
    backup(&["push", "--name", "second", source.to_str().unwrap()]);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reader/reader.py");
    let files = fs::read_dir(script.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|end| end == "py"));
    let lines: usize = sources.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
    assert!((1..400).contains(&lines), "{lines} lines");
    let read = |words: &[&str]| run(Command::new(python()).arg(&script).arg(&repository).arg(&identity).args(words));
    let listed = read(&["list"]);
    let second = listed.lines().find(|line| line.contains("\"name\": \"second\"")).expect("both snapshots are listed");
    let id = second.split('"').nth(3).unwrap();
    let out = at("out");
    read(&["restore", id, out.to_str().unwrap()]);
    let restored = out.join(source.strip_prefix("/").unwrap());
    assert!(listing(&source) == listing(&restored), "what came back differs");
    assert_eq!(
        fs::metadata(restored.join("deep/9")).unwrap().ino(),
        fs::metadata(restored.join("deep/er/nine")).unwrap().ino()
    );
    assert!(fs::metadata(restored.join("sparse")).unwrap().blocks() < 1000, "holes came back as holes");
    // Forgotten, whatever stands there: the storage kept the object.
    let object = fs::read(repository.join("snapshots").join(id)).unwrap();
    backup(&["forget", id]);
    fs::write(repository.join("snapshots").join(id), object).unwrap();
    let listed = read(&["list"]);
    assert!(listed.contains("\"name\": \"first\"") && !listed.contains(id), "{listed}");
}

#[test]
fn a_stranger_reads_what_writers_wrote_and_what_came_after_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (source, repository, identity) = (at("source"), at("repository"), at("identity.txt"));
    fs::create_dir_all(&source).unwrap();
    let backup = |key: &Path, words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup"));
        command.env("HOME", at("home")).args(words).arg("--repo").arg(&repository).arg("--identity").arg(key);
        run(&mut command)
    };
    backup(&identity, &["init"]);
    let web = at("web.key");
    fs::write(&web, backup(&identity, &["key", "writer", "--names", "web-?", "--names", "d*"])).unwrap();
    let lab = at("lab.key");
    fs::write(&lab, backup(&identity, &["key", "writer", "--domain", "lab", "--until", "30d"])).unwrap();
    for (number, (key, name)) in
        [(&web, "web-1"), (&lab, "lab"), (&identity, "ours"), (&web, "db"), (&lab, "lab2")].into_iter().enumerate()
    {
        if number == 2 {
            backup(&identity, &["key", "rotate"]);
        }
        fs::write(source.join("same"), "the same in all of them ".repeat(2000)).unwrap();
        fs::write(source.join("own"), format!("{name} ").repeat(1000)).unwrap();
        backup(key, &["push", "--name", name, source.to_str().unwrap()]);
    }
    let id = backup(&identity, &["key", "list", "--json"]);
    let id = id.split("\"writers\":[{").nth(1).unwrap().split("\"id\":\"").nth(1).unwrap();
    backup(&identity, &["key", "remove", id.get(..16).unwrap()]);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reader/reader.py");
    let read = |words: &[&str]| run(Command::new(python()).arg(&script).arg(&repository).arg(&identity).args(words));
    let listed = read(&["list"]);
    assert_eq!(listed.lines().count(), 5, "{listed}");
    for line in listed.lines() {
        let (id, name) = (line.split('"').nth(3).unwrap(), line.split('"').nth(7).unwrap());
        read(&["restore", id, at(name).to_str().unwrap()]);
        let own = at(name).join(source.strip_prefix("/").unwrap()).join("own");
        assert_eq!(fs::read_to_string(own).unwrap(), format!("{name} ").repeat(1000));
    }
}

#[test]
fn link_groups_are_of_one_component_and_0_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reader");
    // Two components, each with two names of group 0 and one file of none.
    let script = r#"
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from reader import Repository
r = Repository.__new__(Repository)
r.snapshots = lambda: [("s", {"domain": 0}, "snapshots/s", b"")]
r.load_index = lambda domain: None
r.body = lambda key, rest: {"components": [{"tree": {"id": n, "level": 0}} for n in ("00", "01")]}
entry = lambda path, extra: (path, {1: [1]}, extra, None, 0, [])
r.entries = lambda tree, level: [entry(b"%d-%s" % (tree[0], n), x) for n, x in ((b"a", {4: [0]}), (b"b", {4: [0]}), (b"c", {}), (b"d", {}))]
r.restore("s", sys.argv[2])
inode = lambda name: os.stat(os.path.join(sys.argv[2], name)).st_ino
for n in "01":
    assert inode(n + "-a") == inode(n + "-b"), "0 is a group"
    assert len({inode(n + x) for x in ("-a", "-c", "-d")}) == 3, "no group is none"
assert inode("0-a") != inode("1-a"), "a number means something within one component only"
"#;
    run(Command::new(python()).arg("-c").arg(script).arg(reader).arg(folder.path()));
}

#[test]
fn lists_of_lists_say_how_much_is_below() {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reader");
    // Three chunks of 10, 20 and 30 bytes in two lists below a third.
    let script = r#"
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from reader import Repository
r = Repository.__new__(Repository)
a, b, c, one, two = (bytes([n]) * 20 for n in range(5))
r.rows = {chunk: [(None, None, 0, length)] for chunk, length in ((a, 10), (b, 20), (c, 30))}
def listed(second):
    root = b"C\2" + one + (30).to_bytes(8, "little") + two + second.to_bytes(8, "little")
    r.chunk = {b"root": root, one: b"C\1" + a + b, two: b"C\1" + c}.get
    return list(r.listed(b"root", 2))
assert listed(30) == [a, b, c]
try:
    listed(31)
    raise SystemExit("a wrong length was taken")
except AssertionError:
    pass
"#;
    run(Command::new(python()).arg("-c").arg(script).arg(reader));
}

#[test]
fn a_row_that_lies_is_passed_over_and_a_prefix_names_one_snapshot() {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reader");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backup-repository/tests/golden/format-1");
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from reader import Repository
r = Repository(sys.argv[2] + "/repository", sys.argv[2] + "/owner.txt")
load = r.load_index
def lie(domain):
    load(domain)
    for rows in r.rows.values():
        (name, kind, wrap, identity, wrapped), segment, offset, length = rows[0]
        nowhere = bytes([9]) * 20
        rows[:0] = [
            ((name, kind, wrap, identity, bytes([9]) * 64), segment, offset, length),
            ((name, kind, wrap, 77, wrapped), segment, offset, length),
            ((nowhere, kind, wrap, identity, wrapped), segment, offset, length),
            ((name, 7, wrap, identity, wrapped), segment, offset, length),
            ((name, kind, wrap, identity, wrapped), segment, offset, length + 1),
        ]
r.load_index = lie
ids = {head["name"]: name for name, head, *_ in r.snapshots()}
for name in ("web-1", "lab", "huge"):
    r.rows = {}
    r.restore(ids[name], f"{sys.argv[3]}/{name}")
    assert os.listdir(f"{sys.argv[3]}/{name}")
first = os.path.commonprefix(list(ids.values()))
try:
    r.restore(first, sys.argv[3] + "/any")
    raise AssertionError("of several snapshots one was taken")
except SystemExit as error:
    assert "begin so" in str(error), error
"#;
    run(Command::new(python()).arg("-c").arg(script).arg(&reader).arg(&golden).arg(folder.path()));
}

#[test]
fn a_stranger_reads_the_repositories_that_are_kept() {
    let python = std::env::var_os("BACKUP_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let golden = root.join("crates/backup-repository/tests/golden/format-1");
    let read = |words: &[&str]| {
        let mut command = Command::new(&python);
        command.arg(root.join("docs/reader/reader.py")).arg(golden.join("repository")).arg(golden.join("owner.txt"));
        run(command.args(words))
    };
    let listed = read(&["list"]);
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for line in listed.lines() {
        let (id, name) = (line.split('"').nth(3).unwrap(), line.split('"').nth(7).unwrap());
        seen.push(name);
        let out = folder.path().join(name);
        // Of another domain, by a writer that was revoked, before and after a rotation, in content lists.
        let file = match name {
            "web-1" | "lab" => "own",
            "huge" => "huge",
            _ => continue,
        };
        read(&["restore", id, out.to_str().unwrap()]);
        let content = fs::read(out.join(file)).unwrap();
        match name {
            "huge" => assert_eq!(content.len(), 66 << 22),
            _ => assert_eq!(content, name.trim_end_matches("-1").as_bytes()),
        }
    }
    assert_eq!(seen, ["files", "web-1", "lab", "files, later", "huge"]);
}
