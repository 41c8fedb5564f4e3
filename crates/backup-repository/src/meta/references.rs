use super::content::split_ids;
use super::leaf_reader::fields;
use super::leaf_writer::field;
use super::list_reader::{items_of_list, lists_in};
use super::{Content, LEAF, LIST, NODE, damaged, extra, node};
use crate::format::ids::ChunkId;
use crate::format::wire::{take_bytes, take_varint};
use backup_core::Result;

/// Something that a block holds on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reference {
    /// A chunk of content.
    Chunk(ChunkId),
    /// A block of a tree.
    Block {
        /// Its id.
        id: ChunkId,
        /// 0 for a leaf.
        level: u8,
    },
    /// A content list.
    List {
        /// Its id.
        id: ChunkId,
        /// 1 for a list of chunks.
        level: u8,
    },
}

/// Gives everything that a block refers to, without making entries of it.
///
/// # Errors
/// `Damaged`; `each` may have seen some by then.
pub(crate) fn references(block: &[u8], each: &mut impl FnMut(Reference)) -> Result<()> {
    match *block {
        [LEAF, ..] => of_leaf(block, each),
        [NODE, level, ..] if level > 0 => of_node(block, level, each),
        [LIST, level, ..] if level > 0 => {
            let items = items_of_list(block, level)?;
            match level {
                1 => split_ids(items)?.for_each(|id| each(Reference::Chunk(id))),
                _ => lists_in(items).for_each(|(id, _)| each(Reference::List { id, level: level - 1 })),
            }
            Ok(())
        }
        _ => Err(damaged("it is no block")),
    }
}

fn of_node(block: &[u8], level: u8, each: &mut impl FnMut(Reference)) -> Result<()> {
    for message in node::messages(block, level)? {
        each(Reference::Block { id: node::child_id(message?)?, level: level - 1 });
    }
    Ok(())
}

fn of_leaf(block: &[u8], each: &mut impl FnMut(Reference)) -> Result<()> {
    let mut fields = fields(block)?;
    while let Some((field, value)) = fields.next()? {
        match field {
            field::CHUNK_IDS | field::FURTHER_CHUNKS => {
                split_ids(value.bytes()?)?.for_each(|id| each(Reference::Chunk(id)))
            }
            field::FURTHER_LISTS => {
                for root in value.bytes()?.chunks(extra::ROOT_LEN) {
                    of_root(root, each)?;
                }
            }
            field::EXTRAS => {
                let mut extras = value.bytes()?;
                while !extras.is_empty() {
                    let length = take_varint(&mut extras)?;
                    of_extra(take_bytes(&mut extras, length)?, each)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives the root of a content list in the message of an entry.
pub(super) fn of_extra(message: &[u8], each: &mut impl FnMut(Reference)) -> Result<()> {
    let mut fields = extra::fields(message)?;
    while let Some((field, value)) = fields.next()? {
        if field == extra::LIST {
            of_root(value.bytes()?, each)?;
        }
    }
    Ok(())
}

fn of_root(root: &[u8], each: &mut impl FnMut(Reference)) -> Result<()> {
    if let Content::List { id, levels, .. } = extra::decode_list(root)? {
        each(Reference::List { id, level: levels });
    }
    Ok(())
}
