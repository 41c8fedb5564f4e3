//! Real files that change between pushes: each snapshot gives back what was there.

use crate::trees::assert_same;
use crate::world::{World, noise};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug)]
enum Change {
    Write(Name, usize),
    Folder(Name),
    Symlink(Name, Vec<u8>),
    Link(u8, Name),
    Remove(u8),
    Rename(u8, Name),
    /// Overwrites bytes at a place, in per cent; with `true` size and times stay.
    Edit(u8, u64, bool),
    Append(u8),
    Truncate(u8, u64),
    /// A hole at the end.
    Grow(u8, u64),
    Mode(u8, u32),
    /// Seconds and nanoseconds since, or before, 1970.
    Time(u8, bool, u32, u32),
}

/// One or two components.
type Name = Vec<Vec<u8>>;

fn name() -> impl Strategy<Value = Name> {
    let few = (b'a'..b'f').prop_map(|byte| vec![byte]);
    let odd = vec(any::<u8>().prop_map(|byte| if matches!(byte, 0 | b'/' | b'.') { 0xff } else { byte }), 1..200);
    vec(prop_oneof![3 => few, 1 => odd], 1..3)
}

fn change() -> impl Strategy<Value = Change> {
    let which = any::<u8>;
    let length = prop_oneof![4 => 0usize..5000, 1 => 262_140usize..262_150, 1 => 0usize..3_000_000];
    let target = vec(1u8..255, 1..50);
    prop_oneof![
        5 => (name(), length).prop_map(|(name, length)| Change::Write(name, length)),
        2 => name().prop_map(Change::Folder),
        1 => (name(), target).prop_map(|(name, target)| Change::Symlink(name, target)),
        1 => (which(), name()).prop_map(|(which, name)| Change::Link(which, name)),
        1 => which().prop_map(Change::Remove),
        1 => (which(), name()).prop_map(|(which, name)| Change::Rename(which, name)),
        3 => (which(), 0u64..100, any::<bool>()).prop_map(|(which, at, hide)| Change::Edit(which, at, hide)),
        1 => which().prop_map(Change::Append),
        1 => (which(), 0u64..100).prop_map(|(which, kept)| Change::Truncate(which, kept)),
        1 => (which(), 1u64..10_000_000).prop_map(|(which, by)| Change::Grow(which, by)),
        1 => (which(), 0u32..0o10000).prop_map(|(which, mode)| Change::Mode(which, mode)),
        1 => (which(), any::<bool>(), any::<u32>(), 0u32..1_000_000_000)
            .prop_map(|(which, before, seconds, nanos)| Change::Time(which, before, seconds, nanos)),
    ]
}

fn below(folder: &Path, is: &impl Fn(&fs::Metadata) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if is(&metadata) {
            found.push(path.clone());
        }
        if metadata.is_dir() {
            found.extend(below(&path, is));
        }
    }
    found
}

fn pick(folder: &Path, which: u8, is: impl Fn(&fs::Metadata) -> bool) -> Option<PathBuf> {
    let found = below(folder, &is);
    found.get(usize::from(which) % found.len().max(1)).cloned()
}

impl Change {
    /// Does it, where it can be done: what fails here changes nothing, and no push needs to know.
    fn apply(self, folder: &Path) {
        let at = |name: &Name| name.iter().fold(folder.to_owned(), |path, part| path.join(OsStr::from_bytes(part)));
        let file = |which| pick(folder, which, |metadata| metadata.is_file());
        let any = |which| pick(folder, which, |_| true);
        let open = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
        match self {
            Change::Write(name, length) => {
                let _ = fs::create_dir_all(at(&name).parent().unwrap());
                let _ = fs::write(at(&name), noise(length as u64, length));
            }
            Change::Folder(name) => drop(fs::create_dir_all(at(&name))),
            Change::Symlink(name, target) => drop(symlink(OsStr::from_bytes(&target), at(&name))),
            Change::Link(which, name) => drop(file(which).map(|path| fs::hard_link(path, at(&name)))),
            Change::Remove(which) => {
                if let Some(path) = any(which) {
                    let is_folder = fs::symlink_metadata(&path).unwrap().is_dir();
                    if is_folder { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
                }
            }
            Change::Rename(which, name) => drop(any(which).map(|path| fs::rename(path, at(&name)))),
            Change::Edit(which, percent, hide) => {
                let Some(path) = file(which) else { return };
                let (before, file) = (fs::metadata(&path).unwrap(), open(&path));
                let bytes = noise(percent + 1, 100.min(before.len() as usize));
                file.write_all_at(&bytes, (before.len() - bytes.len() as u64) * percent / 100).unwrap();
                if hide {
                    file.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
                }
            }
            Change::Append(which) => {
                let Some(path) = file(which) else { return };
                let length = fs::metadata(&path).unwrap().len();
                open(&path).write_all_at(b"one more line\n", length).unwrap();
            }
            Change::Truncate(which, percent) => {
                let Some(path) = file(which) else { return };
                let length = fs::metadata(&path).unwrap().len();
                open(&path).set_len(length * percent / 100).unwrap();
            }
            Change::Grow(which, by) => {
                let Some(path) = file(which) else { return };
                let length = fs::metadata(&path).unwrap().len();
                open(&path).set_len((length + by).min(20_000_000)).unwrap();
            }
            Change::Mode(which, mode) => {
                let Some(path) = pick(folder, which, |metadata| !metadata.is_symlink()) else { return };
                // What its owner cannot enter cannot be read either, by anybody but root.
                fs::set_permissions(path, Permissions::from_mode(mode | 0o700)).unwrap();
            }
            Change::Time(which, before, seconds, nanos) => {
                let Some(path) = file(which) else { return };
                let away = Duration::new(u64::from(seconds) / 2, nanos);
                let time: SystemTime = if before { UNIX_EPOCH - away } else { UNIX_EPOCH + away };
                open(&path).set_modified(time).unwrap();
            }
        }
    }
}

fn follow(groups: Vec<Vec<Change>>) {
    let world = World::with_repository();
    let mut states = 0;
    for changes in groups {
        changes.into_iter().for_each(|change| change.apply(&world.path("src")));
        // So that it is never empty.
        world.file("src/always", "here");
        world.ok(["push", "--repo", "repo", "--name", "n", "src"]);
        let copy =
            Command::new("cp").arg("-a").arg(world.path("src")).arg(world.path(format!("copy{states}"))).status();
        assert!(copy.unwrap().success());
        states += 1;
    }
    let ids = world.ids();
    assert_eq!(ids.len(), states);
    for (state, id) in ids.iter().enumerate() {
        let into = format!("out{state}");
        world.ok(["pull", "--repo", "repo", id, "--into", &into]);
        assert_same(&world.path(format!("copy{state}")), &world.pulled(&into, "src"));
    }
    world.ok(["check", "--repo", "repo", "--read-data"]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("BACKUP_SLOW").is_some() { 200 } else { 8 },
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    })]
    #[test]
    fn every_state_of_changing_files_comes_back(groups in vec(vec(change(), 0..12), 1..5)) {
        follow(groups);
    }
}
