//! The parsers of index runs and of their local copies, for fuzzing.

use super::blocks::{BlockTable, MAGIC};
use super::cache_file::{self, Owner};
use super::footer::{Footer, TailEnd, find_tail};
use super::layout::{Layout, PAGE_ITEMS, PAGES_PER_BLOCK};
use super::page::push_page;
use super::reader::RunReader;
use super::record::SegmentRecord;
use super::seal::{BlockSealer, RunKeys, RunSeal};
use super::{Answer, IndexCache, IndexSet, Merger, Need};
use crate::crypto::{SignerId, VerifyingKey};
use crate::format::ids::{ChunkId, Kind};
use crate::fuzzing::{Keys, keys};
use crate::repository::Inner;
use backup_core::{Result, Silent};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often a question is asked again.
const PATIENCE: usize = 200;
/// How many answers are taken.
const ENOUGH: usize = 2000;

fn cache(keys: &Keys, folder: Option<PathBuf>) -> Arc<IndexCache> {
    IndexCache::new(keys.repository, folder, None, 0, Arc::new(Silent))
}

fn seal(keys: &Keys) -> Result<RunSeal> {
    RunSeal::new(keys.repository, keys.index(), keys.run())
}

fn run_keys(keys: &Keys, domain: u32) -> RunKeys {
    RunKeys::new(keys.repository, [(domain, keys.index())].into_iter(), keys.run())
}

fn signer(keys: &Keys) -> impl Fn(&SignerId) -> Option<VerifyingKey> {
    let key = keys.verifying;
    move |signer| (*signer == key.id()).then_some(key)
}

/// The end of an object.
pub(crate) fn tail(data: &[u8]) {
    let Some(keys) = keys() else { return };
    let length = data.len() as u64;
    for object_len in [length, length + 100, u64::MAX] {
        if let Ok(TailEnd::Whole(tail)) = find_tail(data, object_len)
            && let Some(tail) = data.get(data.len() - tail..)
        {
            let _ = RunReader::from_tail(&cache(keys, None), run_keys(keys, 0), tail, object_len, &signer(keys));
        }
    }
}

/// A footer's message: the run has no block that opens.
pub(crate) fn footer(data: &[u8]) {
    let Some(keys) = keys() else { return };
    let Ok(parsed) = Footer::parse(data) else { return };
    let Ok(tail) = seal(keys).and_then(|seal| parsed.seal(&seal, &keys.signing)) else { return };
    let object_len = parsed.blocks.end() + tail.len() as u64;
    let of = run_keys(keys, parsed.domain);
    let run = RunReader::from_tail(&cache(keys, None), of, &tail, object_len, &signer(keys));
    if let Ok(run) = run {
        ask(run, &[]);
    }
}

/// Numbers of rows, segments and packs (4 each) ‖ the items of all pages, as long as they last.
pub(crate) fn pages(data: &[u8]) {
    let Some((keys, object, tail)) = keys().and_then(|keys| forge(keys, data, None)) else { return };
    if let Some(run) = open(keys, &object, &tail, None) {
        ask(run, &object);
    }
}

/// Flags and number of a block (1 each) ‖ what stands in its place: the other blocks are whole.
pub(crate) fn block(data: &[u8]) {
    let Some((head, content)) = data.split_first_chunk::<2>() else { return };
    let blank = [[40, 1, 0, 0], [3, 0, 0, 0], [2, 0, 0, 0]].concat();
    let Some((keys, object, tail)) = keys().and_then(|keys| forge(keys, &blank, Some((*head, content)))) else {
        return;
    };
    if let Some(run) = open(keys, &object, &tail, None) {
        ask(run, &object);
    }
}

/// An object whose pages hold these items, and the length of its tail.
fn forge(
    keys: &'static Keys,
    data: &[u8],
    instead: Option<([u8; 2], &[u8])>,
) -> Option<(&'static Keys, Vec<u8>, usize)> {
    let (counts, mut items) = data.split_first_chunk::<12>()?;
    let mut counts = counts.as_chunks::<4>().0.iter().map(|count| u64::from(u32::from_le_bytes(*count) % 3000));
    let layout = Layout::new(counts.next()?, counts.next()?, counts.next()?).ok()?;
    let (seal, mut sealer, mut table) = (seal(keys).ok()?, BlockSealer::new().ok()?, BlockTable::new());
    let (mut object, mut plain, mut sealed) = (MAGIC.to_vec(), Vec::new(), Vec::new());
    for page in 0..layout.page_count() {
        let (own, rest) = items.split_at_checked(PAGE_ITEMS).unwrap_or((items, &[]));
        items = rest;
        push_page(&mut plain, own, page);
        if (page + 1) % PAGES_PER_BLOCK == 0 || page + 1 == layout.page_count() {
            let number = page / PAGES_PER_BLOCK;
            let entry = match instead {
                Some(([flags, at], content)) if u32::from(at) % layout.block_count() == number => {
                    sealer.seal_as(&seal, flags, plain.len(), content, &mut sealed).ok()?
                }
                _ => sealer.seal(&seal, &plain, &mut sealed).ok()?,
            };
            table.push(&entry);
            object.extend_from_slice(&sealed);
            plain.clear();
        }
    }
    let (first, last) = (ChunkId([0; 20]), ChunkId([255; 20]));
    let footer = Footer { kind: Kind::Data, domain: 0, layout, blocks: table, replaces: Vec::new(), first, last };
    let tail = footer.seal(&seal, &keys.signing).ok()?;
    object.extend_from_slice(&tail);
    Some((keys, object, tail.len()))
}

fn open(keys: &Keys, object: &[u8], tail: &usize, folder: Option<PathBuf>) -> Option<RunReader> {
    let tail = object.get(object.len().checked_sub(*tail)?..)?;
    RunReader::from_tail(&cache(keys, folder), run_keys(keys, 0), tail, object.len() as u64, &signer(keys)).ok()
}

fn provide(set: &IndexSet, needs: &[Need], object: &[u8]) -> bool {
    needs.iter().all(|need| {
        let range = usize::try_from(need.range.start).ok().zip(usize::try_from(need.range.end).ok());
        let sealed = range.and_then(|(start, end)| object.get(start..end)).unwrap_or(&[]);
        set.provide(need, sealed.to_vec()).is_ok()
    })
}

/// What a question comes to, if it comes to anything.
#[allow(clippy::panic, reason = "this is what is looked for")]
fn settle<T>(set: &IndexSet, object: &[u8], mut question: impl FnMut() -> Result<Answer<T>>) -> Option<T> {
    for _ in 0..PATIENCE {
        match question().ok()? {
            Answer::Known(answer) => return Some(answer),
            Answer::Needs(needs) if provide(set, &needs, object) => {}
            Answer::Needs(_) => return None,
        }
    }
    panic!("the index keeps asking for the same");
}

/// Asks a run everything.
fn ask(run: RunReader, object: &[u8]) {
    let set = Arc::new(IndexSet::new(vec![Arc::new(run)]));
    let middle = object.get(8..28).and_then(|bytes| bytes.first_chunk::<20>()).copied();
    for id in [[0; 20], [255; 20], [1; 20], middle.unwrap_or([128; 20])].map(ChunkId) {
        settle(&set, object, || Ok(set.contains(Kind::Data, &id, None)));
        let mut candidates = set.locate(Kind::Data, id);
        for _ in 0..ENOUGH {
            if settle(&set, object, || Ok(candidates.next())).flatten().is_none() {
                break;
            }
        }
    }
    let (mut packs, mut segments) = (set.packs(0), set.records::<SegmentRecord>(0));
    for _ in 0..ENOUGH {
        if settle(&set, object, || packs.next()).flatten().is_none() {
            break;
        }
    }
    for _ in 0..ENOUGH {
        if settle(&set, object, || segments.next()).flatten().is_none() {
            break;
        }
    }
    let Ok(mut merger) = Merger::new(set.clone(), &std::env::temp_dir()) else { return };
    while let Ok(answer) = merger.next(&|_| false, &mut |_| true) {
        match answer {
            Answer::Needs(needs) if provide(&set, &needs, object) => {}
            _ => break,
        }
    }
}

fn owner(keys: &Keys) -> Owner {
    Owner { repository: keys.repository, name: keys.run() }
}

/// A local file.
pub(crate) fn cache_file(data: &[u8]) {
    with_file(data, |keys, folder, path| {
        if let Ok(file) = File::open(path) {
            let _ = cache_file::read_frame(&file, &owner(keys));
        }
        let (cache, object_len) = (cache(keys, Some(folder.to_owned())), data.len() as u64);
        let _ = RunReader::open_cached(&cache, run_keys(keys, 0), object_len, &signer(keys));
    });
}

/// A local file of which the header is right: how long the image is said to be (4) ‖ the tail.
pub(crate) fn cache_frame(data: &[u8]) {
    let Some((length, tail)) = data.split_first_chunk::<4>() else { return };
    let image_len = u64::from(u32::from_le_bytes(*length) % (1 << 20));
    with_file(&[], |keys, folder, path| {
        let written = File::options()
            .write(true)
            .open(path)
            .is_ok_and(|file| cache_file::write_frame(&file, &owner(keys), true, image_len, tail).is_ok());
        for object_len in [tail.len() as u64, image_len + tail.len() as u64] {
            let cache = cache(keys, Some(folder.to_owned()));
            if written
                && let Ok(Some(run)) = RunReader::open_cached(&cache, run_keys(keys, 0), object_len, &signer(keys))
            {
                ask(run, &[]);
            }
        }
    });
}

fn with_file(content: &[u8], test: impl FnOnce(&Keys, &Path, &Path)) {
    let (Some(keys), Ok(folder)) = (keys(), tempfile::tempdir()) else { return };
    let path = folder.path().join(format!("{}.run1", keys.run()));
    if std::fs::write(&path, content).is_ok() {
        test(keys, folder.path(), &path);
    }
}

/// What a real run gives these parsers to read.
pub(crate) fn harvest(
    inner: &Inner,
    run: super::super::format::ids::RunName,
    object: &[u8],
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let keys = inner.index_keys();
    let keys = RunKeys::new(inner.config.repository, keys, run);
    let TailEnd::Whole(tail) = find_tail(object, object.len() as u64)? else { return Ok(Vec::new()) };
    let tail = object.get(object.len() - tail..).unwrap_or_default();
    let cache = IndexCache::new(inner.config.repository, None, None, 0, Arc::new(Silent));
    let reader = RunReader::from_tail(&cache, keys, tail, object.len() as u64, &|id| inner.signers.key_of(id))?;
    let counts = reader.layout().counts();
    let [_, rows, segments, packs, _] = counts;
    let mut pages: Vec<u8> = [rows, segments, packs].iter().flat_map(|count| count.to_le_bytes()).collect();
    let mut seeds = Vec::new();
    for block in 0..reader.layout().block_count() {
        let Some((_, range)) = reader.block_of(block * PAGES_PER_BLOCK) else { continue };
        let sealed = object.get(range.start as usize..range.end as usize).unwrap_or_default();
        let plain = reader.open_block(block, sealed.to_vec())?;
        let items = plain.as_chunks::<{ super::layout::PAGE }>().0.iter().flat_map(|page| page.iter().take(PAGE_ITEMS));
        pages.extend(items);
        seeds.push((
            "run-block",
            [&[1, block as u8][..], &zstd::bulk::compress(&plain, 3).unwrap_or_default()].concat(),
        ));
    }
    seeds.push(("run-pages", pages));
    seeds.push(("run-tail", tail.to_vec()));
    seeds.push(("run-footer", reader.footer_message()));
    seeds.push(("cache-frame", [&[0, 64, 0, 0][..], tail].concat()));
    Ok(seeds)
}
