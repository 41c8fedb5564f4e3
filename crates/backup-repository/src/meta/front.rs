//! Paths of a block in order, each as its difference from the one before.

use super::damaged;
use crate::format::wire::{put_varint, take_bytes, take_varint};
use backup_core::{MAX_PATH_BYTES, Result};

/// Bytes that two paths have in common at their start.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(words * 8);
    words * 8 + rest.take_while(|(a, b)| a == b).count()
}

/// Appends `path`: bytes that are dropped from the end of `previous`, bytes that follow, these bytes.
pub(super) fn put(out: &mut Vec<u8>, previous: &[u8], path: &[u8]) {
    let shared = shared(previous, path);
    let rest = path.get(shared..).unwrap_or_default();
    put_varint(out, (previous.len() - shared) as u64);
    put_varint(out, rest.len() as u64);
    out.extend_from_slice(rest);
}

/// Turns `path`, the one before, into the next, which must be greater; the first (`is_first`) may be anything.
pub(super) fn take(input: &mut &[u8], path: &mut Vec<u8>, is_first: bool) -> Result<()> {
    let dropped = take_varint(input)?;
    let length = take_varint(input)?;
    let rest = take_bytes(input, length)?;
    let kept = usize::try_from(dropped).ok().and_then(|dropped| path.len().checked_sub(dropped));
    let kept = kept.ok_or_else(|| damaged("a path drops more than there is"))?;
    if !is_first && path.get(kept..).is_none_or(|dropped| rest <= dropped) {
        return Err(damaged("paths are not in order"));
    }
    if kept + rest.len() > MAX_PATH_BYTES {
        return Err(damaged("a path is too long"));
    }
    path.truncate(kept);
    path.extend_from_slice(rest);
    Ok(())
}
