use super::entries::Listed;
use super::runs::{Run, runs};
use crate::layers::reader;
use backup_core::{Error, ErrorKind, Reader, Result};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::iter;

/// Runs that are asked for at once: the one that is read, and the next.
const AHEAD: usize = 2;
/// A hole is given in parts of this many zero bytes.
const ZEROS: u64 = 256 << 10;
static BLANK: [u8; ZEROS as usize] = [0; ZEROS as usize];

/// What a stream is made of.
enum Part {
    Zeros(u64),
    Data(Run),
}

/// One entry's content from first to last, holes as zeros.
pub(crate) fn stream(listed: &Listed, number: u64) -> Result<Reader> {
    let entry = listed
        .batch
        .get(number)
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the entry is not in the batch").context("entry", number))?;
    let data = listed.placed(number).map(|placed| runs(entry, placed)).into_iter().flatten();
    let size = entry.size_bytes.unwrap_or(0);
    let mut written = 0;
    let parts = data.map(Some).chain([None]).flat_map(move |run| {
        let at = run.as_ref().map_or(size, |run| run.file);
        let gap = written..at;
        written = at + run.as_ref().map_or(0, |run| run.bytes.len() as u64);
        zeros(gap.end.saturating_sub(gap.start)).chain(run.map(Part::Data))
    });
    let pieces = listed.pieces.clone();
    let bytes = stream::iter(parts).map(move |part| {
        let pieces = pieces.clone();
        async move {
            match part {
                Part::Zeros(count) => Ok(Bytes::from_static(&BLANK).slice(..count as usize)),
                // Goes on while nobody polls.
                Part::Data(run) => tokio::spawn(async move { Ok(pieces.get(run.piece).await?.slice(run.bytes)) })
                    .await
                    .map_err(|e| Error::new(ErrorKind::Internal, "a pull panicked: please report").source(e))?,
            }
        }
    });
    Ok(reader(bytes.buffered(AHEAD).map(|bytes: Result<Bytes>| bytes.map_err(std::io::Error::from))))
}

fn zeros(count: u64) -> impl Iterator<Item = Part> {
    let mut left = count;
    iter::from_fn(move || {
        let part = left.min(ZEROS);
        left -= part;
        (part > 0).then_some(Part::Zeros(part))
    })
}
