use super::list_builder::MAX_LIST_LEVELS;
use super::{Body, Content, ListReader, ListStep, MAX_LEVEL, Ranges, Root, Step, Walk, references};
use crate::format::ids::ChunkId;
use backup_core::TreePath;
use bytes::Bytes;

/// Reads bytes as every structure of this module, for fuzzing: it must end, without a panic, whatever they are.
pub(crate) fn fuzz_block(bytes: &[u8]) {
    let block = Bytes::copy_from_slice(bytes);
    let _ = references(bytes, &mut |_| {});
    if let Ok(body) = Body::parse(bytes) {
        let _ = (body.found(TreePath::root()), body.references(|_| {}));
    }
    for level in 0..=MAX_LEVEL {
        // The block stands for itself and for whatever it refers to.
        let mut walk = Walk::new(Some(Root { id: ChunkId([0; 20]), level }), Ranges::all());
        let mut found = Vec::new();
        for _ in 0..64 {
            found.clear();
            match walk.advance(&mut found, 1000) {
                Step::Need(_) => walk.provide(&block),
                Step::Done => break,
                Step::Full | Step::Lost(_) => {}
            }
        }
    }
    for levels in 0..=MAX_LIST_LEVELS + 1 {
        let root = Content::List { id: ChunkId([0; 20]), levels, chunks: 1000 };
        let Ok(mut list) = ListReader::new(&root, 1000) else { continue };
        for _ in 0..2000 {
            match list.next() {
                Ok(ListStep::Need(_)) if list.provide(&block).is_ok() => {}
                Ok(ListStep::Id(_)) => {}
                _ => break,
            }
        }
    }
}
