use super::support::{World, id, pack_name, rows_of, run_name};
use crate::format::ids::{ChunkId, Kind, PackName};
use crate::index::{Answer, Location};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a location must say, as the tests' rows are made.
type Expected = (Kind, PackName, u32, u32, u32);

fn expected(location: &Location) -> Expected {
    let segment = &location.segment;
    assert_eq!(segment.offset, 80 + 5_000 * segment.number);
    assert_eq!(
        (u32::from(location.identity), location.wrapped),
        (segment.pack.0.number, [segment.pack.0.number as u8; 64])
    );
    assert_eq!((segment.sealed_len, segment.flags), (5_000, 1));
    (segment.kind, segment.pack, segment.number, location.offset, location.length)
}

/// A set of runs: for each its kind, its numbers of chunks and how many go into a segment.
fn runs() -> impl Strategy<Value = Vec<(bool, Vec<u64>, usize)>> {
    let chunks = prop_oneof![
        3 => proptest::collection::vec(0u64..400, 1..60),
        1 => proptest::collection::vec(0u64..5_000, 1_000..3_000),
        // One id over several pages.
        1 => proptest::collection::vec(0u64..3, 200..500),
    ];
    proptest::collection::vec((any::<bool>(), chunks, 1usize..40), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lookups_agree_with_a_map(runs in runs(), whole in any::<bool>()) {
        let mut world = World::new();
        let cache = world.cache();
        let mut oracle: BTreeMap<(Kind, ChunkId), Vec<Expected>> = BTreeMap::new();
        for (n, (is_data, numbers, per_segment)) in (0u32..).zip(runs) {
            let kind = if is_data { Kind::Data } else { Kind::Metadata };
            let ids: Vec<ChunkId> = numbers.iter().map(|n| id(*n)).collect();
            for (at, id) in ids.iter().enumerate() {
                let (segment, place) = ((at / per_segment) as u32, (at % per_segment) as u32);
                let pack = pack_name(n * 1000 + segment / 4);
                let there = oracle.entry((kind, *id)).or_default();
                there.push((kind, pack, segment % 4, place * 100, 100 - place % 7));
            }
            world.build(&cache, run_name(n), kind, rows_of(&ids, kind, n * 1000, per_segment), whole);
        }
        let set = world.open_all(&cache);
        prop_assert!(set.runs().iter().all(|run| run.is_complete() == whole));
        for kind in [Kind::Data, Kind::Metadata] {
            for n in 0..500 {
                let mut there = oracle.get(&(kind, id(n))).cloned().unwrap_or_default();
                there.sort();
                let mut found: Vec<_> = world.locate(&set, kind, &id(n)).unwrap().iter().map(expected).collect();
                found.sort();
                prop_assert_eq!(&found, &there);
                prop_assert_eq!(world.contains(&set, kind, &id(n)).unwrap(), !there.is_empty());
                let packs: BTreeSet<_> = there.iter().map(|(_, pack, ..)| *pack).collect();
                let first = packs.first().copied();
                let live = world.ask(&set, || set.contains(kind, &id(n), Some(&|pack| Some(*pack) == first)));
                prop_assert_eq!(live.unwrap(), packs.len() > 1);
            }
        }
        // Nothing is read of what is here.
        prop_assert_eq!(whole, world.reads.lock().unwrap().0 == 0);
    }
}

/// Ids that are no hashes: the filter and the guesses suffer, the answers do not.
#[test]
fn ids_may_stand_in_clusters() {
    let cluster = |high: u64, low: u32| {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&high.to_be_bytes());
        id[16..].copy_from_slice(&low.to_be_bytes());
        ChunkId(id)
    };
    let mut ids = vec![cluster(0, 0), cluster(u64::MAX, 9)];
    // Enough pages of one prefix for several pages of fences, and steps of every size around them.
    ids.extend((0..150_000).map(|n| cluster(1 << 40, 2 * n)));
    ids.extend((0..30_000).map(|n| cluster(n, 2)));
    ids.extend((0..64).map(|n| cluster(1 << n, 4)));
    let mut world = World::new();
    let cache = world.cache();
    world.build(&cache, run_name(0), Kind::Data, rows_of(&ids, Kind::Data, 0, 30), true);
    let set = world.open_all(&cache);
    for id in ids.iter().step_by(7).chain(ids.iter().rev().take(70)) {
        assert_eq!(set.contains(Kind::Data, id, None), Answer::Known(true), "{id}");
        assert!(matches!(set.locate(Kind::Data, *id).next(), Answer::Known(Some(_))), "{id}");
    }
    for absent in
        (0..150_000).step_by(11).map(|n| cluster(1 << 40, 2 * n + 1)).chain((0..64).map(|n| cluster(1 << n, 5)))
    {
        assert_eq!(set.contains(Kind::Data, &absent, None), Answer::Known(false), "{absent}");
        assert_eq!(set.locate(Kind::Data, absent).next(), Answer::Known(None), "{absent}");
    }
}
