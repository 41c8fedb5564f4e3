use super::batch::Fetched;
use super::hands::Hands;
use crate::format::ids::ChunkId;
use crate::meta::{Content, ListBuilder, MAX_INLINE_CHUNKS, content_bytes};
use backup_core::{Entry, Error, ErrorKind, FileReader, Result};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// How much is read at once beyond the longest chunk.
const READ_AHEAD: usize = 1 << 20;

/// A change less than this before a read may hide behind an unchanged time stamp.
const SETTLING_NS: i64 = 2_000_000_000;

/// A chunk's name and length.
pub(crate) type Chunk = (ChunkId, u32);

/// Reads content to its end, cuts it, stores what is new, and gives the chunks and the bytes read.
pub(crate) fn read_chunks(
    hands: &mut Hands<'_>,
    size_hint: Option<u64>,
    read: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
) -> Result<(Vec<Chunk>, u64)> {
    let mut buffer = hands.take_buffer();
    let result = read_into(hands, &mut buffer, size_hint, read);
    hands.return_buffer(buffer);
    result
}

fn read_into(
    hands: &mut Hands<'_>,
    buffer: &mut Vec<u8>,
    size_hint: Option<u64>,
    read: &mut dyn FnMut(&mut [u8]) -> Result<usize>,
) -> Result<(Vec<Chunk>, u64)> {
    let max_chunk = hands.shared.chunker.max();
    let full = max_chunk + READ_AHEAD;
    // A small file needs a small buffer only; one byte more shows its end.
    let hint = size_hint.and_then(|size| usize::try_from(size).ok()).unwrap_or(full).saturating_add(1).min(full);
    if buffer.len() < hint {
        buffer.resize(hint, 0);
    }
    let (mut filled, mut at_end) = (0, false);
    let mut chunks = Vec::new();
    let mut total = 0u64;
    loop {
        while !at_end && filled < buffer.len() {
            let got = read(buffer.get_mut(filled..).unwrap_or_default())?;
            at_end = got == 0;
            filled += got;
            total += got as u64;
        }
        let mut content = buffer.get(..filled).unwrap_or_default();
        while !content.is_empty()
            && let Some(length) = hands.shared.chunker.cut(content, at_end)
        {
            let (chunk, rest) = content.split_at_checked(length).unwrap_or((content, &[]));
            chunks.push((hands.chunk(chunk)?, length as u32));
            content = rest;
        }
        if at_end {
            return Ok((chunks, total));
        }
        let left = content.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
        if filled == buffer.len() {
            // It is longer than it said.
            buffer.resize(full, 0);
        }
    }
}

/// The content's form in the metadata, and the chunks and list blocks that its own form does not name.
pub(crate) fn describe(hands: &Hands<'_>, chunks: &[Chunk]) -> Result<(Content, Vec<ChunkId>)> {
    let ids = chunks.iter().map(|(id, _)| *id).collect();
    if chunks.len() <= MAX_INLINE_CHUNKS {
        return Ok((Content::Ids(ids), Vec::new()));
    }
    let mut refs = ids;
    let mut store = |block: Vec<u8>| {
        let id = hands.shared.metadata.put(block)?;
        refs.push(id);
        Ok(id)
    };
    let mut list = ListBuilder::new();
    for (id, length) in chunks {
        list.push(*id, *length, &mut store)?;
    }
    let content = list.finish(&mut store)?;
    Ok((content, refs))
}

/// Reads one open file; an error of the file's own is an answer, not a failure of the push.
pub(crate) fn read_file(
    hands: &mut Hands<'_>,
    listed: &Entry,
    open: Result<Box<dyn FileReader>>,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Fetched> {
    let started = now_ns();
    let mut reader = match open {
        Ok(reader) => reader,
        Err(error) => return Ok(Fetched::Failed(error.full_message())),
    };
    let (mut own_error, mut given_up) = (None, false);
    let read = read_chunks(hands, listed.size_bytes, &mut |buffer| {
        given_up = !is_wanted();
        if given_up {
            return Err(Error::new(ErrorKind::Cancelled, "the push was given up"));
        }
        reader.read(buffer).inspect_err(|error| own_error = Some(error.full_message()))
    });
    let (chunks, bytes) = match (read, own_error) {
        (Ok(read), _) => read,
        (Err(_), _) if given_up => return Ok(Fetched::GivenUp),
        (Err(_), Some(reason)) => return Ok(Fetched::Failed(reason)),
        (Err(error), None) => return Err(error),
    };
    hands.shared.stats.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    let entry = match reader.finish(listed, bytes) {
        Ok(entry) => entry,
        Err(error) => return Ok(Fetched::Failed(error.full_message())),
    };
    // Readers go by the size.
    if content_bytes(&entry) != bytes {
        return Ok(Fetched::Failed("its size is not that of what was read".into()));
    }
    hands.is_torn = true;
    let (content, refs) = describe(hands, &chunks)?;
    hands.is_torn = false;
    let settled = entry.fingerprint.is_some_and(|f| f.changed_ns.saturating_add(SETTLING_NS) <= started);
    Ok(Fetched::Read { entry: Box::new(entry), content, refs, settled })
}

pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
