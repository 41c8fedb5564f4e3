use super::support::{World, id, pack_name, rows_of, run_name};
use crate::format::ids::{ChunkId, Kind, PackName};
use crate::index::merge::{Merge, MergeRow};
use crate::index::{Answer, IndexSet, Location, Merger, Need, RunReader};
use crate::pack::SegmentPlace;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

type Place = (ChunkId, PackName, u32, u32, u32, u32);

fn place(id: ChunkId, location: &Location) -> Place {
    let SegmentPlace { pack, number, plain_len, .. } = location.segment;
    (id, pack, number, plain_len, location.offset, location.length)
}

/// Asks a question of a merge until it is known.
fn ask<T>(world: &World, set: &IndexSet, mut question: impl FnMut() -> backup_core::Result<Answer<T>>) -> T {
    loop {
        match question().unwrap() {
            Answer::Known(answer) => return answer,
            Answer::Needs(needs) => needs.iter().for_each(|need: &Need| world.fetch(set, need).unwrap()),
        }
    }
}

/// Merges all runs into new ones of at most `max_rows`, named from 100 on.
fn merge(
    world: &mut World,
    max_rows: u64,
    leave_out: &dyn Fn(&PackName) -> bool,
    keep: &mut dyn FnMut(&MergeRow) -> bool,
) -> Vec<RunReader> {
    let set = Arc::new(world.open_all(&world.cache()));
    let cache = world.cache();
    let mut merger = Merger::with_max_rows(set.clone(), world.folder.path(), max_rows).unwrap();
    let mut number = 100;
    while let Some(run) = ask(world, &set, || merger.next(leave_out, keep)) {
        world.build(&cache, run_name(number), Kind::Data, run, true);
        number += 1;
    }
    assert!(ask(world, &set, || merger.next(leave_out, keep)).is_none());
    world.objects.retain(|name, _| name.0.number >= 100);
    (100..number).map(|n| world.open(&cache, run_name(n)).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn merged_runs_hold_what_was_kept(
        runs in proptest::collection::vec(
            (proptest::collection::vec(0u64..1_500, 1..700), 0u32..4, 1usize..20),
            1..6,
        ),
        max_rows in 1u64..900,
        gone in proptest::collection::btree_set(0u32..30, 0..10),
        whole in any::<bool>(),
    ) {
        let mut world = World::new();
        let cache = world.cache();
        let mut expected = BTreeSet::new();
        let dropped = |n: u64| n.is_multiple_of(11);
        // Runs that begin with the same pack number name the same packs, and may say the same of the same chunk;
        // what differs in anything, also in the segment's length, is kept apart.
        for (number, (numbers, from, per_segment)) in (0u32..).zip(&runs) {
            let ids: Vec<ChunkId> = numbers.iter().map(|n| id(*n)).collect();
            for (at, n) in numbers.iter().enumerate() {
                let (segment, slot) = ((at / per_segment) as u32, (at % per_segment) as u32);
                let pack = from + segment / 4;
                if !gone.contains(&pack) && !dropped(*n) {
                    let plain_len = 100 * *per_segment as u32;
                    expected.insert((id(*n), pack_name(pack), segment % 4, plain_len, slot * 100, 100 - slot % 7));
                }
            }
            world.build(&cache, run_name(number), Kind::Data, rows_of(&ids, Kind::Data, *from, *per_segment), whole);
        }
        let unwanted: BTreeSet<ChunkId> = (0..1_500).filter(|n| dropped(*n)).map(id).collect();
        let leave_out = |pack: &PackName| gone.contains(&pack.0.number);
        let merged = merge(&mut world, max_rows, &leave_out, &mut |row| !unwanted.contains(&row.row.id));

        let rows: u64 = merged.iter().map(|run| u64::from(run.layout().counts()[1])).sum();
        prop_assert_eq!(rows, expected.len() as u64);
        prop_assert_eq!(merged.len() as u64, rows.div_ceil(max_rows));
        for pair in merged.windows(2) {
            prop_assert!(pair[0].ids().1 <= pair[1].ids().0);
        }
        let packs: BTreeSet<PackName> = expected.iter().map(|place| place.1).collect();
        for run in &merged {
            let [_, rows, segments, of_run, _] = run.layout().counts();
            prop_assert!(segments <= rows && of_run as usize <= packs.len());
        }
        let set = IndexSet::new(merged.into_iter().map(Arc::new).collect());
        let mut found = BTreeSet::new();
        for n in 0..1_500 {
            let copies = world.locate(&set, Kind::Data, &id(n)).unwrap();
            prop_assert_eq!(world.contains(&set, Kind::Data, &id(n)).unwrap(), !copies.is_empty());
            found.extend(copies.iter().map(|location| place(id(n), location)));
        }
        prop_assert_eq!(found, expected);
        for at in 0..set.runs().len() {
            let mut scan = set.packs(at);
            while let Answer::Known(Some(pack)) = scan.next().unwrap() {
                prop_assert!(packs.contains(&pack.name));
                prop_assert_eq!(u32::from(pack.identity), pack.name.0.number);
            }
        }
    }
}

#[test]
fn merging_what_a_crash_left_double_gives_each_row_once() {
    let mut world = World::new();
    let cache = world.cache();
    let ids: Vec<ChunkId> = (0..2_000).map(id).collect();
    for n in 0..3 {
        world.build(&cache, run_name(n), Kind::Data, rows_of(&ids, Kind::Data, 0, 16), n > 0);
    }
    let merged = merge(&mut world, 1_500, &|_| false, &mut |_| true);
    let rows: Vec<_> = merged.iter().map(|run| run.layout().counts()[1]).collect();
    assert_eq!(rows, [1_500, 500]);
    // Nothing is left of a pack that is left out.
    let empty = merge(&mut world, 1_500, &|_| true, &mut |_| panic!("a row of a pack that was left out"));
    assert!(empty.is_empty());
}

#[test]
fn rows_say_where_they_are_from() {
    let mut world = World::new();
    let cache = world.cache();
    for n in 0..2 {
        let ids: Vec<ChunkId> = (u64::from(n) * 500..u64::from(n) * 500 + 1_000).map(id).collect();
        world.build(&cache, run_name(n), Kind::Data, rows_of(&ids, Kind::Data, n * 100, 16), true);
    }
    let set = Arc::new(world.open_all(&cache));
    let mut merge = Merge::new(set.clone()).unwrap();
    let mut numbers = [Vec::new(), Vec::new()];
    let mut last = ChunkId([0; 20]);
    while let Some(row) = ask(&world, &set, || merge.next()) {
        assert!(last <= row.row.id);
        last = row.row.id;
        numbers[row.run as usize].push(row.number);
        let (segment, pack) = ask(&world, &set, || merge.resolve(&row));
        assert_eq!(pack.name.0.number / 100, row.run);
        assert_eq!(segment.number, row.row.segment % 4);
    }
    assert_eq!(numbers, [(0..1_000).collect::<Vec<_>>(), (0..1_000).collect()]);

    world.build(&cache, run_name(2), Kind::Metadata, rows_of(&[id(1)], Kind::Metadata, 0, 1), true);
    assert!(Merge::new(Arc::new(world.open_all(&cache))).is_err());
}
