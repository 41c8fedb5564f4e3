//! What was changed behind the manifest's back.

use super::made::{ARCHIVE, INDEX, Made, made, replace, sum};
use super::*;

/// What a pull gives of an archive that is damaged as a whole: one reason, and no bytes.
async fn refused(made: &Made) -> String {
    let (pulled, lost) = take(&made.open(), &Selection::default()).await.unwrap();
    assert!(pulled.is_empty() && lost.len() == 1, "{lost:?}");
    lost[0].full_message()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_harms_the_entries_of_its_piece_alone() {
    let tree = tree();
    for layers in ["", "zstd", "gzip", "age", "zstd age", "gzip age"] {
        let made = made(&tree, layers, |_| {}).await;
        // Contents hardly compress: pieces are about where they were.
        made.change(ARCHIVE, |bytes| bytes[PIECE_BYTES * 3 / 2] ^= 1).await;
        let backup = made.open();
        let (pulled, lost) = take(&backup, &Selection::default()).await.unwrap();
        assert!(lost.is_empty(), "{lost:?}");
        let harmed: Vec<_> = pulled.iter().filter(|(_, (_, bytes))| bytes.is_err()).map(|(path, _)| path).collect();
        let inside = made.inside(1);
        assert_eq!(harmed, inside.iter().collect::<Vec<_>>(), "{layers}");
        assert!(inside.len() < made.places.len() / 2);
        for (path, (_, bytes)) in &pulled {
            match bytes {
                Ok(bytes) => assert!(*bytes == tree[path].bytes(), "{layers}: {path}"),
                Err(error) => assert!(
                    error.starts_with("Damaged") && error.contains("object shop.tar, piece 1"),
                    "{layers}: {error}"
                ),
            }
        }
        let mut entries = backup.entries(0, &Selection { paths: vec![inside[0].clone()] }).unwrap();
        let batch = entries.next().await.unwrap().unwrap();
        let number = batch.first + batch.entries.len() as u64 - 1;
        let mut reader = entries.supply().stream(number).await.unwrap();
        let mut content = Vec::new();
        let error = Error::io("reading", reader.read_to_end(&mut content).await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Damaged, "{layers}");
        assert!(tree[&inside[0]].content.starts_with(&content));
        assert!(reader.read_to_end(&mut content).await.is_err(), "there is no end behind an error");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_cut_or_is_gone_gives_what_is_there() {
    let tree = tree();
    for layers in ["", "zstd", "age", "age zstd"] {
        let made = made(&tree, layers, |_| {}).await;
        made.change(ARCHIVE, |bytes| bytes.truncate(PIECE_BYTES * 5 / 2)).await;
        let (pulled, _) = take(&made.open(), &Selection::default()).await.unwrap();
        for (path, (_, bytes)) in &pulled {
            let begins = made.places.get(path).is_none_or(|placed| placed.at + placed.bytes <= 2 * PIECE_BYTES as u64);
            let is_empty = tree[path].content.is_empty();
            assert_eq!(bytes.is_ok(), begins || is_empty, "{layers}: {path} {:?}", bytes.as_ref().err());
        }
    }
}

#[tokio::test]
async fn what_lies_behind_damage_is_not_tried_again_and_again() {
    let tree: Tree = (1..40).map(|n| (path(&format!("/{n:02}")), file(noise(n, PIECE_BYTES / 4), n))).collect();
    let made = made(&tree, "age zstd", |_| {}).await;
    made.change(ARCHIVE, |bytes| bytes[PIECE_BYTES * 9 / 2] ^= 1).await;
    let storage = Arc::new(Counting::new(Arc::new(made.memory.clone())));
    let (pulled, _) = take(&made.open_in(storage.clone()), &Selection::default()).await.unwrap();
    let whole = pulled.values().filter(|(_, bytes)| bytes.is_ok()).count();
    assert!((12..18).contains(&whole), "{whole}");
    let read = storage.tally_under(Method::Get, ARCHIVE);
    assert!(read.calls == 1, "{read:?}");
}

#[tokio::test]
async fn an_index_that_was_changed_or_cut_gives_nothing() {
    let tree: Tree = (0..50).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect();
    for layers in LAYERS {
        let made = made(&tree, layers, |_| {}).await;
        let whole = made.object(INDEX).await;
        for place in [0, 1, whole.len() / 2, whole.len() - 1] {
            made.change(INDEX, |bytes| bytes[place] ^= 1).await;
            refused(&made).await;
            replace(&made.memory, INDEX, whole[..place].to_vec()).await;
            refused(&made).await;
            replace(&made.memory, INDEX, whole.to_vec()).await;
        }
        made.change(INDEX, |bytes| bytes.push(b'\n')).await;
        refused(&made).await;
    }
}

#[tokio::test]
async fn the_plain_bytes_of_an_index_are_checked_too() {
    let tree: Tree = (0..50).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect();
    for layers in ["", "zstd", "zstd age"] {
        // Stored as the manifest says, but not of the plain bytes that it says.
        let mut made = made(&tree, layers, |_| {}).await;
        let plain = made.content().index.plain.clone();
        for (change, because) in [(-1i64, "longer"), (1, "shorter")] {
            made.content().index.plain.bytes = plain.bytes.wrapping_add_signed(change);
            assert!(refused(&made).await.contains(because));
        }
        made.content().index.plain = sum(b"x");
        made.content().index.plain.bytes = plain.bytes;
        assert!(refused(&made).await.contains("checksum"));
    }
}

#[tokio::test]
async fn the_index_of_another_archive_is_refused() {
    let tree: Tree = (0..50).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect();
    for (theirs, ours) in
        [("\"archive\":\"shop\"", "\"archive\":\"shup\""), ("\"component\":\"files\"", "\"component\":\"fotos\"")]
    {
        let made = made(&tree, "zstd age", |lines| lines[0] = lines[0].replace(theirs, ours)).await;
        assert!(refused(&made).await.contains("another archive"));
    }
    let later = |lines: &mut Vec<String>| lines[0] = lines[0].replace("index/1", "index/2");
    let error = take(&made(&tree, "", later).await.open(), &Selection::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_archive_of_the_same_length_gives_no_byte() {
    let tree: Tree = (1..5).map(|n| (path(&format!("/{n}")), file(noise(n, PIECE_BYTES / 2), n))).collect();
    let mut other = tree.clone();
    other.values_mut().for_each(|node| node.content.reverse());
    for layers in ["", "zstd", "age"] {
        let ours = made(&tree, layers, |_| {}).await;
        let was = ours.object(ARCHIVE).await;
        // The headers of age files have no fixed length.
        let theirs = loop {
            let theirs = made(&other, layers, |_| {}).await.object(ARCHIVE).await;
            if theirs.len() == was.len() {
                break theirs;
            }
        };
        replace(&ours.memory, ARCHIVE, theirs.to_vec()).await;
        let (pulled, _) = take(&ours.open(), &Selection::default()).await.unwrap();
        assert!(pulled.len() == 4 && pulled.values().all(|(_, bytes)| bytes.is_err()), "{layers}");
    }
}

#[tokio::test]
async fn an_index_that_is_read_again_must_be_the_same() {
    let mut tree: Tree = (0..40).map(|n| (path(&format!("/{n}")), file(n.to_string(), n))).collect();
    for node in tree.values_mut() {
        node.metadata.xattrs.insert(b"user.x".to_vec(), vec![b'x'; 1 << 20]);
    }
    let made = made(&tree, "", |_| {}).await;
    let storage = Arc::new(Counting::new(Arc::new(made.memory.clone())));
    let backup = made.open_in(storage.clone());
    let (pulled, _) = take(&backup, &Selection::default()).await.unwrap();
    assert_same(&tree, &pulled);
    assert_eq!(storage.tally_under(Method::Get, INDEX).calls, 2, "it is too long to be kept");
    made.change(INDEX, |bytes| bytes[20 << 20] = b'y').await;
    let (pulled, lost) = take(&backup, &Selection::default()).await.unwrap();
    assert!(lost.len() == 1 && lost[0].full_message().contains("changed while it was read"), "{lost:?}");
    // What stands in the blocks before it.
    assert_eq!(pulled.len(), 19);
}
