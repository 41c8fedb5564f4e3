//! What few entries have: a link's target, device numbers, a link group, holes, a content list.

use super::attributes::Kind;
use super::{Content, damaged};
use crate::format::ids::{CHUNK_ID_LEN, ChunkId};
use crate::format::wire::{Fields, put_bytes, put_uint, put_varint, take_varint};
use backup_core::{Entry, EntryKind, Hole, Result};

const TARGET: u32 = 1;
const MAJOR: u32 = 2;
const MINOR: u32 = 3;
const LINK_GROUP: u32 = 4;
const HOLES: u32 = 5;
const FLAGS: u32 = 6;
pub(super) const LIST: u32 = 7;

/// Bytes of a content list's root: its id, levels, chunks in all.
pub(super) const ROOT_LEN: usize = CHUNK_ID_LEN + 9;

const CHANGED_WHILE_READ: u64 = 1;

/// The decoded message.
#[derive(Debug, Default)]
pub(super) struct Extra {
    target: Vec<u8>,
    major: u32,
    minor: u32,
    pub(super) link_group: Option<u64>,
    pub(super) holes: Vec<Hole>,
    pub(super) changed_while_read: bool,
    pub(super) list: Option<Content>,
}

impl Extra {
    /// The full kind of an entry.
    pub(super) fn complete(&mut self, kind: Kind) -> EntryKind {
        match kind {
            Kind::File => EntryKind::File,
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink { target: std::mem::take(&mut self.target) },
            Kind::Fifo => EntryKind::Fifo,
            Kind::Socket => EntryKind::Socket,
            Kind::CharDevice => EntryKind::CharDevice { major: self.major, minor: self.minor },
            Kind::BlockDevice => EntryKind::BlockDevice { major: self.major, minor: self.minor },
            Kind::Stream => EntryKind::Stream,
        }
    }
}

/// Appends the message; nothing for most entries. The holes must be valid.
pub(super) fn encode(entry: &Entry, content: &Content, out: &mut Vec<u8>) {
    match &entry.kind {
        EntryKind::Symlink { target } => put_bytes(out, TARGET, target),
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            put_uint(out, MAJOR, u64::from(*major));
            put_uint(out, MINOR, u64::from(*minor));
        }
        _ => {}
    }
    if let Some(group) = entry.link_group {
        // Written also when it is 0: absent means no group.
        put_varint(out, u64::from(LINK_GROUP) << 3);
        put_varint(out, group);
    }
    if !entry.holes.is_empty() {
        let mut holes = Vec::with_capacity(entry.holes.len() * 6);
        let mut end = 0u64;
        for hole in &entry.holes {
            put_varint(&mut holes, hole.offset.wrapping_sub(end));
            put_varint(&mut holes, hole.length);
            end = hole.offset.wrapping_add(hole.length);
        }
        put_bytes(out, HOLES, &holes);
    }
    put_uint(out, FLAGS, if entry.changed_while_read { CHANGED_WHILE_READ } else { 0 });
    if let Content::List { id, levels, chunks } = content {
        let mut list = [0; ROOT_LEN];
        for (to, from) in list.iter_mut().zip(id.0.iter().chain([levels]).chain(&chunks.to_le_bytes())) {
            *to = *from;
        }
        put_bytes(out, LIST, &list);
    }
}

/// The fields of the message.
pub(super) fn fields(message: &[u8]) -> Result<Fields<'_>> {
    Fields::new(message, &[TARGET, MAJOR, MINOR, LINK_GROUP, HOLES, FLAGS, LIST])
}

/// Reads the message.
pub(super) fn decode(message: &[u8]) -> Result<Extra> {
    let mut extra = Extra::default();
    let mut fields = fields(message)?;
    while let Some((field, value)) = fields.next()? {
        match field {
            TARGET => extra.target = value.bytes()?.to_vec(),
            MAJOR => extra.major = value.u32()?,
            MINOR => extra.minor = value.u32()?,
            LINK_GROUP => extra.link_group = Some(value.uint()?),
            HOLES => extra.holes = decode_holes(value.bytes()?)?,
            FLAGS => extra.changed_while_read = value.uint()? & CHANGED_WHILE_READ != 0,
            LIST => extra.list = Some(decode_list(value.bytes()?)?),
            _ => {}
        }
    }
    Ok(extra)
}

fn decode_holes(mut bytes: &[u8]) -> Result<Vec<Hole>> {
    let mut holes = Vec::new();
    let mut end = 0u64;
    while !bytes.is_empty() {
        let gap = take_varint(&mut bytes)?;
        let length = take_varint(&mut bytes)?;
        let offset = end.checked_add(gap).ok_or_else(|| damaged("a hole is out of range"))?;
        end = offset.checked_add(length).ok_or_else(|| damaged("a hole is out of range"))?;
        holes.push(Hole { offset, length });
    }
    Ok(holes)
}

/// Reads a content list's root.
pub(super) fn decode_list(bytes: &[u8]) -> Result<Content> {
    let bytes: &[u8; ROOT_LEN] = bytes.try_into().map_err(|_| damaged("a content list's root has the wrong length"))?;
    let [id @ .., levels, c0, c1, c2, c3, c4, c5, c6, c7] = *bytes;
    Ok(Content::List { id: ChunkId(id), levels, chunks: u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]) })
}
