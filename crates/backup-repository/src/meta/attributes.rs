//! What many entries have in common: kind, mode, owner, extended attributes. A leaf stores each such message once.

use super::damaged;
use crate::format::wire::{Fields, put_bytes, put_uint};
use backup_core::{Entry, EntryKind, Error, ErrorKind, Metadata, Result};
use std::collections::BTreeMap;

const KIND: u32 = 1;
const MODE: u32 = 2;
const UID: u32 = 3;
const GID: u32 = 4;
const USER: u32 = 5;
const GROUP: u32 = 6;
const XATTR: u32 = 7;
const UNKNOWN: u32 = 8;

const XATTR_NAME: u32 = 1;
const XATTR_VALUE: u32 = 2;
/// Ids of the chunks of a value that a later version keeps in chunks.
const XATTR_CHUNKS: u32 = 3;

const UNKNOWN_MTIME: u64 = 1;
const UNKNOWN_SIZE: u64 = 2;

const MAX_MODE: u32 = 0o7777;

/// An entry's kind without what belongs to one entry alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File = 1,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
    Stream,
}

impl Kind {
    pub(super) fn has_content(self) -> bool {
        matches!(self, Kind::File | Kind::Stream)
    }

    fn of(kind: &EntryKind) -> Option<Self> {
        Some(match kind {
            EntryKind::File => Kind::File,
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink { .. } => Kind::Symlink,
            EntryKind::Fifo => Kind::Fifo,
            EntryKind::Socket => Kind::Socket,
            EntryKind::CharDevice { .. } => Kind::CharDevice,
            EntryKind::BlockDevice { .. } => Kind::BlockDevice,
            EntryKind::Stream => Kind::Stream,
            _ => return None,
        })
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Kind::File,
            2 => Kind::Directory,
            3 => Kind::Symlink,
            4 => Kind::Fifo,
            5 => Kind::Socket,
            6 => Kind::CharDevice,
            7 => Kind::BlockDevice,
            8 => Kind::Stream,
            _ => return None,
        })
    }
}

/// The decoded message.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) kind: Kind,
    /// Without mtime.
    pub(super) metadata: Metadata,
    pub(super) has_mtime: bool,
    pub(super) has_size: bool,
    /// Bytes of the message.
    pub(super) encoded_len: usize,
}

/// Appends the message for an entry.
pub(super) fn encode(entry: &Entry, out: &mut Vec<u8>) -> Result<()> {
    let metadata = &entry.metadata;
    let kind = Kind::of(&entry.kind)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, "this kind of entry cannot be stored"))?;
    if metadata.mode.is_some_and(|mode| mode > MAX_MODE) {
        return Err(Error::new(ErrorKind::InvalidInput, "a mode has more than permission bits"));
    }
    put_uint(out, KIND, kind as u64);
    for (field, number) in [(MODE, metadata.mode), (UID, metadata.uid), (GID, metadata.gid)] {
        put_uint(out, field, number.map_or(0, |n| u64::from(n) + 1));
    }
    for (field, name) in [(USER, &metadata.user), (GROUP, &metadata.group)] {
        if let Some(name) = name {
            put_bytes(out, field, name);
        }
    }
    let mut pair = Vec::new();
    for (name, value) in &metadata.xattrs {
        pair.clear();
        put_bytes(&mut pair, XATTR_NAME, name);
        put_bytes(&mut pair, XATTR_VALUE, value);
        put_bytes(out, XATTR, &pair);
    }
    let no_mtime = if metadata.mtime.is_none() { UNKNOWN_MTIME } else { 0 };
    let no_size = if entry.size_bytes.is_none() { UNKNOWN_SIZE } else { 0 };
    put_uint(out, UNKNOWN, no_mtime | no_size);
    Ok(())
}

/// Reads the message.
///
/// # Errors
/// `Damaged`; `Unsupported` for what a newer version wrote, which concerns its entries only.
pub(super) fn decode(message: &[u8]) -> Result<Attributes> {
    let mut kind = 0;
    let mut unknown = 0;
    let mut metadata = Metadata::default();
    let mut fields = Fields::new(message, &[KIND, MODE, UID, GID, USER, GROUP, UNKNOWN])?;
    while let Some((field, value)) = fields.next()? {
        match field {
            KIND => kind = value.uint()?,
            MODE => metadata.mode = less_one(value.uint()?)?,
            UID => metadata.uid = less_one(value.uint()?)?,
            GID => metadata.gid = less_one(value.uint()?)?,
            USER => metadata.user = Some(value.bytes()?.to_vec()),
            GROUP => metadata.group = Some(value.bytes()?.to_vec()),
            XATTR => decode_xattr(value.bytes()?, &mut metadata.xattrs)?,
            UNKNOWN => unknown = value.uint()?,
            _ => {}
        }
    }
    if metadata.mode.is_some_and(|mode| mode > MAX_MODE) {
        return Err(damaged("a mode is out of range"));
    }
    Ok(Attributes {
        kind: Kind::from_number(kind).ok_or_else(|| damaged("an unknown kind of entry"))?,
        metadata,
        has_mtime: unknown & UNKNOWN_MTIME == 0,
        has_size: unknown & UNKNOWN_SIZE == 0,
        encoded_len: message.len(),
    })
}

fn less_one(stored: u64) -> Result<Option<u32>> {
    match stored.checked_sub(1) {
        None => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| damaged("a number is too large")),
    }
}

fn decode_xattr(message: &[u8], xattrs: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<()> {
    let (mut name, mut content) = (&[][..], &[][..]);
    let mut fields = Fields::new(message, &[XATTR_NAME, XATTR_VALUE, XATTR_CHUNKS])?;
    while let Some((field, value)) = fields.next()? {
        match field {
            XATTR_NAME => name = value.bytes()?,
            XATTR_VALUE => content = value.bytes()?,
            XATTR_CHUNKS => {
                let newer = "an extended attribute is of a newer version: a newer backup is needed";
                return Err(Error::new(ErrorKind::Unsupported, newer));
            }
            _ => {}
        }
    }
    if xattrs.last_key_value().is_some_and(|(last, _)| last.as_slice() >= name) {
        return Err(damaged("extended attributes are not sorted"));
    }
    xattrs.insert(name.to_vec(), content.to_vec());
    Ok(())
}
