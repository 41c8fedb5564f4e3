use super::*;
use backup_core::Selection;

proptest! {
    #[test]
    fn a_selection_takes_what_a_plain_filter_takes(listing in listings(60), chosen in prop::collection::vec(paths(), 0..4)) {
        let selection = Selection { paths: chosen };
        let mut store = Store::new(SMALL);
        let root = store.tree(&listing);
        let taken = |found: &&Found| selection.takes(&found.entry.path);
        let expected: Vec<_> = listing.iter().filter(taken).cloned().collect();
        prop_assert_eq!(store.read(root, Ranges::of(&selection)), expected);
    }
}

/// Reads and counts the blocks asked for.
fn read_counted(store: &Store, root: Root, ranges: Ranges) -> (Vec<Found>, usize) {
    let mut count = 0;
    let found = collect(Walk::new(Some(root), ranges), |id| {
        count += 1;
        store.get(id)
    });
    (found.unwrap(), count)
}

#[test]
fn a_walk_opens_only_what_it_needs() {
    let listing = plain_files(6000);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    let depth = usize::from(root.level) + 1;
    for at in (0..6000).step_by(177) {
        let path = &listing[at].entry.path;
        let one = |path: &TreePath| Ranges::of(&Selection { paths: vec![path.clone()] });
        let (found, blocks) = read_counted(&store, root, one(path));
        assert_eq!(found, listing[at..=at]);
        // The directories above are looked for too, at other places of the tree.
        assert!((depth..=4 * depth).contains(&blocks), "{blocks}");
        let absent = listing[at].entry.path.parent().unwrap().join(b"not there").unwrap();
        let (found, blocks) = read_counted(&store, root, one(&absent));
        assert!(found.is_empty() && blocks <= 4 * depth, "{blocks}");
    }
    let directory = listing[3123].entry.path.parent().unwrap();
    let selection = Selection { paths: vec![directory.clone(), listing[5].entry.path.clone()] };
    let (found, blocks) = read_counted(&store, root, Ranges::of(&selection));
    assert_eq!(found.len(), 101);
    assert!(blocks <= 4 * depth, "{blocks}");
    let (found, blocks) = read_counted(&store, root, Ranges::all());
    assert_eq!((found.len(), blocks), (6000, store.blocks.len()));
}

#[test]
fn what_is_upcoming_is_what_is_asked_for() {
    let listing = plain_files(6000);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    let directories = listing[3000..].iter().step_by(100).map(|found| found.entry.path.parent().unwrap());
    let half = Selection { paths: directories.collect() };
    let mut walk = Walk::new(Some(root), Ranges::of(&half));
    let mut asked = Vec::new();
    let mut foretold = Vec::new();
    loop {
        let mut out = Vec::new();
        match walk.advance(&mut out, 5000) {
            Step::Need(id) => {
                let upcoming = walk.upcoming(3);
                assert_eq!(upcoming.first(), Some(&id));
                foretold.extend(upcoming);
                asked.push(id);
                walk.provide(&store.get(id).unwrap());
            }
            Step::Full => {}
            Step::Done => break,
            Step::Lost(damage) => panic!("{damage:?}"),
        }
    }
    assert!(foretold.iter().all(|id| asked.contains(id)));
    assert!(asked.len() < store.blocks.len() * 2 / 3);
}

#[test]
fn long_entries_end_a_batch_early() {
    let mut listing = plain_files(100);
    for found in &mut listing {
        found.entry.metadata.xattrs.insert(b"user.x".to_vec(), vec![1; 200_000]);
    }
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing);
    let mut walk = Walk::new(root, Ranges::all());
    let mut read = Vec::new();
    loop {
        let mut batch = Vec::new();
        let step = walk.advance(&mut batch, 4096);
        assert!(batch.len() <= 21, "{}", batch.len());
        read.append(&mut batch);
        match step {
            Step::Need(id) => walk.provide(&store.get(id).unwrap()),
            Step::Full => {}
            Step::Done => break,
            Step::Lost(damage) => panic!("{damage:?}"),
        }
    }
    assert!(read == listing);
}
