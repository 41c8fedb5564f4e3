use super::content::split_ids;
use super::references::of_extra;
use super::row::{Row, problem};
use super::{Content, MAX_ENTRY_BYTES, Reference, attributes, damaged, extra};
use crate::format::wire::{put_varint, take_bytes, take_varint};
use backup_core::{Entry, Error, ErrorKind, Result};

/// Appends an entry without its path, in a form that stands for itself: what [`TreeBuilder`](super::TreeBuilder) takes
/// and a scan cache keeps. It never reaches a storage and may change from version to version.
///
/// # Errors
/// `InvalidInput` for an entry that cannot be stored (over 1 MiB, holes out of order, content that does not fit its
/// size); `out` is as before then.
pub(crate) fn encode_body(entry: &Entry, content: &Content, out: &mut Vec<u8>) -> Result<()> {
    let invalid = |because: &'static str| {
        Error::new(ErrorKind::InvalidInput, "an entry cannot be stored")
            .context("entry", &entry.path)
            .context("because", because)
    };
    if let Some(problem) = problem(entry, entry.has_content(), content) {
        return Err(invalid(problem));
    }
    let start = out.len();
    if let Err(error) = append(entry, content, out) {
        out.truncate(start);
        return Err(error.context("entry", &entry.path));
    }
    if out.len() - start + entry.path.as_encoded().len() > MAX_ENTRY_BYTES {
        out.truncate(start);
        return Err(invalid("it is longer than 1 MiB"));
    }
    Ok(())
}

fn append(entry: &Entry, content: &Content, out: &mut Vec<u8>) -> Result<()> {
    with_length(out, |out| attributes::encode(entry, out))?;
    let (seconds, nanoseconds) = entry.metadata.mtime.map_or((0, 0), |mtime| (mtime.seconds, mtime.nanoseconds));
    put_varint(out, zigzag(seconds));
    put_varint(out, u64::from(nanoseconds));
    put_varint(out, entry.size_bytes.unwrap_or(0));
    with_length(out, |out| {
        extra::encode(entry, content, out);
        Ok(())
    })?;
    if let Content::Ids(ids) = content {
        for id in ids {
            out.extend_from_slice(&id.0);
        }
    }
    Ok(())
}

/// Appends what `write` appends behind its length.
fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let at = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - at - 1;
    if let (true, Some(place)) = (length < 0x80, out.get_mut(at)) {
        *place = length as u8;
        return Ok(());
    }
    let written = out.split_off(at + 1);
    out.truncate(at);
    put_varint(out, length as u64);
    out.extend_from_slice(&written);
    Ok(())
}

/// A body taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a> {
    pub(super) attributes: &'a [u8],
    pub(super) row: Row<'a>,
}

impl<'a> Body<'a> {
    /// Takes apart what [`encode_body`] made.
    ///
    /// # Errors
    /// `Damaged`.
    pub(crate) fn parse(mut body: &'a [u8]) -> Result<Self> {
        let length = take_varint(&mut body)?;
        let attributes = take_bytes(&mut body, length)?;
        let seconds = unzigzag(take_varint(&mut body)?);
        let nanoseconds = take_varint(&mut body)?;
        let size = take_varint(&mut body)?;
        let length = take_varint(&mut body)?;
        let extra = take_bytes(&mut body, length)?;
        let nanoseconds = u32::try_from(nanoseconds)
            .ok()
            .filter(|ns| *ns < 1_000_000_000)
            .ok_or_else(|| damaged("nanoseconds are out of range"))?;
        let _whole = split_ids(body)?;
        Ok(Body { attributes, row: Row { seconds, nanoseconds, size, extra, ids: body } })
    }

    /// The whole entry: pushes pass bodies on as they are.
    ///
    /// # Errors
    /// `Damaged`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn found(&self, path: backup_core::TreePath) -> Result<super::Found> {
        self.row.found(path, &attributes::decode(self.attributes)?)
    }

    /// What the entry refers to: its chunks, or the root of its content lists.
    ///
    /// # Errors
    /// `Damaged`; `each` may have seen some by then.
    pub(crate) fn references(&self, mut each: impl FnMut(Reference)) -> Result<()> {
        split_ids(self.row.ids)?.for_each(|id| each(Reference::Chunk(id)));
        of_extra(self.row.extra, &mut each)
    }
}

pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
