use super::*;
use std::collections::BTreeSet;

fn changes(store: &Store, old: Option<Root>, new: Option<Root>) -> (Vec<Change>, usize) {
    let mut diff = Diff::new(old, new, Ranges::all());
    let (mut changes, mut blocks) = (Vec::new(), 0);
    loop {
        match diff.advance() {
            DiffStep::Change(change) => changes.push(*change),
            DiffStep::Need(id) => {
                assert!(diff.upcoming(100).contains(&id));
                blocks += 1;
                diff.provide(&store.get(id).unwrap());
            }
            DiffStep::Lost(_, damage) => panic!("{damage:?}"),
            DiffStep::Done => return (changes, blocks),
        }
    }
}

fn plain_changes(old: &[Found], new: &[Found]) -> Vec<Change> {
    let by_path = |side: &[Found]| -> BTreeMap<_, _> {
        side.iter().map(|found| (found.entry.path.clone(), found.clone())).collect()
    };
    let (old, new) = (by_path(old), by_path(new));
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |path| match (old.get(path), new.get(path)) {
        (Some(old), Some(new)) if old != new => Some(Change::Changed { old: old.clone(), new: new.clone() }),
        (Some(old), None) => Some(Change::Removed(old.clone())),
        (None, Some(new)) => Some(Change::Added(new.clone())),
        _ => None,
    };
    paths.into_iter().filter_map(change).collect()
}

proptest! {
    #[test]
    fn small_trees_differ_as_their_listings_do(old in listings(30), new in listings(30), both in listings(10)) {
        let merged = |side: Vec<Found>| -> Vec<Found> {
            let all: BTreeMap<_, _> = side.into_iter().chain(both.clone()).map(|found| (found.entry.path.clone(), found)).collect();
            all.into_values().collect()
        };
        let (old, new) = (merged(old), merged(new));
        let mut store = Store::new(SMALL);
        let roots = (store.tree(&old), store.tree(&new));
        prop_assert_eq!(changes(&store, roots.0, roots.1).0, plain_changes(&old, &new));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn large_trees_differ_as_their_listings_do(edits in prop::collection::vec((0usize..3000, 0u8..3), 0..12), keep in 1usize..3000) {
        let old = plain_files(3000);
        let mut new = old[..keep.max(edits.len())].to_vec();
        for (at, edit) in edits {
            let at = at % new.len();
            match edit {
                0 => new[at].entry.metadata.mode = Some(0o600),
                1 => { new.remove(at); }
                _ => {
                    let added = file(new[at].entry.path.join(b"new").unwrap(), 0);
                    if new.get(at + 1).is_none_or(|next| next.entry.path > added.entry.path) {
                        new.insert(at + 1, added);
                    }
                }
            }
        }
        let mut store = Store::new(SMALL);
        let roots = (store.tree(&old), store.tree(&new));
        prop_assert_eq!(changes(&store, roots.0, roots.1).0, plain_changes(&old, &new));
    }
}

#[test]
fn equal_blocks_are_not_opened() {
    let old = plain_files(6000);
    let mut store = Store::new(SMALL);
    let old_root = store.tree(&old);
    assert_eq!(changes(&store, old_root, old_root), (Vec::new(), 0));
    let mut new = old.clone();
    new[4000] = plain_file(4000, 1);
    let new_root = store.tree(&new);
    let (found, blocks) = changes(&store, old_root, new_root);
    assert_eq!(found.len(), 1);
    assert_eq!(blocks, 2 * (usize::from(old_root.unwrap().level) + 1));
    // A tree that grew another level still shares its blocks.
    let small = store.tree(&old[..2000]);
    let grown = store.tree(&old[..2001]);
    let (found, blocks) = changes(&store, small, grown);
    assert_eq!(found.len(), 1);
    assert!(blocks <= 10, "{blocks}");
}

#[test]
fn a_lost_part_is_no_difference() {
    let old = plain_files(2000);
    let mut new = old.clone();
    new.remove(1999);
    let mut store = Store::new(SMALL);
    let (old_root, new_root) = (store.tree(&old), store.tree(&new));
    // Loses each block that a comparison needs, in turn.
    let (_, needed) = changes(&store, old_root, new_root);
    assert!(needed > 2);
    for lost in 0..needed {
        let mut diff = Diff::new(old_root, new_root, Ranges::all());
        let (mut at, mut losses) = (0, 0);
        loop {
            match diff.advance() {
                DiffStep::Change(change) => assert!(matches!(*change, Change::Removed(found) if found == old[1999])),
                DiffStep::Need(id) => {
                    match at == lost {
                        true => diff.missing(Error::new(ErrorKind::Damaged, "lost")),
                        false => diff.provide(&store.get(id).unwrap()),
                    }
                    at += 1;
                }
                DiffStep::Lost(..) => losses += 1,
                DiffStep::Done => break,
            }
        }
        assert_eq!(losses, 1);
    }
}
