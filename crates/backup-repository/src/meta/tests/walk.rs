use super::*;
use backup_core::Selection;

proptest! {
    #[test]
    fn a_selection_takes_what_a_plain_filter_takes(listing in listings(60), chosen in prop::collection::vec(paths(), 0..4), from in paths()) {
        let selection = Selection { paths: chosen };
        let mut store = Store::new(SMALL);
        let root = store.tree(&listing);
        let taken = |found: &&Found| selection.takes(&found.entry.path);
        let expected: Vec<_> = listing.iter().filter(taken).cloned().collect();
        prop_assert_eq!(store.read(root, Ranges::of(&selection)), expected.clone());

        let at: Vec<_> = expected.iter().filter(|found| found.entry.path >= from).cloned().collect();
        prop_assert_eq!(store.read(root, Ranges::of(&selection).starting_at(&from)), at);
        let after: Vec<_> = expected.iter().filter(|found| found.entry.path > from).cloned().collect();
        prop_assert_eq!(store.read(root, Ranges::of(&selection).starting_after(&from)), after);
        let exact: Vec<_> = listing.iter().filter(|found| found.entry.path == from).cloned().collect();
        prop_assert_eq!(store.read(root, Ranges::exactly(&from)), exact);
    }
}

/// Reads and counts the blocks asked for.
fn read_counted(store: &Store, root: Root, ranges: Ranges) -> (Vec<Found>, usize) {
    let mut count = 0;
    let found = Walk::new(Some(root), ranges).collect(|id| {
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
        let (found, blocks) = read_counted(&store, root, Ranges::exactly(path));
        assert_eq!(found, listing[at..=at]);
        assert_eq!(blocks, depth);
        let absent = path.join(b"not there").unwrap();
        let (found, blocks) = read_counted(&store, root, Ranges::exactly(&absent));
        assert!(found.is_empty() && blocks <= depth);
    }
    let directory = listing[3123].entry.path.parent().unwrap();
    let selection = Selection { paths: vec![directory.clone(), listing[5].entry.path.clone()] };
    let (found, blocks) = read_counted(&store, root, Ranges::of(&selection));
    assert_eq!(found.len(), 101);
    // The directories above are looked for too, at other places of the tree.
    assert!(blocks <= 4 * depth, "{blocks}");
    let (found, blocks) = read_counted(&store, root, Ranges::all());
    assert_eq!((found.len(), blocks), (6000, store.blocks.len()));
}

#[test]
fn pages_join_up() {
    let listing = plain_files(3000);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing);
    let mut read = Vec::new();
    let mut ranges = Ranges::all();
    loop {
        let mut walk = Walk::new(root, ranges);
        let mut page = Vec::new();
        loop {
            match walk.advance(&mut page, 700) {
                Step::Need(id) => walk.provide(&store.get(id).unwrap()),
                Step::Full | Step::Done => break,
                Step::Lost(damage) => panic!("{damage:?}"),
            }
        }
        let Some(last) = page.last() else { break };
        ranges = Ranges::all().starting_after(&last.entry.path);
        read.append(&mut page);
    }
    assert_eq!(read, listing);
}

#[test]
fn what_is_upcoming_is_what_is_asked_for() {
    let listing = plain_files(6000);
    let mut store = Store::new(SMALL);
    let root = store.tree(&listing).unwrap();
    let half = Ranges::all().starting_at(&listing[3000].entry.path);
    let mut walk = Walk::new(Some(root), half);
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
