use super::*;
use std::collections::HashSet;

fn blocks(listing: &[Found]) -> (Option<Root>, HashSet<ChunkId>) {
    let mut store = Store::new(SMALL);
    let root = store.tree(listing);
    (root, store.blocks.into_keys().collect())
}

fn leaves(listing: &[Found]) -> Vec<Vec<TreePath>> {
    let mut store = Store::new(SMALL);
    store.tree(listing);
    let leaves = store.order.iter().filter(|id| store.blocks[id][0] == LEAF);
    leaves
        .map(|id| store.read(Some(Root { id: *id, level: 0 }), Ranges::all()))
        .map(|founds| founds.into_iter().map(|found| found.entry.path).collect())
        .collect()
}

#[test]
fn trees_of_any_size_are_read_back() {
    let all = plain_files(30_000);
    for (shape, count, level) in [(SHAPE, 100, 0), (SHAPE, 30_000, 1), (SMALL, 20_000, 3), (SMALL, 2, 0)] {
        let listing = &all[..count];
        let mut store = Store::new(shape);
        let root = store.tree(listing).unwrap();
        assert_eq!(root.level, level);
        assert_eq!(store.read(Some(root), Ranges::all()), listing);
        // Nodes come last, the root at the very end.
        let nodes = store.order.iter().position(|id| store.blocks[id][0] == NODE).unwrap_or(store.order.len());
        assert!(store.order[nodes..].iter().all(|id| store.blocks[id][0] == NODE));
        assert_eq!(store.order.last(), Some(&root.id));
        let leaves = count / (shape.min_entries + shape.one_in as usize);
        assert!((leaves * 3 / 4..=leaves * 4 / 3 + 1).contains(&nodes), "{nodes} leaves, not {leaves}");
    }
}

#[test]
fn nodes_written_early_make_the_same_tree() {
    let listing = plain_files(3000);
    let (mut late, mut early) = (Store::new(SMALL), Store::new(Shape { max_held_bytes: 2000, ..SMALL }));
    assert_eq!(late.tree(&listing), early.tree(&listing));
    assert_eq!(late.blocks, early.blocks);
    assert_ne!(late.order, early.order);
}

#[test]
fn entries_out_of_order_are_refused_and_nothing_breaks() {
    let mut store = Store::new(SMALL);
    let mut builder = TreeBuilder::new(key());
    let mut sink = |block| store.put(block);
    let (a, b) = (plain_file(1, 0), plain_file(2, 0));
    let body = |found: &Found| {
        let mut body = Vec::new();
        encode_body(&found.entry, &found.content, &mut body).unwrap();
        body
    };
    builder.push(&a.entry.path, &body(&a), &mut sink).unwrap();
    for path in [&a.entry.path, &TreePath::root()] {
        assert_eq!(builder.push(path, &body(&b), &mut sink).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    // A body cut anywhere is refused.
    let whole = body(&b);
    for end in 0..whole.len() {
        let error = builder.push(&b.entry.path, &whole[..end], &mut sink).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{end}");
    }
    builder.push(&b.entry.path, &body(&b), &mut sink).unwrap();
    let root = builder.finish(&mut sink).unwrap();
    assert_eq!(store.read(root, Ranges::all()), [a, b]);
}

#[test]
fn a_tree_whose_sink_failed_is_never_finished() {
    let listing = plain_files(1000);
    for fails_at in [0, 1, 30] {
        let mut store = Store::new(SMALL);
        let mut count = 0;
        let mut sink = |block| {
            count += 1;
            if count == fails_at + 1 { Err(Error::new(ErrorKind::NoSpace, "full")) } else { store.put(block) }
        };
        let mut builder = TreeBuilder::with_shape(key(), SMALL);
        let mut body = Vec::new();
        let mut failures = 0;
        for found in &listing {
            body.clear();
            encode_body(&found.entry, &found.content, &mut body).unwrap();
            failures += usize::from(builder.push(&found.entry.path, &body, &mut sink).is_err());
        }
        assert!(failures > 0);
        assert!(builder.finish(&mut sink).is_err());
    }
}

#[test]
fn a_changed_content_moves_no_boundary_and_changes_one_block_a_level() {
    let listing = plain_files(5000);
    let all_changed: Vec<_> = (0..5000).map(|number| plain_file(number, 1)).collect();
    assert_eq!(leaves(&all_changed), leaves(&listing));
    let (root, before) = blocks(&listing);
    for at in [0, 1, 2500, 4999] {
        let mut changed = listing.clone();
        changed[at] = plain_file(at as u32, 1);
        let (new_root, after) = blocks(&changed);
        assert_eq!(new_root.unwrap().level, root.unwrap().level);
        assert_eq!(after.difference(&before).count(), usize::from(root.unwrap().level) + 1);
    }
}

#[test]
fn a_new_or_lost_path_changes_few_leaves() {
    let listing = plain_files(5000);
    let before = leaves(&listing).into_iter().collect::<HashSet<_>>();
    let changed_leaves = |listing: &[Found]| leaves(listing).into_iter().filter(|leaf| !before.contains(leaf)).count();
    let mut most = 0;
    for at in (0..5000).step_by(499) {
        let mut more = listing.clone();
        more.insert(at + 1, file(listing[at].entry.path.join(b"x").unwrap(), 0));
        let mut less = listing.clone();
        less.remove(at);
        most = most.max(changed_leaves(&more)).max(changed_leaves(&less));
    }
    assert!((1..=4).contains(&most), "{most}");
}

#[test]
fn boundaries_depend_on_the_key() {
    let listing = plain_files(5000);
    let first = |key: ChunkKey| {
        let mut cutter = cut::Cutter::new(key, SHAPE);
        listing.iter().position(|found| cutter.cuts(0, 128, found.entry.path.as_encoded()))
    };
    assert_ne!(first(ChunkKey([1; 32])), first(ChunkKey([2; 32])));
}

#[test]
fn very_long_paths_make_a_tree_that_ends() {
    let directory = TreePath::from_components([vec![b'd'; 300_000]]).unwrap();
    let paths = (0..40u32).map(|n| directory.join(&[&n.to_be_bytes()[..], &vec![b'x'; 100_000]].concat()).unwrap());
    let listing: Vec<_> = paths.map(|path| file(path, 0)).collect();
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    assert!(root.level >= 2, "{root:?}");
    assert_eq!(store.read(Some(root), Ranges::all()), listing);
}

#[test]
fn large_entries_are_cut_by_bytes() {
    let mut listing = plain_files(2000);
    for found in &mut listing {
        found.entry.size_bytes = Some(1 << 30);
        found.content = Content::Ids(vec![ChunkId([3; 20]); MAX_INLINE_CHUNKS]);
    }
    let mut store = Store::new(SHAPE);
    let root = store.tree(&listing);
    assert!(store.blocks.values().all(|block| block.len() <= SHAPE.max_bytes + 1024));
    assert_eq!(store.read(root, Ranges::all()), listing);
}
