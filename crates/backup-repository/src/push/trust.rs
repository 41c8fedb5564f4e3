use crate::format::ids::SessionId;
use crate::index::IndexSet;
use crate::remembered::{load, store};
use crate::repository::Inner;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use xxhash_rust::xxh3::xxh3_64;

/// Whether the chunks of the previous listing are known to be there still, so that they need not be looked up one by one.
///
/// They were all present under a certain set of index runs. While every one of those runs is still listed and no pack
/// was condemned since, nothing can have gone.
pub(crate) struct Trust {
    folder: Option<PathBuf>,
    series: String,
    /// Names of the records that this session has seen.
    condemned: Vec<String>,
    /// The tag of the listing whose chunks are all there.
    vouched: Option<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Witness {
    tag: String,
    runs: Vec<String>,
    /// The records of condemned packs that were known when the chunks were seen.
    condemned: Vec<String>,
}

fn names(index: &IndexSet) -> impl Iterator<Item = String> {
    index.runs().iter().map(|run| run.name().to_string())
}

impl Trust {
    pub(crate) fn load(inner: &Inner, series: &[u8; 4], index: &IndexSet, condemned: &[SessionId]) -> Self {
        let folder = inner.cache_dir().map(|dir| dir.join("listings"));
        let condemned = condemned.iter().map(SessionId::to_string).collect();
        let mut trust = Trust { folder, series: hex::encode(series), condemned, vouched: None };
        trust.vouched = trust.witness().and_then(|file| load(&file)).and_then(|witness: Witness| {
            let now: std::collections::HashSet<String> = names(index).collect();
            let whole = witness.runs.iter().all(|run| now.contains(run))
                && trust.condemned.iter().all(|record| witness.condemned.contains(record));
            whole.then(|| hex::decode(witness.tag).ok()?.try_into().ok()).flatten()
        });
        trust
    }

    fn witness(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}.json", self.series)))
    }

    /// Where a component's listing is kept.
    pub(crate) fn listing(&self, component: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{}-{:016x}", self.series, xxh3_64(component.as_bytes()))))
    }

    /// The tag of the one listing that may be believed unseen.
    pub(crate) fn vouched(&self) -> Option<[u8; 16]> {
        self.vouched
    }

    /// After a commit: the new listing's chunks are all in these runs. Failing to say so costs look-ups only.
    pub(crate) fn save(&self, tag: [u8; 16], index: &IndexSet) {
        let Some(path) = self.witness() else { return };
        let witness =
            Witness { tag: hex::encode(tag), runs: names(index).collect(), condemned: self.condemned.clone() };
        if store(&path, &witness).is_none() {
            // A stale witness could vouch for a listing that it never saw.
            let _ = std::fs::remove_file(path);
        }
    }
}
