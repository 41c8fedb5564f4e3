use super::support::{World, id, rows_of, run_name};
use crate::format::ids::{ChunkId, Kind};
use crate::index::IndexSet;
use std::sync::Arc;

#[test]
fn a_cold_lookup_reads_a_handful_of_blocks() {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..300_000).map(id).collect();
    let cache = world.cache();
    world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), false);
    let set = world.open_all(&cache);
    let (tail_reads, tail_bytes) = *world.reads.lock().unwrap();
    assert_eq!(tail_reads, 1);
    assert!(tail_bytes < 20_000, "{tail_bytes}");

    let object = world.objects[&run_name(0)].len();
    assert_eq!(world.locate(&set, Kind::Data, &id(1234)).unwrap().len(), 1);
    let (reads, bytes) = *world.reads.lock().unwrap();
    // Fences, rows, segments, packs.
    assert!(reads - tail_reads <= 4, "{reads}");
    assert!(bytes < 300_000 && object > 7_000_000, "{bytes} of {object}");

    // The same once more, and from another process: nothing.
    assert_eq!(world.locate(&set, Kind::Data, &id(1234)).unwrap().len(), 1);
    let again = world.open_all(&world.cache());
    assert_eq!(world.locate(&again, Kind::Data, &id(1234)).unwrap().len(), 1);
    assert_eq!(world.reads.lock().unwrap().0, reads);
    // Absent: the filter's block, now and then a row's.
    assert!(!world.contains(&again, Kind::Data, &id(1_000_000)).unwrap());
    assert!(world.reads.lock().unwrap().0 <= reads + 2);
}

#[test]
fn filling_reads_the_object_once() {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..20_000).map(id).collect();
    let cache = world.cache();
    world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), false);
    for step in [1 << 20, 1000] {
        let cache = world.cache_in(Some(world.folder.path().join(step.to_string())));
        let run = world.open(&cache, run_name(0)).unwrap();
        assert!(!run.is_complete());
        let mut filler = run.fill();
        for part in world.objects[&run_name(0)][..run.fill_range().end as usize].chunks(step) {
            filler.feed(part).unwrap();
        }
        filler.finish().unwrap();
        assert!(run.is_complete());
        let before = *world.reads.lock().unwrap();
        let set = world.open_all(&cache);
        assert!(set.runs()[0].is_complete());
        assert!(ids.iter().all(|id| world.contains(&set, Kind::Data, id).unwrap()));
        assert_eq!(*world.reads.lock().unwrap(), before);
    }
}

#[test]
fn without_a_place_for_files_memory_serves() {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..100_000).map(id).collect();
    let cache = world.cache_in(None);
    for n in 0..3 {
        let part = &ids[n as usize * 30_000..][..40_000];
        world.build(&cache, run_name(n), Kind::Data, rows_of(part, Kind::Data, n * 1000, 16), true);
    }
    let set = world.open_all(&cache);
    assert!(set.runs().iter().all(|run| !run.is_stored() && !run.is_complete()));
    for n in (0..101_000).step_by(997) {
        let copies =
            if (30_000..40_000).contains(&n) || (60_000..70_000).contains(&n) { 2 } else { usize::from(n < 100_000) };
        assert_eq!(world.locate(&set, Kind::Data, &id(n)).unwrap().len(), copies, "{n}");
    }
    assert!(cache.pages.bytes() <= 1 << 20);
}

#[test]
fn a_local_file_that_cannot_be_written_fails_nothing() {
    let mut world = World::new();
    let ids: Vec<ChunkId> = (0..5_000).map(id).collect();
    let cache = world.cache();
    world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), false);
    let run = world.open(&cache, run_name(0)).unwrap();
    let path = std::fs::read_dir(world.folder.path().join("index")).unwrap().next().unwrap().unwrap().path();
    let run = run.with_file_that_fails(&path);
    let mut filler = run.fill();
    filler.feed(&world.objects[&run_name(0)][..run.fill_range().end as usize]).unwrap();
    filler.finish().unwrap();
    assert!(!run.is_complete());
    let set = IndexSet::new(vec![Arc::new(run)]);
    assert!(ids.iter().all(|id| world.contains(&set, Kind::Data, id).unwrap()));
}
