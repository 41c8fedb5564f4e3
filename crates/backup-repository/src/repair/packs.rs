use crate::format::ids::{Kind, PackName};
use crate::index::{PackRecord, Row, SegmentRecord};
use crate::locate::{Locator, is_unreadable, next, packs};
use crate::pack::read_stored;
use crate::repository::Inner;
use backup_core::{ErrorKind, Event, Observer, Result};
use futures_util::stream::{StreamExt, iter};
use std::collections::HashMap;
use std::sync::Arc;

/// Footers read at once.
const AT_ONCE: usize = 16;

/// A pack that stands in no run, whose footer can be read.
pub(super) struct Unlisted {
    pub(super) name: PackName,
    pub(super) length: u64,
    pub(super) domain: u32,
    pub(super) kind: Kind,
    /// Chunks in it.
    pub(super) chunks: usize,
}

/// How many rows the runs of an index have for each pack.
///
/// # Errors
/// `Damaged` when a run contradicts itself; what the storage said.
pub(super) async fn rows_by_pack(locator: &Locator) -> Result<HashMap<PackName, u64>> {
    let index = locator.index();
    let mut found = HashMap::new();
    for place in 0..index.runs().len() {
        let (mut packs, mut segments) = (Vec::new(), Vec::new());
        let mut records = index.records::<PackRecord>(place);
        while let Some(pack) = next(locator, &mut records).await? {
            packs.push(pack.name);
        }
        let mut records = index.records::<SegmentRecord>(place);
        while let Some(segment) = next(locator, &mut records).await? {
            segments.push(segment.pack);
        }
        let mut rows = index.records::<Row>(place);
        while let Some(row) = next(locator, &mut rows).await? {
            let pack = segments.get(row.segment as usize).and_then(|pack| packs.get(*pack as usize));
            if let Some(pack) = pack {
                *found.entry(*pack).or_default() += 1;
            }
        }
    }
    Ok(found)
}

/// The packs in the storage of which not every chunk is `listed`: a part of the index that was divided may be lost. Of those whose footers cannot be read the names are told.
pub(super) async fn unlisted(
    inner: &Arc<Inner>,
    listed: &HashMap<PackName, u64>,
    observer: &dyn Observer,
    unreadable: &mut Vec<String>,
) -> Result<Vec<Unlisted>> {
    let there: Vec<(PackName, u64)> = packs(inner, "packs/").await?;
    observer.event(Event::Found { files: there.len() as u64, bytes: 0, done: true });
    let read = iter(there).map(|(name, length)| async move { (name, length, one(inner, name, length).await) });
    let mut read = read.buffered(AT_ONCE);
    let mut found = Vec::new();
    while let Some((name, length, pack)) = read.next().await {
        observer.event(Event::Progress { files: 1, bytes: 0 });
        match pack {
            Ok((_, _, chunks)) if listed.get(&name).is_some_and(|rows| *rows >= chunks as u64) => {}
            Ok((domain, kind, chunks)) => found.push(Unlisted { name, length, domain, kind, chunks }),
            Err(error) if is_unreadable(&error) => {
                let because = error.full_message();
                observer.event(Event::Warning(format!("pack {name} cannot be read: {because}")));
                unreadable.push(name.to_string());
            }
            // Deleted since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Domain, kind and number of chunks of a pack, by its header and its footer.
async fn one(inner: &Arc<Inner>, name: PackName, length: u64) -> Result<(u32, Kind, usize)> {
    let domain = crate::pack::domain_of(inner, name).await?;
    let (header, pack) = read_stored(&*inner.in_domain(domain)?, name, length).await?;
    Ok((domain, header.kind, pack.footer.chunks.len()))
}
