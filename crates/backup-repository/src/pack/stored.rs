use super::footer::{Footer, MAX_FOOTER};
use super::frame::{Header, parse_header, parse_trailer};
use super::writer::FinishedPack;
use super::{HEADER_LEN, TRAILER_LEN};
use crate::format::ids::PackName;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result, StorageExt};

/// Bytes of a pack's end that are read at first: the footer of a pack of large chunks is in it.
const TAIL_GUESS: u64 = 64 << 10;

/// What a stored pack of `length` bytes says of itself: its header, and all that a run says of it. Its segments are not
/// read.
///
/// # Errors
/// `Damaged` when it is cut, or not what its name promises; else what the storage said.
pub(crate) async fn read_stored(inner: &Inner, name: PackName, length: u64) -> Result<(Header, FinishedPack)> {
    let damaged = |because: &'static str| {
        Error::new(ErrorKind::Damaged, "a pack is damaged").context("pack", name).context("because", because)
    };
    let key = name.key()?;
    let end = TRAILER_LEN as u64;
    let longest = length.checked_sub(HEADER_LEN as u64 + end).ok_or_else(|| damaged("it is too short"))?;
    let start = inner.storage.get_range(&key, 0..HEADER_LEN as u64).await?;
    let header = parse_header(&start)?;
    let from = length - length.min(TAIL_GUESS);
    let mut tail = inner.storage.get_range(&key, from..length).await?;
    let (footer_len, hash) = parse_trailer(&tail).ok_or_else(|| damaged("it does not end as a pack does"))?;
    let footer_len = u64::from(footer_len);
    if footer_len > longest.min(MAX_FOOTER as u64) {
        return Err(damaged("its footer's length does not fit"));
    }
    let sealed = if footer_len + end <= tail.len() as u64 {
        tail.truncate(tail.len() - TRAILER_LEN);
        tail.split_off(tail.len() - footer_len as usize)
    } else {
        inner.storage.get_range(&key, length - end - footer_len..length - end).await?
    };
    let footer = Footer::open(&inner.keys.index, &inner.config.repository, &name, &start, length, sealed)?;
    let pack = FinishedPack { name, identity: header.identity, length, hash, wrapped: header.wrapped, footer };
    Ok((header, pack))
}

/// The domain that a stored pack says it is of. Its footer opens with that domain's key or not at all.
///
/// # Errors
/// `Damaged` when it does not begin as a pack does; else what the storage said.
pub(crate) async fn domain_of(inner: &Inner, name: PackName) -> Result<u32> {
    let header = inner.storage.get_range(&name.key()?, 0..HEADER_LEN as u64).await?;
    Ok(parse_header(&header).map_err(|e| e.context("pack", name))?.domain)
}
