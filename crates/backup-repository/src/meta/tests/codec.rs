use super::*;

proptest! {
    #[test]
    fn bodies_go_both_ways(found in founds()) {
        let mut body = vec![1, 2];
        encode_body(&found.entry, &found.content, &mut body).unwrap();
        let body = Body::parse(&body[2..]).unwrap();
        let mut references = Vec::new();
        body.references(|reference| references.push(reference)).unwrap();
        prop_assert_eq!(references, expected_references(&found.content));
        prop_assert_eq!(body.found(found.entry.path.clone()).unwrap(), found);
    }

    #[test]
    fn leaves_go_both_ways(listing in listings(40)) {
        let mut store = Store::new(SMALL);
        let root = store.tree(&listing);
        prop_assert_eq!(root.is_none(), listing.is_empty());
        let mut expected: Vec<_> = listing.iter().flat_map(|found| expected_references(&found.content)).collect();
        let mut todo: Vec<_> = root.into_iter().collect();
        let mut got = Vec::new();
        while let Some(Root { id, level }) = todo.pop() {
            references(&store.get(id).unwrap(), &mut |reference| match reference {
                Reference::Block { id, level: below } => {
                    assert_eq!(below, level - 1);
                    todo.push(Root { id, level: below });
                }
                other => got.push(other),
            })
            .unwrap();
        }
        expected.sort();
        got.sort();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(store.read(root, Ranges::all()), listing);
    }

    #[test]
    fn paths_drop_and_add(a in paths(), b in paths()) {
        let (mut a, mut b) = (a.as_encoded().to_vec(), b.as_encoded().to_vec());
        if a > b { std::mem::swap(&mut a, &mut b); }
        prop_assert_eq!(front::shared(&a, &b), a.iter().zip(&b).take_while(|(a, b)| a == b).count());
        let mut out = Vec::new();
        front::put(&mut out, &a, &b);
        let mut path = a.clone();
        let taken = front::take(&mut &out[..], &mut path, false);
        prop_assert_eq!(taken.is_ok(), a != b);
        if a != b { prop_assert_eq!(path, b); }
    }
}

pub(super) fn expected_references(content: &Content) -> Vec<Reference> {
    match content {
        Content::Ids(ids) => ids.iter().map(|id| Reference::Chunk(*id)).collect(),
        Content::List { id, levels, .. } => vec![Reference::List { id: *id, level: *levels }],
    }
}

fn refused(change: impl FnOnce(&mut Found)) {
    let mut found = plain_file(1, 0);
    change(&mut found);
    let mut body = vec![9];
    let error = encode_body(&found.entry, &found.content, &mut body).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(body, [9]);
}

#[test]
fn entries_that_make_no_sense_are_not_written() {
    let hole = |offset, length| Hole { offset, length };
    refused(|found| found.entry.metadata.mode = Some(0o10000));
    refused(|found| found.entry.metadata.mtime = Some(Timestamp { seconds: 0, nanoseconds: 1_000_000_000 }));
    refused(|found| found.entry.size_bytes = None);
    refused(|found| found.entry.size_bytes = Some(0));
    refused(|found| found.content = no_content());
    refused(|found| found.entry.kind = EntryKind::Directory);
    refused(|found| found.entry.holes = vec![hole(0, 0)]);
    refused(|found| found.entry.holes = vec![hole(u64::MAX, 1)]);
    refused(|found| {
        found.entry.size_bytes = Some(10);
        found.entry.holes = vec![hole(2, 2), hole(4, 1)];
    });
    refused(|found| {
        found.entry.size_bytes = Some(10);
        found.entry.holes = vec![hole(5, 1), hole(2, 1)];
    });
    refused(|found| {
        found.entry.size_bytes = Some(1000);
        found.content = Content::Ids(vec![ChunkId([0; 20]); MAX_INLINE_CHUNKS + 1]);
    });
    refused(|found| {
        found.entry.metadata.xattrs.insert(b"user.long".to_vec(), vec![0; MAX_ENTRY_BYTES]);
    });
}

#[test]
fn what_is_long_fits_as_long_as_the_entry_does() {
    let mut found = plain_file(1, 0);
    found.entry.metadata.xattrs.insert(b"user.long".to_vec(), vec![0; MAX_ENTRY_BYTES - 500]);
    let mut store = Store::new(SMALL);
    let root = store.tree(std::slice::from_ref(&found));
    assert_eq!(store.read(root, Ranges::all()), [found]);
}

#[test]
fn fields_of_a_later_version_are_skipped() {
    use crate::format::wire::{put_bytes, put_uint};
    let found = plain_file(1, 0);
    let mut store = Store::new(SMALL);
    let root = store.tree(std::slice::from_ref(&found)).unwrap();
    let mut block = store.get(root.id).unwrap().to_vec();
    put_bytes(&mut block, 99, b"later");
    put_uint(&mut block, 98, 5);
    let mut walk = Walk::new(Some(root), Ranges::all());
    let mut out = Vec::new();
    assert!(matches!(walk.advance(&mut out, 10), Step::Need(_)));
    walk.provide(&block.into());
    assert!(matches!(walk.advance(&mut out, 10), Step::Done));
    assert_eq!(out, [found]);
}

/// A root leaf with a field appended, as a later version may write it.
fn with_field(store: &mut Store, listing: &[Found], field: u32, value: &[u8]) -> Root {
    let root = store.tree(listing).unwrap();
    let mut block = store.get(root.id).unwrap().to_vec();
    crate::format::wire::put_bytes(&mut block, field, value);
    Root { id: store.put(block).unwrap(), level: 0 }
}

fn references_of(store: &Store, root: Root) -> Result<Vec<Reference>> {
    let mut got = Vec::new();
    references(&store.get(root.id)?, &mut |reference| got.push(reference)).map(|()| got)
}

#[test]
fn references_of_a_later_version_are_followed_though_nobody_knows_what_they_are_for() {
    let listing = [plain_file(1, 0)];
    let own = expected_references(&listing[0].content);
    let (a, b) = (ChunkId([1; 20]), ChunkId([2; 20]));
    let mut store = Store::new(SMALL);

    let chunks = with_field(&mut store, &listing, 11, &[a.0, b.0].concat());
    assert_eq!(store.read(Some(chunks), Ranges::all()), listing);
    let expected = [&own[..], &[Reference::Chunk(a), Reference::Chunk(b)]].concat();
    assert_eq!(references_of(&store, chunks).unwrap(), expected);

    let list = |id: ChunkId, levels: u8| [&id.0[..], &[levels], &[9, 0, 0, 0, 0, 0, 0, 0]].concat();
    let lists = with_field(&mut store, &listing, 12, &[list(a, 1), list(b, 2)].concat());
    assert_eq!(store.read(Some(lists), Ranges::all()), listing);
    let further = [Reference::List { id: a, level: 1 }, Reference::List { id: b, level: 2 }];
    assert_eq!(references_of(&store, lists).unwrap(), [&own[..], &further].concat());

    for (field, cut) in [(11, 21), (12, 30)] {
        let cut = with_field(&mut store, &listing, field, &vec![1; cut]);
        assert_eq!(references_of(&store, cut).unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[test]
fn a_leaf_that_requires_what_is_not_known_is_newer() {
    let mut store = Store::new(SMALL);
    let root = with_field(&mut store, &[plain_file(1, 0)], 15, b"folds");
    let error = collect(Walk::new(Some(root), Ranges::all()), |id| store.get(id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(references_of(&store, root).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_column_that_stands_twice_is_damage() {
    let mut store = Store::new(SMALL);
    let root = with_field(&mut store, &[plain_file(1, 0)], 10, &[7; 20]);
    let error = collect(Walk::new(Some(root), Ranges::all()), |id| store.get(id)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert_eq!(references_of(&store, root).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn link_group_0_is_a_group() {
    let mut found = plain_file(1, 0);
    found.entry.link_group = Some(0);
    let mut store = Store::new(SMALL);
    let root = store.tree(std::slice::from_ref(&found));
    assert_eq!(store.read(root, Ranges::all()), [found]);
}
