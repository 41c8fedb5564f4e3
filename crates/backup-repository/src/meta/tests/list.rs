use super::*;

fn id(number: u32) -> ChunkId {
    key().id(&number.to_le_bytes())
}

/// A made-up length of a chunk.
fn length(id: &ChunkId) -> u32 {
    1 + u32::from(id.0[19])
}

fn bytes_of(ids: impl IntoIterator<Item = ChunkId>) -> u64 {
    ids.into_iter().map(|id| u64::from(length(&id))).sum()
}

fn build(store: &mut Store, ids: impl IntoIterator<Item = ChunkId>) -> Content {
    let mut builder = ListBuilder::new();
    for id in ids {
        builder.push(id, length(&id), &mut |block| store.put(block)).unwrap();
    }
    builder.finish(&mut |block| store.put(block)).unwrap()
}

fn expand(store: &Store, content: &Content, bytes: u64) -> Result<Vec<ChunkId>> {
    let mut reader = ListReader::new(content, bytes)?;
    let mut ids = Vec::new();
    loop {
        match reader.next()? {
            ListStep::Id(id) => ids.push(id),
            ListStep::Need(id) => {
                reader.provide(&store.get(id)?)?;
            }
            ListStep::Done => return Ok(ids),
        }
    }
}

#[test]
fn contents_of_any_length_go_both_ways() {
    for count in [0, 1, 63, 64, 65, 66, 500, 2048, 2049, 5000, 100_000] {
        let mut store = Store::new(SMALL);
        let content = build(&mut store, (0..count).map(id));
        match content {
            Content::Ids(_) => assert!(count <= 64 && store.blocks.is_empty()),
            Content::List { levels, chunks, .. } => {
                assert!(count > 64 && chunks == u64::from(count) && store.order.len() >= usize::from(levels));
            }
        }
        assert_eq!(
            expand(&store, &content, bytes_of((0..count).map(id))).unwrap(),
            (0..count).map(id).collect::<Vec<_>>(),
            "{count}"
        );
    }
}

#[test]
fn lists_end_where_an_id_says_so_and_not_before_64() {
    let mut store = Store::new(SMALL);
    let (stop, go) = (ChunkId([0; 20]), ChunkId([0xff; 20]));
    // Ids that could end a list at 63 (too early), at 64, and as the very last.
    let ids = [vec![go; 62], vec![stop, stop], vec![go; 100], vec![stop]].concat();
    let content = build(&mut store, ids.iter().copied());
    assert_eq!(expand(&store, &content, bytes_of(ids.iter().copied())).unwrap(), ids);
    let lengths: Vec<_> = store.order.iter().map(|id| (store.blocks[id].len() - 2) / 20).collect();
    assert_eq!(lengths, [64, 101, 2]);
}

#[test]
fn a_list_whose_sink_failed_is_never_finished() {
    let mut builder = ListBuilder::new();
    let mut full = |_| Err(Error::new(ErrorKind::NoSpace, "full"));
    let failed = (0..3000).find(|number| builder.push(id(*number), 1, &mut full).is_err());
    assert!(failed.is_some());
    let mut sink = |_| Ok(ChunkId([1; 20]));
    assert_eq!(builder.push(id(0), 1, &mut sink).unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(builder.finish(&mut sink).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn equal_ids_are_cut_at_the_maximum() {
    let mut store = Store::new(SMALL);
    let content = build(&mut store, std::iter::repeat_n(ChunkId([0xff; 20]), 10_000));
    assert!(matches!(content, Content::List { levels: 2, chunks: 10_000, .. }), "{content:?}");
    assert_eq!(expand(&store, &content, 10_000 * 256).unwrap().len(), 10_000);
}

#[test]
fn a_change_in_the_middle_changes_few_lists() {
    let mut store = Store::new(SMALL);
    let Content::List { levels, .. } = build(&mut store, (0..100_000).map(id)) else { panic!() };
    let before = store.blocks.len();
    assert!(before > 100);
    build(&mut store, (0..50_000).chain([1 << 30]).chain(50_000..100_000).map(id));
    let new = store.blocks.len() - before;
    assert!((1..=2 * usize::from(levels)).contains(&new), "{new}");
}

#[test]
fn lists_refer_to_what_they_hold() {
    let mut store = Store::new(SMALL);
    let Content::List { id: root, levels, .. } = build(&mut store, (0..100_000).map(id)) else { panic!() };
    let mut todo = vec![Reference::List { id: root, level: levels }];
    let mut chunks = Vec::new();
    while let Some(reference) = todo.pop() {
        match reference {
            Reference::Chunk(id) => chunks.push(id),
            Reference::List { id, level } => {
                let block = store.get(id).unwrap();
                assert_eq!(block[1], level);
                let at = todo.len();
                references(&block, &mut |reference| todo.push(reference)).unwrap();
                todo[at..].reverse();
            }
            Reference::Block { .. } => panic!(),
        }
    }
    assert_eq!(chunks, (0..100_000).map(id).collect::<Vec<_>>());
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let mut store = Store::new(SMALL);
    let content = build(&mut store, (0..5000).map(id));
    let Content::List { id: root, levels, chunks } = content else { panic!() };
    let bytes = bytes_of((0..5000).map(id));
    for (levels, chunks) in [(levels, chunks - 1), (levels, chunks + 1), (levels + 1, chunks), (levels - 1, chunks)] {
        let error = expand(&store, &Content::List { id: root, levels, chunks }, bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
    for levels in [0, 13, 255] {
        assert!(ListReader::new(&Content::List { id: root, levels, chunks }, bytes).is_err());
    }
    for block in
        [&b""[..], b"C", b"C\x01", &[b"C\x01".as_slice(), &[0; 21]].concat(), &[b"C\x02".as_slice(), &[0; 20]].concat()]
    {
        let mut reader = ListReader::new(&Content::List { id: root, levels: 1, chunks: 1 }, 1).unwrap();
        assert!(matches!(reader.next().unwrap(), ListStep::Need(_)));
        assert!(reader.provide(&Bytes::copy_from_slice(block)).is_err());
    }
    let mut reader = ListReader::new(&no_content(), 0).unwrap();
    assert_eq!(reader.provide(&Bytes::new()).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn a_list_of_lists_says_how_much_is_below_each() {
    /// Bytes of content below a list; `lists` counts those that were said.
    fn below(store: &Store, list: ChunkId, level: u8, lists: &mut usize) -> u64 {
        let block = store.get(list).unwrap();
        assert_eq!(block[..2], [b'C', level]);
        let items = &block[2..];
        if level == 1 {
            return bytes_of(items.as_chunks().0.iter().map(|id| ChunkId(*id)));
        }
        let (items, rest) = items.as_chunks::<28>();
        assert!(rest.is_empty());
        let mut sum = 0;
        for item in items {
            let (id, said) = (item.first_chunk().unwrap(), item.last_chunk().unwrap());
            let held = below(store, ChunkId(*id), level - 1, lists);
            assert_eq!(u64::from_le_bytes(*said), held);
            *lists += 1;
            sum += held;
        }
        sum
    }
    let mut store = Store::new(SMALL);
    let Content::List { id: root, levels, .. } = build(&mut store, (0..100_000).map(id)) else { panic!() };
    let mut lists = 0;
    assert_eq!(below(&store, root, levels, &mut lists), bytes_of((0..100_000).map(id)));
    assert!(levels >= 2 && lists == store.blocks.len() - 1);
}

#[test]
fn a_wrong_length_is_damage() {
    let mut store = Store::new(SMALL);
    let content = build(&mut store, (0..5000).map(id));
    let bytes = bytes_of((0..5000).map(id));
    assert!(expand(&store, &content, bytes).is_ok());
    for wrong in [bytes - 1, bytes + 1] {
        assert_eq!(expand(&store, &content, wrong).unwrap_err().kind(), ErrorKind::Damaged);
    }
}
