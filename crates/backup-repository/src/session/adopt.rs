//! What an interrupted push left: found by its file, ended by the next push of its series, its packs taken over.

use super::alive::{self, SessionFile};
use super::objects::{SessionInfo, is_valid, key_of, read_signed};
use crate::format::ids::{Kind, PackName, SessionId};
use crate::format::record::{MAX_RECORD, RecordKind, open_json};
use crate::index::IndexSet;
use crate::locate::{self, Locator, next};
use crate::pack::{FinishedPack, FinishedPacks, read_stored};
use crate::protocol::Object;
use crate::repository::Inner;
use backup_core::{Error, ErrorKind, Result, StorageExt};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// Dead sessions taken over by one push. What older ones sent is sent again, if they were that many.
const MAX_ADOPTED: usize = 64;
/// Packs whose footers are read at a time.
const FOOTERS: usize = 16;

/// Packs of dead sessions that stand in no run, by kind.
#[derive(Default)]
pub(crate) struct Adopted {
    pub(crate) data: FinishedPacks,
    pub(crate) metadata: FinishedPacks,
}

/// The dead sessions that a new one takes over.
#[derive(Default)]
pub(super) struct Predecessors {
    /// Newest first: these, and all that they meant to take over themselves.
    pub(super) sessions: Vec<SessionId>,
    /// Held until the sessions are over, so that nobody else begins the same.
    files: Vec<SessionFile>,
}

impl Predecessors {
    /// The dead of this machine and series that are not over yet.
    ///
    /// # Errors
    /// What the storage said.
    pub(super) async fn find(inner: &Inner, folder: &Path, series: [u8; 4]) -> Result<Self> {
        let mut found = Predecessors::default();
        for file in alive::dead(folder, series, MAX_ADOPTED) {
            match adopts_of_open(inner, file.session).await? {
                Some(adopts) => {
                    found.sessions.push(file.session);
                    found.sessions.extend(adopts.into_iter().filter(|session| session.series() == series));
                    found.files.push(file);
                }
                None => file.remove(),
            }
        }
        found.sessions.sort_unstable_by(|a, b| b.cmp(a));
        found.sessions.dedup();
        found.sessions.truncate(MAX_ADOPTED);
        found.files.retain(|file| found.sessions.contains(&file.session));
        Ok(found)
    }

    /// Looks once more, now that the new session has begun: what an ended session left in no run is garbage, and may be
    /// deleted while it is published.
    ///
    /// # Errors
    /// `Fenced` when one was ended meanwhile; what the storage said.
    pub(super) async fn are_still_open(&self, inner: &Inner) -> Result<()> {
        for file in &self.files {
            if is_valid(inner, RecordKind::SessionEnd, &key_of(&Object::End(file.session))?).await? {
                let what = "an interrupted push was ended by somebody else just when this one took it over: push again";
                return Err(Error::new(ErrorKind::Fenced, what).context("session", file.session));
            }
        }
        Ok(())
    }

    /// All of them are over; what they left is named in the start of who took them over.
    pub(super) fn are_over(&mut self) {
        std::mem::take(&mut self.files).into_iter().for_each(SessionFile::remove);
    }
}

/// The sessions that a session meant to take over; none when there is nothing to take over from it, because it never
/// began or it is over. Then whoever ended it, if that one died as well, names it in its own start.
async fn adopts_of_open(inner: &Inner, session: SessionId) -> Result<Option<Vec<SessionId>>> {
    let listed = inner.storage.list_all(&format!("sessions/{session}/")).await?;
    let end = key_of(&Object::End(session))?;
    if listed.is_empty() || listed.iter().any(|(key, _)| *key == end) {
        return Ok(None);
    }
    let key = key_of(&Object::Start { session, adopts: Vec::new() })?;
    let Some((_, payload)) = read_signed(inner, RecordKind::SessionStart, &key, MAX_RECORD).await? else {
        return Ok(Some(Vec::new()));
    };
    match open_json::<SessionInfo>(&inner.keys.index, &key, &payload) {
        Ok(info) => Ok(Some(info.adopts.iter().filter_map(|id| SessionId::from_hex(id).ok()).collect())),
        // It is ended all the same.
        Err(error) if error.kind() == ErrorKind::Damaged => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

/// Packs of these sessions that no run lists, with what a run says of them. One that is cut, or does not open, is left
/// where it is: nobody relies on it.
///
/// # Errors
/// What the storage said.
pub(super) async fn packs_in_no_run(
    inner: &Arc<Inner>,
    sessions: &[SessionId],
    index: Arc<IndexSet>,
) -> Result<Vec<(Kind, FinishedPack)>> {
    let in_runs = packs_in_runs(&Locator::with(inner.clone(), index), sessions).await?;
    let mut left = Vec::new();
    for session in sessions {
        left.extend(locate::packs::<Vec<_>>(inner, &PackName::prefix(session)).await?);
    }
    left.retain(|(pack, _)| !in_runs.contains(pack));
    let read = iter(left).map(|(pack, length)| async move {
        match read_stored(inner, pack, length).await {
            Ok((header, pack)) => Ok((header.domain == inner.domain).then_some((header.kind, pack))),
            // It says something of the object, not of the way to it.
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let read: Vec<_> = read.buffered(FOOTERS).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

async fn packs_in_runs(locator: &Locator, sessions: &[SessionId]) -> Result<HashSet<PackName>> {
    let (index, mut found) = (locator.index(), HashSet::new());
    for place in 0..index.runs().len() {
        let mut packs = index.packs(place);
        while let Some(pack) = next(locator, &mut packs).await? {
            if sessions.contains(&pack.name.0.session) {
                found.insert(pack.name);
            }
        }
    }
    Ok(found)
}
