//! Ending sessions that do not end themselves.

use super::alive::dead;
use super::objects::{SessionInfo, create};
use super::upkeep::files;
use crate::format::ids::{RunName, SessionId};
use crate::protocol::{Fence, FenceTask, ListedSession, RunId};
use crate::repository::Inner;
use backup_core::{Event, Observer, Result, StorageExt};

/// Ends every session whose lease has lapsed, and says which those were. Where the storage cannot say who was first, a
/// person is asked instead.
///
/// # Errors
/// What the storage says.
pub(crate) async fn end_lapsed(
    inner: &Inner,
    sessions: &[ListedSession<SessionId>],
    observer: &dyn Observer,
) -> Result<Vec<SessionId>> {
    let mut ended = Vec::new();
    for listed in sessions.iter().filter(|listed| !listed.has_ended && listed.has_lapsed) {
        let session = listed.session;
        if inner.may_fence() {
            fence(inner, Fence::new(session)).await?;
            ended.push(session);
        } else {
            observer.event(Event::Warning(format!(
                "session {session} has been silent for a day and holds back what is condemned; this storage cannot fence \
                 it: when its writer is surely gone, end it by hand"
            )));
        }
    }
    Ok(ended)
}

/// Ends sessions of a series that died on this machine. Of pushes the next one takes over what they left; this is for
/// what leaves nothing worth it.
///
/// # Errors
/// What the storage says.
pub(crate) async fn end_dead(inner: &Inner, series: [u8; 4]) -> Result<Vec<SessionId>> {
    let mut ended = Vec::new();
    let Some(folder) = files(inner).filter(|_| inner.may_fence()) else { return Ok(ended) };
    for file in dead(&folder, series, usize::MAX) {
        let listed = inner.storage.list(&format!("sessions/{}/", file.session), None).await?.objects;
        if !listed.is_empty() && !listed.iter().any(|(key, _)| key.as_str().ends_with("/end")) {
            fence(inner, Fence::new(file.session)).await?;
            ended.push(file.session);
        }
        file.remove();
    }
    Ok(ended)
}

/// Drives a fence to its end.
///
/// # Errors
/// What the storage says; it may be tried again.
pub(crate) async fn fence(inner: &Inner, mut fence: Fence) -> Result<()> {
    loop {
        match fence.next() {
            FenceTask::Create(object) => {
                let outcome = create(inner, &object, &SessionInfo::default()).await?;
                fence.created(outcome)?;
            }
            FenceTask::ListRuns(session) => {
                let listed = inner.storage.list_all(&RunName::prefix(&session)).await?;
                fence.runs(listed.iter().filter_map(|(key, _)| RunName::from_key(key)).map(RunId::from))?;
            }
            FenceTask::Done(_) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::RecordKind;
    use crate::protocol::Occupant;
    use crate::repository::Repository;
    use crate::session::{is_valid, occupant};
    use crate::{RepositoryOptions, new_identity};
    use backup_core::{Key, PutOptions};
    use backup_storage::Memory;
    use std::sync::Arc;

    /// A thief of a writer's access to the storage signs nothing.
    #[tokio::test]
    async fn rubbish_in_the_place_of_runs_keeps_no_name_from_a_fence() {
        let (_, recipient) = new_identity();
        let storage = Memory::new();
        let options = RepositoryOptions::default();
        let repository = Repository::create(Arc::new(storage.clone()), &[recipient], options).await.unwrap();
        let inner = &*repository.0;
        let session = SessionId([7; 16]);
        let run = |number: u32| Key::new(format!("index/{session}-{number}")).unwrap();
        let long = [&b"BKUPRUN1"[..], &[0; 600]].concat();
        for (number, bytes) in [(0, long), (1, vec![7; 300]), (2, vec![7; 600]), (9, vec![7]), (u32::MAX, vec![])] {
            storage.put_bytes(&run(number), bytes.into(), &PutOptions::default()).await.unwrap();
        }
        fence(inner, Fence::new(session)).await.unwrap();
        assert!(is_valid(inner, RecordKind::RunTombstone, &run(3)).await.unwrap(), "its next run could come there");
        for (number, expected) in [
            (0, Occupant::Run),
            (1, Occupant::Other),
            (2, Occupant::Other),
            (3, Occupant::RunTombstone),
            (9, Occupant::Other),
            (u32::MAX, Occupant::Other),
        ] {
            assert_eq!(occupant(inner, &run(number)).await.unwrap(), expected, "{number}");
        }
        // Made for another place it is none.
        let moved = storage.get_bytes(&run(3), 512).await.unwrap();
        storage.put_bytes(&run(4), moved, &PutOptions::default()).await.unwrap();
        assert_eq!(occupant(inner, &run(4)).await.unwrap(), Occupant::Other);
    }
}
