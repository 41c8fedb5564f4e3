//! Runs that a writer with all keys made wrong: nothing panics, hangs or takes memory, whatever they say.

use super::support::{World, id, run_name};
use crate::crypto::SigningKey;
use crate::format::ids::{ChunkId, Kind};
use crate::format::wire::{put_bytes, put_uint, put_varint};
use crate::index::blocks::{BlockTable, MAGIC};
use crate::index::footer::Footer;
use crate::index::layout::{Layout, PAGE, PAGES_PER_BLOCK, Section};
use crate::index::page::push_page;
use crate::index::seal::{BlockSealer, RunSeal, signed};
use crate::index::{Answer, IndexSet, Merger, RunReader};
use backup_core::ErrorKind;
use proptest::prelude::*;
use std::sync::Arc;

fn sign(world: &World, message: &[u8]) -> Vec<u8> {
    tail_of(&world.seal(run_name(0)), &world.signer, message)
}

/// Seals and signs any message as the footer of an object without blocks.
pub(super) fn tail_of(seal: &RunSeal, key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let mut tail = message.to_vec();
    seal.seal_footer(&mut tail).unwrap();
    let signer = key.verifying().unwrap().id();
    let signature = key.sign(&signed(seal.repository, seal.name, &seal.salt, signer, &tail)).unwrap();
    let length = tail.len() as u32;
    [&tail[..], &seal.salt, &signer.0, &signature, &length.to_le_bytes(), b"BKUPEND1"].concat()
}

fn open(world: &World, message: &[u8]) -> backup_core::Result<RunReader> {
    let tail = sign(world, message);
    let object_len = 8 + tail.len() as u64;
    RunReader::from_tail(&world.cache_in(None), world.keys(run_name(0)), &tail, object_len, &world.key_of())
}

fn message(counts: [u64; 5], blocks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_uint(&mut out, 1, 1);
    put_uint(&mut out, 2, 3);
    let mut varints = Vec::new();
    counts.iter().for_each(|count| put_varint(&mut varints, *count));
    put_bytes(&mut out, 3, &varints);
    put_bytes(&mut out, 4, blocks);
    put_bytes(&mut out, 6, &[1; 20]);
    put_bytes(&mut out, 7, &[2; 20]);
    out
}

#[test]
fn impossible_footers_are_refused() {
    let world = World::new();
    let entry = [[17, 0, 0, 0].as_slice(), &[0; 16]].concat();
    let good = message([1, 1, 1, 1, 1], &entry);
    // All but the length of the object fits.
    assert!(open(&world, &good).err().unwrap().to_string().contains("does not fit the object"));
    let huge = u64::from(u32::MAX);
    for counts in [
        [0, 0, 0, 0, 0],
        [1, 0, 1, 1, 0],
        [2, 1, 1, 1, 1],
        [1, 1, 1, 1, 2],
        [1, 1, 1, 200, 1],
        [u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX],
        [83_886_080, huge, huge, huge, 31_580_642],
    ] {
        let error = open(&world, &message(counts, &entry)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{counts:?}");
    }
    for cut in 0..good.len() {
        assert_eq!(open(&world, &good[..cut]).err().unwrap().kind(), ErrorKind::Damaged);
    }
}

proptest! {
    #[test]
    fn any_message_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..80, byte: u8) {
        let world = World::new();
        // Chance may hit the field that says what is required.
        let refused = |message: &[u8]| matches!(open(&world, message).err().unwrap().kind(), ErrorKind::Damaged | ErrorKind::Unsupported);
        prop_assert!(refused(&bytes));
        let mut mutated = message([1, 1, 1, 1, 1], &[17; 20]);
        let at = at % mutated.len();
        mutated[at] = byte;
        prop_assert!(refused(&mutated));
    }
}

/// An object whose pages hold these bytes, one after the other, under a footer that says so.
fn forge(world: &World, layout: &Layout, ids: (ChunkId, ChunkId), mut bytes: impl FnMut() -> u8) -> Vec<u8> {
    let (seal, mut sealer, mut table) = (world.seal(run_name(0)), BlockSealer::new().unwrap(), BlockTable::new());
    let (mut object, mut block, mut sealed) = (MAGIC.to_vec(), Vec::new(), Vec::new());
    for page in 0..layout.page_count() {
        let items: Vec<u8> = (0..PAGE - 8).map(|_| bytes()).collect();
        push_page(&mut block, &items, page);
        if (page + 1) % PAGES_PER_BLOCK == 0 || page + 1 == layout.page_count() {
            table.push(&sealer.seal(&seal, &block, &mut sealed).unwrap());
            object.extend_from_slice(&sealed);
            block.clear();
        }
    }
    let (first, last) = ids;
    let footer = Footer {
        kind: Kind::Data,
        domain: 3,
        layout: layout.clone(),
        blocks: table,
        replaces: Vec::new(),
        first,
        last,
    };
    object.extend_from_slice(&footer.seal(&seal, &world.signer).unwrap());
    object
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_pages_give_an_answer(
        counts in (1u64..80_000, 0u64..300, 0u64..100),
        seed: u64,
        spread in prop_oneof![Just(1u8), Just(2), Just(255)],
    ) {
        let mut world = World::new();
        let layout = Layout::new(counts.0, counts.1, counts.2).unwrap();
        let (low, high) = (ChunkId([0; 20]), ChunkId([255; 20]));
        let mut state = seed | 1;
        // Few different values make ids that are equal, and numbers that point to something.
        let object = forge(&world, &layout, (low, high), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8 % spread
        });
        world.objects.insert(run_name(0), object);
        let set = Arc::new(IndexSet::new(vec![Arc::new(world.open(&world.cache(), run_name(0)).unwrap())]));
        for wanted in [low, high, ChunkId([1; 20]), id(seed), id(7)] {
            world.contains(&set, Kind::Data, &wanted).unwrap();
            world.ask(&set, || set.contains(Kind::Data, &wanted, Some(&|_| true))).unwrap();
            let mut candidates = set.locate(Kind::Data, wanted);
            for _ in 0..1_000 {
                if world.ask(&set, || candidates.next()).unwrap().is_none() {
                    break;
                }
            }
        }
        let mut merger = Merger::new(set.clone(), world.folder.path()).unwrap();
        loop {
            match merger.next(&|_| false, &mut |_| true) {
                Ok(Answer::Needs(needs)) => needs.iter().for_each(|need| world.fetch(&set, need).unwrap()),
                Ok(Answer::Known(_)) => break,
                Err(error) => {
                    prop_assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Unsupported), "{error}");
                    break;
                }
            }
        }
    }
}

#[test]
fn pages_with_wrong_checksums_are_damage_not_a_loop() {
    let mut world = World::new();
    let layout = Layout::new(10, 1, 1).unwrap();
    let object = forge(&world, &layout, (ChunkId([0; 20]), ChunkId([255; 20])), || 7);
    let (seal, mut sealer, mut table, mut sealed) =
        (world.seal(run_name(0)), BlockSealer::new().unwrap(), BlockTable::new(), Vec::new());
    let pages = Section::ALL.len() * PAGE;
    table.push(&sealer.seal(&seal, &vec![7; pages], &mut sealed).unwrap());
    let (first, last) = (ChunkId([0; 20]), ChunkId([255; 20]));
    let footer = Footer { kind: Kind::Data, domain: 3, layout, blocks: table, replaces: Vec::new(), first, last };
    let tail = footer.seal(&seal, &world.signer).unwrap();
    for (object, good) in [(object, true), ([&MAGIC[..], &sealed, &tail].concat(), false)] {
        world.objects.insert(run_name(0), object);
        let set = IndexSet::new(vec![Arc::new(world.open(&world.cache_in(None), run_name(0)).unwrap())]);
        let answer = world.contains(&set, Kind::Data, &id(1));
        assert_eq!(answer.as_ref().err().map(|e| e.kind()), (!good).then_some(ErrorKind::Damaged));
    }
}
