//! Which snapshot a person means, found out with as few reads as can be.

use crate::format::ids::SessionId;
use crate::format::snapshot::OpenHead;
use crate::notes::{Missing, Seen, remember_own};
use crate::repository::{Counting, Inner, Named, Repository, series};
use backup_core::{BackupId, Error, ErrorKind, Result, Status};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// Series whose heads are read at once.
const AT_ONCE: usize = 16;
/// The most candidates that an error names.
const MAX_CANDIDATES: usize = 10;

/// The snapshots of a repository by their ids, as a listing showed them. Nothing of them is read before a question needs it.
pub struct Names {
    inner: Arc<Inner>,
    named: Named,
    /// As [`Listing::missing`](crate::Listing::missing).
    pub missing: Vec<Missing>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("ids", &self.named.objects().len()).finish_non_exhaustive()
    }
}

impl Repository {
    /// Lists the names of the snapshots: no object is read, but where this machine misses one.
    ///
    /// # Errors
    /// What the storage said.
    pub async fn names(&self) -> Result<Names> {
        let inner = self.0.clone();
        let seen = Seen::load(&inner);
        let named = Named::read(&inner).await?;
        let missing = match seen.is_complete(&inner, &named).await? {
            true => Vec::new(),
            false => seen.missing(&inner, &inner.listed().await?).await?,
        };
        Ok(Names { inner, named, missing })
    }
}

impl Names {
    /// Every id, oldest first; also of what is damaged, was forgotten and not deleted yet, or never became a snapshot.
    pub fn ids(&self) -> impl Iterator<Item = BackupId> {
        self.named.objects().keys().map(|id| BackupId(id.to_string()))
    }

    /// The snapshot that a reference means: the beginning of an id, `latest`, or `latest:NAME`. The latest one is never
    /// incomplete, and `latest` alone means something only where all snapshots have one name. An id is as in the listing:
    /// whether what it names can be read shows when it is opened.
    ///
    /// Of the latest one of a name a head is read, or a few; for `latest` one for each writer and name; for the beginning
    /// of an id those that begin so, if there are several: then it is not clear, whatever counts.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput` when several are meant; what the storage said.
    pub async fn resolve(&self, reference: &str) -> Result<BackupId> {
        let id = match reference.split_once(':') {
            Some(("latest", name)) => self.latest_of(name).await?,
            _ if reference == "latest" => self.latest().await?,
            _ => return self.beginning(&reference.to_ascii_lowercase()).await,
        };
        let of_series = self.named.objects().keys().filter(|other| other.series() == id.series());
        remember_own(&self.inner, id, of_series.count() as u64, &self.missing);
        Ok(BackupId(id.to_string()))
    }

    /// What to tell of a snapshot that was resolved as the latest one: it is over a day ahead of this machine's clock.
    pub fn ahead(&self, latest: &BackupId) -> Option<String> {
        crate::session::ahead(&SessionId::from_hex(&latest.0).ok()?)
    }

    /// What a listed snapshot is, as far as every version can say; none for what does not count.
    async fn stated(&self, id: &SessionId) -> Result<Option<Stated>> {
        if self.named.notes.is_forgotten(&self.inner, id).await? {
            return Ok(None);
        }
        let Some(Counting { head, signer, .. }) = self.inner.if_counting(id).await? else { return Ok(None) };
        let index = self.inner.index_key_of(head.label.domain)?;
        let is_genuine = series(index, &signer, &head.label.name) == id.series();
        Ok(Some(Stated { id: *id, head, is_genuine }))
    }

    /// The latest one of a name. It is in a series of one who may sign, so the other series need not be read.
    async fn latest_of(&self, name: &str) -> Result<SessionId> {
        let own: HashSet<[u8; 4]> = self.inner.series_of(name).collect();
        for id in self.named.objects().keys().rev().filter(|id| own.contains(&id.series())) {
            // A series is four bytes: others may have the same. What they require is nothing to this name.
            if let Some(stated) = self.stated(id).await?.filter(|stated| stated.name() == name)
                && stated.can_be_latest()?
            {
                return Ok(*id);
            }
        }
        let names: BTreeSet<String> = self.newest().await?.into_iter().map(|one| one.head.label.name).collect();
        if names.is_empty() {
            return Err(self.none_at_all());
        }
        Err(Error::new(ErrorKind::NotFound, format!("there is no snapshot of the name {name:?}"))
            .context("there are those of", listed(names.into_iter())))
    }

    async fn latest(&self) -> Result<SessionId> {
        let newest = self.newest().await?;
        let names: BTreeSet<&str> = newest.iter().map(Stated::name).collect();
        if names.len() > 1 {
            let what = "`latest` is not clear: there are snapshots of several names";
            let names = names.into_iter().map(|name| format!("latest:{name}"));
            return Err(Error::new(ErrorKind::InvalidInput, what).context("say which:", listed(names)));
        }
        let latest = newest.iter().max_by_key(|one| one.id).ok_or_else(|| self.none_at_all())?;
        // One of a newer version is the latest, and not to be passed over silently.
        latest.can_be_latest()?;
        Ok(latest.id)
    }

    /// The newest snapshots of every series that can be the latest of something, or are of a newer version.
    async fn newest(&self) -> Result<Vec<Stated>> {
        let mut all: BTreeMap<[u8; 4], Vec<SessionId>> = BTreeMap::new();
        for id in self.named.objects().keys().rev() {
            all.entry(id.series()).or_default().push(*id);
        }
        let read = stream::iter(all.into_values()).map(|series| async move {
            let mut found = Vec::new();
            for id in series {
                let Some(stated) = self.stated(&id).await? else { continue };
                if stated.can_be_latest().unwrap_or(true) {
                    // What is older in its series is of the same name. One that only looks like one of the series is
                    // taken for itself and hides nothing.
                    let is_genuine = stated.is_genuine;
                    found.push(stated);
                    if is_genuine {
                        break;
                    }
                }
            }
            Ok::<_, Error>(found)
        });
        let found: Vec<Vec<_>> = read.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn beginning(&self, prefix: &str) -> Result<BackupId> {
        let ids: Vec<SessionId> = match prefix {
            "" => Vec::new(),
            _ => self.named.objects().keys().filter(|id| id.to_string().starts_with(prefix)).copied().collect(),
        };
        match ids.as_slice() {
            [] => Err(Error::new(ErrorKind::NotFound, format!("there is no snapshot {prefix:?}"))),
            [one] => Ok(BackupId(one.to_string())),
            // Also where only one of them counts: which one that is may be another's doing, or damage.
            several => {
                let mut candidates = Vec::new();
                for id in several.iter().take(MAX_CANDIDATES + 1) {
                    let stated = self.stated(id).await?;
                    let what = stated.as_ref().map_or("no snapshot that counts", Stated::name);
                    candidates.push(format!("{id} ({what})"));
                }
                Err(Error::new(ErrorKind::InvalidInput, format!("several ids begin with {prefix:?}"))
                    .context("give more of the id:", listed(candidates.into_iter())))
            }
        }
    }

    fn none_at_all(&self) -> Error {
        let what = match self.named.objects().is_empty() {
            true => "the repository has no snapshot",
            false => "the repository has no snapshot that is complete and can be read",
        };
        Error::new(ErrorKind::NotFound, what)
    }
}

/// A snapshot that counts.
struct Stated {
    id: SessionId,
    head: OpenHead,
    /// Whether it is of the series that its id says.
    is_genuine: bool,
}

impl Stated {
    fn name(&self) -> &str {
        &self.head.label.name
    }

    /// Whether it can be the latest of its name: it is not incomplete, and its head can be read.
    ///
    /// # Errors
    /// `Unsupported` for one of a newer version.
    fn can_be_latest(&self) -> Result<bool> {
        match self.head.read() {
            Ok(head) => Ok(head.status != Status::Incomplete.as_str()),
            Err(error) if error.kind() == ErrorKind::Unsupported => Err(error.context("snapshot", self.id)),
            Err(_) => Ok(false),
        }
    }
}

impl Inner {
    /// The series of a name: one for each who may sign snapshots, in each domain.
    fn series_of(&self, name: &str) -> impl Iterator<Item = [u8; 4]> {
        self.index_keys().flat_map(move |(domain, index)| {
            let writers = self.signers.writers().filter(move |writer| writer.domain == domain).map(|writer| writer.id);
            writers.chain([self.config.signing.id()]).map(move |signer| series(index, &signer, name))
        })
    }
}

fn listed(words: impl Iterator<Item = String>) -> String {
    let mut words = words;
    let mut text = words.by_ref().take(MAX_CANDIDATES).collect::<Vec<_>>().join(", ");
    if words.next().is_some() {
        text.push_str(" and others");
    }
    text
}

#[cfg(test)]
mod tests;
