use super::*;
use crate::format::wire::{put_bytes, put_uint, put_varint};
use std::collections::HashSet;

/// Walks to the end; gives what was found, and what was lost.
fn walk(root: Root, mut get: impl FnMut(ChunkId) -> Result<Bytes>) -> (Vec<Found>, Vec<Damage>) {
    let mut walk = Walk::new(Some(root), Ranges::all());
    let (mut found, mut damages) = (Vec::new(), Vec::new());
    loop {
        match walk.advance(&mut found, usize::MAX) {
            Step::Full => {}
            Step::Need(id) => match get(id) {
                Ok(block) => walk.provide(&block),
                Err(error) => walk.missing(error),
            },
            Step::Lost(damage) => damages.push(damage),
            Step::Done => return (found, damages),
        }
    }
}

#[test]
fn a_lost_block_costs_only_what_is_below_it() {
    let listing = plain_files(2000);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    for lost in &store.order {
        let missing = |id| match id == *lost {
            true => Err(Error::new(ErrorKind::NotFound, "no such pack")),
            false => store.get(id),
        };
        let (found, damages) = walk(root, missing);
        let [damage] = &damages[..] else { panic!("{damages:?}") };
        assert_eq!(damage.error.kind(), ErrorKind::NotFound);
        let gone = |found: &&Found| {
            let path = found.entry.path.as_encoded();
            path >= damage.from.as_slice() && damage.to.as_deref().is_none_or(|to| path < to)
        };
        let (gone, kept): (Vec<_>, Vec<_>) = listing.iter().partition(gone);
        assert_eq!(found.iter().collect::<Vec<_>>(), kept);
        assert!(!gone.is_empty());
        if *lost != root.id {
            assert_eq!(damage.entries, Some(gone.len() as u64));
        }
    }
}

/// Whatever comes out of a block is an entry that could have been written, in order.
fn assert_sound(found: &[Found]) {
    assert!(found.is_sorted_by(|a, b| a.entry.path < b.entry.path));
    let mut body = Vec::new();
    for found in found {
        body.clear();
        encode_body(&found.entry, &found.content, &mut body).unwrap();
        assert_eq!(&Body::parse(&body).unwrap().found(found.entry.path.clone()).unwrap(), found);
    }
}

#[test]
fn a_flipped_byte_is_found_or_harmless() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut listing = listings(30).new_tree(&mut runner).unwrap().current();
    listing.extend((0..10).map(|number| plain_file(number, 0)));
    listing.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    let block = store.get(root.id).unwrap();
    let mut refused = 0;
    for at in 0..block.len() {
        for mask in [1, 0x80, 0xff] {
            let mut flipped = block.to_vec();
            flipped[at] ^= mask;
            let (found, damages) = walk(root, |_| Ok(flipped.clone().into()));
            assert_sound(&found);
            refused += damages.len();
            fuzz_block(&flipped);
        }
        fuzz_block(&block[..at]);
    }
    assert!(refused > block.len() / 4, "{refused}");
}

#[test]
fn flipped_bytes_of_a_node_never_mix_up_paths() {
    let listing = plain_files(300);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    assert!(root.level >= 1);
    let node = store.get(root.id).unwrap();
    let paths: HashSet<_> = listing.iter().map(|found| &found.entry.path).collect();
    for at in 0..node.len() {
        let mut flipped = node.to_vec();
        flipped[at] ^= 1;
        let (found, _) = walk(root, |id| if id == root.id { Ok(flipped.clone().into()) } else { store.get(id) });
        assert!(found.is_sorted_by(|a, b| a.entry.path < b.entry.path));
        assert!(found.iter().all(|found| paths.contains(&found.entry.path)));
    }
}

proptest! {
    #[test]
    fn any_bytes_end_or_fail(kind in prop::sample::select(vec![LEAF, NODE, LIST]), level in 0u8..4, rest: Vec<u8>) {
        fuzz_block(&rest);
        fuzz_block(&[&[kind, level], &rest[..]].concat());
    }
}

fn leaf(fields: &[(u32, &[u8])], entries: u64) -> Bytes {
    let mut block = vec![LEAF];
    put_uint(&mut block, 1, entries);
    for (field, column) in fields {
        put_bytes(&mut block, *field, column);
    }
    block.into()
}

#[test]
fn hostile_leaves_are_refused() {
    let root = Root { id: ChunkId([0; 20]), level: 0 };
    let directory = [8, 2];
    let good = [
        (2, &directory[..]),
        (3, &[0, 1, b'a'][..]),
        (4, &[0][..]),
        (5, &[0][..]),
        (6, &[0][..]),
        (7, &[0][..]),
        (8, &[0][..]),
        (9, &[0][..]),
    ];
    let (found, damages) = walk(root, |_| Ok(leaf(&good, 1)));
    assert_eq!((found.len(), damages.len()), (1, 0));
    let mut huge = Vec::new();
    put_varint(&mut huge, u64::MAX);
    let bad: [(usize, &[u8]); 12] = [
        (0, &[8, 9]),                // a kind that is not known
        (1, &[0, 0]),                // fine: the root's own entry
        (1, &[1, 1, b'a']),          // drops what is not there
        (1, &[0, 200, 200, 200, 9]), // a length behind the end
        (1, &[0, 2, b'a', 0]),       // no path
        (2, &[1]),                   // attributes that are not there
        (5, &[1]),                   // chunks that are not there
        (5, &huge),
        (6, &huge),
        (7, &huge),
        (3, &[]),
        (3, &[0, 0]), // more than entries
    ];
    for (at, column) in bad {
        let mut fields = good;
        fields[at].1 = column;
        let (_, damages) = walk(root, |_| Ok(leaf(&fields, 1)));
        assert_eq!(damages.len(), usize::from((at, column) != (1, &[0, 0][..])), "{at} {column:?}");
    }
    for entries in [0, 2, u64::MAX] {
        assert_eq!(walk(root, |_| Ok(leaf(&good, entries))).1.len(), 1);
    }
    assert_eq!(walk(root, |_| Ok(vec![LEAF; MAX_BLOCK_BYTES + 1].into())).1.len(), 1);
}

#[test]
fn a_block_cannot_stand_for_its_parent() {
    // A node that names itself, at every level: the level byte ends it.
    let mut block = vec![NODE, 3];
    let mut message = Vec::new();
    put_bytes(&mut message, 1, &[0, 0]);
    put_bytes(&mut message, 2, &[0; 20]);
    put_varint(&mut block, message.len() as u64);
    block.extend(message);
    let mut blocks = 0;
    let (found, damages) = walk(Root { id: ChunkId([0; 20]), level: 3 }, |_| {
        blocks += 1;
        Ok(block.clone().into())
    });
    assert_eq!((found.len(), damages.len(), blocks), (0, 1, 2));
    assert_eq!(walk(Root { id: ChunkId([0; 20]), level: 200 }, |_| Ok(block.clone().into())).1.len(), 1);
}

#[test]
fn long_paths_cannot_fill_the_memory() {
    // One long first path, then children that each add one byte to it.
    let mut block = vec![NODE, 1];
    let mut path = vec![0];
    put_varint(&mut path, 500_000);
    path.resize(path.len() + 500_000, b'a');
    for n in 0..50 {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, if n == 0 { &path } else { &[0, 1, b'a'] });
        put_bytes(&mut message, 2, &[0; 20]);
        put_varint(&mut block, message.len() as u64);
        block.extend(message);
    }
    let error = node::read(&block, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}

#[test]
fn an_entry_of_a_newer_version_costs_itself_alone() {
    // Four files of three attribute messages: plain, of a feature that is not known, with a value in chunks.
    let (mut feature, mut value, mut pair, mut extra) = (vec![8, 2], vec![8, 2], Vec::new(), Vec::new());
    put_bytes(&mut feature, 15, b"folds");
    put_bytes(&mut pair, 1, b"user.long");
    put_bytes(&mut pair, 3, &[7; 20]);
    put_bytes(&mut value, 7, &pair);
    put_bytes(&mut extra, 15, b"folds");
    let extras = [&[0, 0, 0, extra.len() as u8], &extra[..], &[0]].concat();
    let fields = [
        (2, &[8, 2][..]),
        (2, &feature),
        (2, &value),
        (3, &[0, 1, b'a', 1, 1, b'b', 1, 1, b'c', 1, 1, b'd', 1, 1, b'e']),
        (4, &[0, 1, 2, 0, 0]),
        (5, &[0; 5]),
        (6, &[0; 5]),
        (7, &[0; 5]),
        (8, &extras),
        (9, &[0; 5]),
    ];
    let (found, damages) = walk(Root { id: ChunkId([0; 20]), level: 0 }, |_| Ok(leaf(&fields, 5)));
    let names: Vec<_> = found.iter().map(|found| found.entry.path.as_encoded()).collect();
    assert_eq!(names, [b"a", b"e"]);
    for (damage, (name, behind)) in damages.iter().zip([(b"b", b"b\0"), (b"c", b"c\0"), (b"d", b"d\0")]) {
        assert_eq!(damage.error.kind(), ErrorKind::Unsupported, "{damage:?}");
        assert_eq!((&damage.from[..], damage.to.as_deref()), (&name[..], Some(&behind[..])));
        assert_eq!(damage.entries, Some(1));
    }
    assert_eq!(damages.len(), 3);
}

#[test]
fn a_child_that_requires_what_is_not_known_or_has_two_ids_is_refused() {
    for (field, value, kind) in [(15, &b"folds"[..], ErrorKind::Unsupported), (2, &[1; 20], ErrorKind::Damaged)] {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &[0, 0]);
        put_bytes(&mut message, 2, &[0; 20]);
        put_bytes(&mut message, field, value);
        let mut block = vec![NODE, 1];
        put_varint(&mut block, message.len() as u64);
        block.extend(message);
        assert_eq!(node::read(&block, 1).unwrap_err().kind(), kind);
        assert_eq!(references(&block, &mut |_| {}).unwrap_err().kind(), kind);
    }
}
