use super::findings::Findings;
use crate::crypto::random;
use crate::fetch::Fetcher;
use crate::format::ids::{PackName, RunName};
use crate::index::{Answer, IndexSet, PackRecord};
use crate::locate;
use crate::pack::{Footer, HEADER_LEN, MAX_FOOTER, TRAILER_LEN, Unpacker, parse_header, parse_trailer};
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Event, Observer, ReadData, Result, StorageExt};
use futures_util::stream::{StreamExt, iter};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A pack is read in parts of this many bytes.
const PART: u64 = 4 << 20;
/// Packs read at once. Each takes the memory of such a part, and of a segment sealed and plain.
const AT_ONCE: usize = 4;

/// Compares the packs that the index names with those that are there. Those of `condemned` may be gone.
pub(super) async fn listed(
    inner: &Inner,
    index: &IndexSet,
    mut condemned: HashSet<PackName>,
    findings: &mut Findings,
) -> Result<BTreeMap<PackName, PackRecord>> {
    let mut named: BTreeMap<PackName, (PackRecord, Vec<RunName>)> = BTreeMap::new();
    for (place, run) in index.runs().iter().enumerate() {
        let mut packs = index.packs(place);
        loop {
            match packs.next()? {
                Answer::Known(Some(pack)) => {
                    named.entry(pack.name).or_insert_with(|| (pack, Vec::new())).1.push(run.name());
                }
                Answer::Known(None) => break,
                Answer::Needs(_) => {
                    return Err(Error::new(ErrorKind::Io, "the scratch folder lost a part of the index"));
                }
            }
        }
    }
    let there: HashMap<PackName, u64> = locate::packs(inner, "packs/").await?;
    condemned.extend(condemned_packs(inner).await?);
    let is_gone = |pack: &PackName| !there.contains_key(pack);
    let mut current = None;
    for (pack, runs) in named.values() {
        findings.checked("packs", 1);
        match there.get(&pack.name) {
            None if condemned.contains(&pack.name) => {}
            None => {
                // A prune that was under way: what it deletes it first takes out of all runs that stay.
                let current = match &mut current {
                    Some(current) => current,
                    None => current.insert(locate::names(inner).await?),
                };
                if runs.iter().any(|run| current.contains(run)) {
                    findings.pack(pack.name, "the pack is missing".into());
                }
            }
            Some(length) if *length != pack.length => {
                findings
                    .pack(pack.name, format!("the pack is {length} bytes long and was written with {}", pack.length));
            }
            Some(_) => {}
        }
    }
    Ok(named
        .into_iter()
        .filter(|(name, _)| !is_gone(name) || findings.is_bad(name))
        .map(|(name, (pack, _))| (name, pack))
        .collect())
}

/// The packs that prune has condemned: they do not count, and may go at any moment.
pub(super) async fn condemned_packs(inner: &Inner) -> Result<HashSet<PackName>> {
    let records = crate::session::condemned(inner, std::time::Duration::MAX, None).await?;
    let names = records.into_iter().filter_map(|record| record.names);
    Ok(names.flat_map(|names| names.packs).map(PackName::from).collect())
}

/// Reads and verifies the chosen packs.
pub(super) async fn read(
    inner: &Arc<Inner>,
    named: &BTreeMap<PackName, PackRecord>,
    choice: ReadData,
    observer: &dyn Observer,
    findings: &mut Findings,
) -> Result<()> {
    let salt = random::<8>()?;
    let is_chosen = |pack: &&PackRecord| is_chosen(choice, pack, &salt) && !findings.is_bad(&pack.name);
    let chosen: Vec<PackRecord> = named.values().filter(is_chosen).cloned().collect();
    let bytes = chosen.iter().map(|pack| pack.length).sum();
    observer.event(Event::Found { files: chosen.len() as u64, bytes, done: true });
    let fetcher = Fetcher::new(inner.clone());
    let fetcher = &fetcher;
    let verified = iter(chosen).map(|pack| async move {
        let verified = verify(inner, fetcher, &pack).await;
        (pack, verified)
    });
    let mut verified = verified.buffered(AT_ONCE);
    while let Some((pack, verified)) = verified.next().await {
        match verified {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Cancelled) => return Err(error),
            Err(error) => findings.pack(pack.name, error.full_message()),
        }
        findings.checked("packs read", 1);
        observer.event(Event::Progress { files: 1, bytes: pack.length });
    }
    Ok(())
}

fn is_chosen(choice: ReadData, pack: &PackRecord, salt: &[u8; 8]) -> bool {
    // Which part a pack belongs to never changes, so that all parts together cover everything.
    let number = |salt: &[u8]| {
        let hash = blake3::Hasher::new().update(&pack.name.to_bytes()).update(salt).finalize();
        hash.as_bytes().first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b))
    };
    match choice {
        ReadData::None => false,
        ReadData::All => true,
        ReadData::Percent(percent) => number(salt) % 100 < u32::from(percent),
        ReadData::Part { part, of } => number(&[]) % of.max(1) == part.wrapping_sub(1),
    }
}

/// Reads one pack from its first byte to its last: hash, footer, every segment, every chunk's name.
async fn verify(inner: &Arc<Inner>, fetcher: &Fetcher, pack: &PackRecord) -> Result<()> {
    let damaged = |because: &'static str| {
        Error::new(ErrorKind::Damaged, "a pack is damaged").context("pack", pack.name).context("because", because)
    };
    let key = pack.name.key()?;
    let tail_at = pack.length.checked_sub(TRAILER_LEN as u64).ok_or_else(|| damaged("it is too short"))?;
    let trailer = inner.storage.get_range(&key, tail_at..pack.length).await?;
    let (footer_len, hash) = parse_trailer(&trailer).ok_or_else(|| damaged("it does not end as a pack does"))?;
    if hash != pack.hash {
        return Err(damaged("the hash at its end is not the one in the index"));
    }
    let mut hasher = blake3::Hasher::new();
    let hashed = pack.length - 40;
    let mut at = 0;
    while at < hashed {
        let to = hashed.min(at + PART);
        hasher.update(&inner.storage.get_range(&key, at..to).await?);
        at = to;
    }
    if *hasher.finalize().as_bytes() != hash {
        return Err(damaged("its bytes are not the ones that were written"));
    }
    let start = inner.storage.get_range(&key, 0..HEADER_LEN as u64).await?;
    let header = parse_header(&start)?;
    if header.wrapped != pack.wrapped || header.kind != pack.kind {
        return Err(damaged("its header is not the one in the index"));
    }
    let footer_at =
        tail_at.checked_sub(u64::from(footer_len)).ok_or_else(|| damaged("its footer's length does not fit"))?;
    if footer_len as usize > MAX_FOOTER {
        return Err(damaged("its footer is longer than one can be"));
    }
    let sealed = inner.storage.get_range(&key, footer_at..tail_at).await?;
    let footer = Footer::open(&inner.keys.index, &inner.config.repository, &pack.name, &start, pack.length, sealed)?;
    if inner.identities.is_empty() {
        return Ok(());
    }
    let pack_key = fetcher.key(&pack.name, &pack.wrapped)?;
    for (place, chunks) in footer.places(pack.name, pack.kind) {
        let mut sealed = fetcher.segment(&place).await?;
        let mut plain = Vec::new();
        Unpacker::new()?.unpack(&inner.config.repository, &pack_key, &place, &mut sealed, &mut plain)?;
        let mut rest = plain.as_slice();
        for (id, length) in chunks {
            let (chunk, behind) =
                rest.split_at_checked(*length as usize).ok_or_else(|| damaged("a segment is too short"))?;
            if inner.keys.chunk.id(chunk) != *id {
                return Err(damaged("a chunk's bytes are not the ones it is named after").context("chunk", id));
            }
            rest = behind;
        }
    }
    Ok(())
}
