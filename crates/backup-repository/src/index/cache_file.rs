//! The file that keeps a run's image locally: a header page, the image, the tail as it is stored in the object.
//!
//! The image may have holes. A page's checksum tells whether it is there: absent, damaged and torn pages are the same
//! thing, and are fetched again.

use super::footer::MAX_FOOTER;
use super::layout::PAGE;
use super::page::Page;
use super::seal::{NAME_LEN, name_bytes};
use crate::format::ids::{RepositoryId, RunName};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: &[u8; 8] = b"BKUPIDX1";
/// The header's place, and the image's.
const HEADER_AT: u64 = 0;
const IMAGE_AT: u64 = PAGE as u64;
const HASH: usize = 32;
/// Bytes of the header: magic, repository, run, whether it is complete, lengths of image and tail, the tail's hash,
/// and the hash of all that.
const HEADER_LEN: usize = 8 + 16 + NAME_LEN + 1 + 8 + 4 + HASH + HASH;

/// Which run a file belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) repository: RepositoryId,
    pub(super) name: RunName,
}

fn header(owner: &Owner, complete: bool, image_len: u64, tail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&owner.repository.0);
    out.extend_from_slice(&name_bytes(owner.name));
    out.push(u8::from(complete));
    out.extend_from_slice(&image_len.to_le_bytes());
    out.extend_from_slice(&(tail.len() as u32).to_le_bytes());
    out.extend_from_slice(blake3::hash(tail).as_bytes());
    let hash = blake3::hash(&out);
    out.extend_from_slice(hash.as_bytes());
    out
}

/// Writes what makes a file of an image a cache file. The image may be there already, or come later.
pub(super) fn write_frame(file: &File, owner: &Owner, complete: bool, image_len: u64, tail: &[u8]) -> io::Result<()> {
    file.set_len(IMAGE_AT + image_len)?;
    file.write_all_at(tail, IMAGE_AT + image_len)?;
    file.write_all_at(&header(owner, complete, image_len, tail), HEADER_AT)
}

/// A file's claims, after its header and tail were found intact.
pub(super) struct Frame {
    pub(super) complete: bool,
    pub(super) image_len: u64,
    pub(super) tail: Vec<u8>,
}

/// Reads them; none when the file is damaged, or another's.
pub(super) fn read_frame(file: &File, owner: &Owner) -> io::Result<Option<Frame>> {
    let mut stored = [0; HEADER_LEN];
    if file.metadata()?.len() < IMAGE_AT {
        return Ok(None);
    }
    file.read_exact_at(&mut stored, HEADER_AT)?;
    let lengths = stored.get(8 + 16 + NAME_LEN..).and_then(|rest| {
        let (complete, rest) = rest.split_first()?;
        let (image_len, rest) = rest.split_first_chunk::<8>()?;
        let (tail_len, _) = rest.split_first_chunk::<4>()?;
        Some((*complete == 1, u64::from_le_bytes(*image_len), u32::from_le_bytes(*tail_len) as usize))
    });
    let Some((complete, image_len, tail_len)) = lengths else { return Ok(None) };
    let end = IMAGE_AT.checked_add(image_len).and_then(|at| at.checked_add(tail_len as u64));
    if tail_len > MAX_FOOTER + PAGE || end != Some(file.metadata()?.len()) {
        return Ok(None);
    }
    let mut tail = vec![0; tail_len];
    file.read_exact_at(&mut tail, IMAGE_AT + image_len)?;
    let intact = header(owner, complete, image_len, &tail) == stored;
    Ok(intact.then_some(Frame { complete, image_len, tail }))
}

/// Notes that the whole image is there. It is a hint: what is missing all the same is fetched when it is missed.
pub(super) fn set_complete(file: &File, owner: &Owner, image_len: u64) -> io::Result<()> {
    match read_frame(file, owner)? {
        Some(frame) if frame.image_len == image_len => {
            file.write_all_at(&header(owner, true, image_len, &frame.tail), HEADER_AT)
        }
        _ => Ok(()),
    }
}

/// Reads a page, which may hold anything.
pub(super) fn read_page(file: &File, number: u32, page: &mut Page) -> io::Result<()> {
    file.read_exact_at(page, IMAGE_AT + u64::from(number) * PAGE as u64)
}

/// Writes part of the image, from byte `at` of it.
pub(super) fn write_image(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, IMAGE_AT + at)
}
