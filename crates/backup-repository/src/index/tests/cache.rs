use super::support::{REPOSITORY, World, id, rows_of, run_name};
use crate::format::ids::{ChunkId, Kind};
use crate::index::IndexCache;
use backup_testkit::Told;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn cached(runs: u32) -> (World, Vec<ChunkId>) {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..3_000).map(id).collect();
    let cache = world.cache();
    for n in 0..runs {
        world.build(&cache, run_name(n), Kind::Data, rows_of(&ids, Kind::Data, 1000 * n, 16), true);
    }
    (world, ids)
}

fn files(world: &World) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(world.folder.path().join("index")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn damaged_pages_are_fetched_again() {
    let (world, ids) = cached(1);
    let path = &files(&world)[0];
    let intact = fs::read(path).unwrap();
    let image = 4096..intact.len() - world.tail_len(run_name(0));
    for at in image.clone().step_by(1021) {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x10;
        fs::write(path, &damaged).unwrap();
        let set = world.open_all(&world.cache());
        assert!(set.runs()[0].is_complete());
        for id in ids.iter().step_by(50) {
            assert_eq!(world.locate(&set, Kind::Data, id).unwrap().len(), 1);
            assert!(world.contains(&set, Kind::Data, id).unwrap());
        }
    }
    // What was fetched again was also repaired, where anything looked.
    let (reads, _) = *world.reads.lock().unwrap();
    assert!(reads > 10 && reads <= image.step_by(1021).count(), "{reads}");
    let mut lost = intact.clone();
    lost[4096..].fill(0);
    lost[intact.len() - 500..].copy_from_slice(&intact[intact.len() - 500..]);
    fs::write(path, &lost).unwrap();
    let set = world.open_all(&world.cache());
    assert!(ids.iter().all(|id| world.contains(&set, Kind::Data, id).unwrap()));
}

#[test]
fn damaged_or_foreign_files_are_discarded() {
    let (world, _) = cached(2);
    let paths = files(&world);
    let intact = fs::read(&paths[0]).unwrap();
    let open = || world.open(&world.cache(), run_name(0)).unwrap();
    assert!(open().is_complete());
    let tail = world.tail_len(run_name(0));
    let damages = (0..121).chain([intact.len() - 1, intact.len() - tail, intact.len() - tail / 2]);
    for at in damages {
        let mut damaged = intact.clone();
        damaged[at] ^= 1;
        fs::write(&paths[0], &damaged).unwrap();
        assert!(!open().is_complete(), "byte {at}");
    }
    for len in [0, 3, 123, 4095, 4096, 5000, intact.len() - 1] {
        fs::write(&paths[0], &intact[..len]).unwrap();
        assert!(!open().is_complete(), "{len} bytes");
    }
    fs::copy(&paths[1], &paths[0]).unwrap();
    assert!(!open().is_complete());
    fs::write(&paths[0], &intact).unwrap();
    assert!(open().is_complete());
    // An object of another length is another object.
    let other = crate::index::RunReader::open_cached(&world.cache(), world.keys(run_name(0)), 5, &world.key_of());
    assert!(other.unwrap().is_none());
    assert!(!paths[0].exists());
}

#[test]
fn trouble_with_the_folder_is_told_once_and_fails_nothing() {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..3_000).map(id).collect();
    let not_a_folder = world.folder.path().join("file");
    fs::write(&not_a_folder, "").unwrap();
    for spool in [None, Some(world.folder.path().to_owned())] {
        let told = Arc::new(Told::default());
        let has_spool = spool.is_some();
        let cache = IndexCache::new(REPOSITORY, Some(not_a_folder.join("x")), spool, 0, told.clone());
        world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), true);
        let set = world.open_all(&cache);
        assert_eq!(set.runs()[0].is_stored(), has_spool);
        assert!(ids.iter().all(|id| world.contains(&set, Kind::Data, id).unwrap()));
        assert_eq!(told.warnings().len(), 1, "{told:?}");
    }
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 1, "a spool file has a name");
}

#[test]
fn eviction_keeps_what_lives_and_fits() {
    let (world, _) = cached(4);
    let cache = world.cache();
    let folder = world.folder.path().join("index");
    fs::write(folder.join(".unfinished-x"), "left").unwrap();
    fs::write(folder.join("foreign"), "stays").unwrap();
    let now = SystemTime::now();
    let names =
        || files(&world).iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>();
    cache.evict(&|run| *run != run_name(1), u64::MAX, now);
    assert_eq!(names().len(), 5);
    assert!(!names().contains(&format!("{}.run1", run_name(1))));
    cache.evict(&|_| true, u64::MAX, now + Duration::from_secs(25 * 60 * 60));
    assert_eq!(names().len(), 4);
    // Of the three, the one written last fits.
    let last = folder.join(format!("{}.run1", run_name(2)));
    fs::File::options().write(true).open(&last).unwrap().set_modified(now + Duration::from_secs(5)).unwrap();
    let one = fs::metadata(&last).unwrap().len() * 3 / 2;
    cache.evict(&|_| true, one, now);
    assert_eq!(names(), [format!("{}.run1", run_name(2)), "foreign".to_owned()]);
    cache.evict(&|_| true, 0, now);
    assert_eq!(names(), ["foreign"]);
}
