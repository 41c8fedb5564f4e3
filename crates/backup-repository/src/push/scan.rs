//! The previous listing, kept locally: what lets a push leave unchanged files unread. Disposable: damage or loss costs
//! reading, never correctness, so every block carries a checksum and reading stops at the first that is wrong. Of an
//! interrupted push the blocks so far stay.
//!
//! `"BKUPSCN1" ‖ tag (16)`, then blocks: length (4) ‖ XXH3-128 of what follows (16) ‖ zstd frame of records. A record:
//! shared path bytes (varint) ‖ rest of the path (varint length, bytes) ‖ flags (1) ‖ token (32, if trusted) ‖ body ‖ references.

use super::listings::unfinished;
use crate::format::ids::{CHUNK_ID_LEN, ChunkId, SessionId};
use crate::format::wire::{put_varint, take_bytes, take_varint};
use backup_core::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_128;

const MAGIC: &[u8; 8] = b"BKUPSCN1";
const BLOCK_LEN: usize = 256 << 10;
/// A block is written after this long even if it is not full: what a push that is killed has to read again.
const MAX_WAIT: Duration = Duration::from_secs(10);
const MAX_BLOCK: usize = 64 << 20;
const TRUSTED: u8 = 1;

/// One entry of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) path: Vec<u8>,
    /// Absent when the entry was read too soon after its last change, or changed meanwhile.
    pub(crate) token: Option<[u8; 32]>,
    /// The encoded entry without its path.
    pub(crate) body: Vec<u8>,
    /// Chunks and list blocks of a long content.
    pub(crate) refs: Vec<ChunkId>,
}

/// Writes a listing beside the old one; [`ScanWriter::finish`] puts it in its place. Dropped before, it stays as a prefix.
pub(crate) struct ScanWriter {
    /// Locked until this is dropped.
    file: File,
    path: PathBuf,
    target: PathBuf,
    replaces: Vec<PathBuf>,
    is_empty: bool,
    is_finished: bool,
    flushed: Instant,
    plain: Vec<u8>,
    previous_path: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
}

fn failed(e: std::io::Error) -> Error {
    Error::io("cannot write the cache of the listing", e)
}

impl ScanWriter {
    /// Of this session, whose id is the listing's tag; it is to replace `target` and the prefixes `replaces`.
    pub(crate) fn create(target: &Path, session: SessionId, replaces: Vec<PathBuf>) -> Result<Self> {
        let folder = target.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let path = unfinished(target, &session);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        // Locked before it has its name, so that nobody takes it for an interrupted push's.
        file.as_file().try_lock().map_err(|e| failed(e.into()))?;
        file.write_all(MAGIC).and_then(|()| file.write_all(&session.0)).map_err(failed)?;
        let file = file.persist(&path).map_err(|e| failed(e.error))?;
        Ok(ScanWriter {
            file,
            path,
            target: target.to_owned(),
            replaces,
            is_empty: true,
            is_finished: false,
            flushed: Instant::now(),
            plain: Vec::with_capacity(BLOCK_LEN + 4096),
            previous_path: Vec::new(),
            zstd: zstd::bulk::Compressor::new(1).map_err(failed)?,
        })
    }

    pub(crate) fn push(&mut self, path: &[u8], token: Option<&[u8; 32]>, body: &[u8], refs: &[ChunkId]) -> Result<()> {
        self.is_empty = false;
        // Each block stands alone: its first path is whole.
        let shared = self.previous_path.iter().zip(path).take_while(|(a, b)| a == b).count();
        let out = &mut self.plain;
        put_varint(out, shared as u64);
        let rest = path.get(shared..).unwrap_or_default();
        put_varint(out, rest.len() as u64);
        out.extend_from_slice(rest);
        out.push(if token.is_some() { TRUSTED } else { 0 });
        out.extend_from_slice(token.map_or(&[][..], |t| t));
        put_varint(out, body.len() as u64);
        out.extend_from_slice(body);
        put_varint(out, refs.len() as u64);
        refs.iter().for_each(|id| out.extend_from_slice(&id.0));
        self.previous_path.clear();
        self.previous_path.extend_from_slice(path);
        if self.plain.len() >= BLOCK_LEN || self.flushed.elapsed() >= MAX_WAIT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.plain.is_empty() {
            let frame = self.zstd.compress(&self.plain).map_err(failed)?;
            self.file.write_all(&(frame.len() as u32).to_le_bytes()).map_err(failed)?;
            self.file.write_all(&xxh3_128(&frame).to_le_bytes()).map_err(failed)?;
            self.file.write_all(&frame).map_err(failed)?;
            self.plain.clear();
            self.previous_path.clear();
            self.flushed = Instant::now();
        }
        Ok(())
    }

    /// Puts the listing in the place of the old one.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        std::fs::rename(&self.path, &self.target).map_err(failed)?;
        self.is_finished = true;
        // Where one stays, it costs the next push a look.
        self.replaces.iter().for_each(|prefix| _ = std::fs::remove_file(prefix));
        Ok(())
    }
}

impl Drop for ScanWriter {
    fn drop(&mut self) {
        if !self.is_finished && (self.is_empty || self.flush().is_err()) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Reads a listing in order.
pub(crate) struct ScanReader {
    file: BufReader<File>,
    pub(crate) tag: [u8; 16],
    plain: Vec<u8>,
    at: usize,
    zstd: zstd::bulk::Decompressor<'static>,
    path: Vec<u8>,
    /// Damage was met: nothing more is believed.
    pub(crate) damaged: bool,
}

impl ScanReader {
    /// None when it is not a listing.
    pub(crate) fn new(file: File) -> Option<Self> {
        let mut file = BufReader::with_capacity(256 << 10, file);
        let mut head = [0; 24];
        file.read_exact(&mut head).ok()?;
        let (magic, tag) = head.split_first_chunk::<8>()?;
        (magic == MAGIC).then_some(())?;
        Some(ScanReader {
            file,
            tag: tag.try_into().ok()?,
            plain: Vec::new(),
            at: 0,
            zstd: zstd::bulk::Decompressor::new().ok()?,
            path: Vec::new(),
            damaged: false,
        })
    }

    /// The next record; none at the end, and from the first damage on.
    pub(crate) fn next(&mut self) -> Option<Record> {
        if self.damaged {
            return None;
        }
        if self.at == self.plain.len() {
            match self.load() {
                Some(true) => {}
                Some(false) => return None,
                None => {
                    self.damaged = true;
                    return None;
                }
            }
        }
        let mut input = self.plain.get(self.at..).unwrap_or_default();
        let before = input.len();
        match parse(&mut input, &mut self.path) {
            Ok(record) => {
                self.at += before - input.len();
                Some(record)
            }
            Err(_) => {
                self.damaged = true;
                None
            }
        }
    }

    /// Loads the next block: false at the end, none when it is damaged.
    fn load(&mut self) -> Option<bool> {
        let mut head = [0; 20];
        match self.file.read(&mut head).ok()? {
            0 => return Some(false),
            n => self.file.read_exact(head.get_mut(n..)?).ok()?,
        }
        let (length, sum) = head.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        (length <= MAX_BLOCK).then_some(())?;
        let mut frame = vec![0; length];
        self.file.read_exact(&mut frame).ok()?;
        (xxh3_128(&frame) == u128::from_le_bytes(*sum.first_chunk()?)).then_some(())?;
        let plain_len = zstd::zstd_safe::get_frame_content_size(&frame).ok()??;
        (plain_len <= MAX_BLOCK as u64).then_some(())?;
        self.plain = self.zstd.decompress(&frame, plain_len as usize).ok()?;
        self.at = 0;
        self.path.clear();
        Some(!self.plain.is_empty())
    }
}

fn parse(input: &mut &[u8], path: &mut Vec<u8>) -> Result<Record> {
    let shared = take_varint(input)?;
    path.truncate(usize::try_from(shared).unwrap_or(usize::MAX));
    let rest_len = take_varint(input)?;
    path.extend_from_slice(take_bytes(input, rest_len)?);
    let flags = take_bytes(input, 1)?;
    let token =
        if flags.first().is_some_and(|f| f & TRUSTED != 0) { take_bytes(input, 32)?.try_into().ok() } else { None };
    let body_len = take_varint(input)?;
    let body = take_bytes(input, body_len)?.to_vec();
    let count = take_varint(input)?;
    let refs = take_bytes(input, count.saturating_mul(CHUNK_ID_LEN as u64))?;
    let refs = refs.as_chunks::<CHUNK_ID_LEN>().0.iter().map(|id| ChunkId(*id)).collect();
    Ok(Record { path: path.clone(), token, body, refs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        (0u32..20_000)
            .map(|i| Record {
                path: format!("dir/{i:08}").into_bytes(),
                token: (i % 3 != 0).then_some([i as u8; 32]),
                body: vec![i as u8; (i % 50) as usize],
                refs: (0..i % 2).map(|_| ChunkId([7; 20])).collect(),
            })
            .collect()
    }

    fn write(path: &Path) {
        let mut writer = ScanWriter::create(path, SessionId([9; 16]), Vec::new()).unwrap();
        for r in records() {
            writer.push(&r.path, r.token.as_ref(), &r.body, &r.refs).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn comes_back_and_damage_only_shortens_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan");
        write(&path);
        let read = |path: &Path| {
            let mut reader = ScanReader::new(File::open(path).ok()?)?;
            let mut all = Vec::new();
            while let Some(record) = reader.next() {
                all.push(record);
            }
            Some((all, reader.damaged))
        };
        assert_eq!(read(&path).unwrap(), (records(), false));
        let bytes = std::fs::read(&path).unwrap();
        for at in (24..bytes.len()).step_by(977) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            std::fs::write(&path, &flipped).unwrap();
            let (some, damaged) = read(&path).unwrap();
            assert!(damaged && some.len() < 20_000);
            assert_eq!(some, records()[..some.len()]);
        }
        std::fs::write(&path, &bytes[..10]).unwrap();
        assert!(read(&path).is_none());
    }
}
