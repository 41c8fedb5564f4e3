use super::findings::Findings;
use crate::format::config::{Config, Owned};
use crate::format::ids::SessionId;
use crate::format::record::MAX_RECORD;
use crate::format::snapshot::{StoredComponent, read_body, snapshot_key};
use crate::keys::kind_of;
use crate::repository::{Inner, Listed};
use crate::session::is_valid;
use backup_core::{Error, ErrorKind, Result, StorageExt};

const AGE_MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Whether an error says something of the object, not of the way to it.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

pub(super) async fn configs(inner: &Inner, findings: &mut Findings) -> Result<()> {
    let mut numbers = std::collections::BTreeSet::new();
    for (key, _) in inner.storage.list_all("config/").await? {
        let parsed = key.as_str().strip_prefix("config/").and_then(|rest| rest.split_once('/'));
        if let Some((n, "a" | "b")) = parsed {
            numbers.insert(n.to_owned());
        }
    }
    let owned = Owned { repository: inner.config.repository, owners: inner.config.signing };
    for n in numbers {
        // Both copies are asked for, so that one that is missing is told.
        for copy in ["a", "b"] {
            let key = backup_core::Key::new(format!("config/{n}/{copy}"))?;
            let read = match inner.storage.get_bytes(&key, MAX_RECORD).await {
                Ok(bytes) => Config::parse(&bytes, &format!("config/{n}"), &owned).map(drop),
                Err(error) => Err(error),
            };
            findings.checked("configs", 1);
            match read {
                Err(error) if is_damage(&error) => findings.object(Ok(key), &error),
                other => other?,
            }
        }
    }
    Ok(())
}

/// Others' owner files cannot be opened; that they are age files can be seen.
pub(super) async fn owners(inner: &Inner, findings: &mut Findings) -> Result<()> {
    let cards = inner.storage.list_all("keys/cards/").await?;
    for (key, _) in inner.storage.list_all("keys/owners/").await? {
        findings.checked("owner files", 1);
        let name = key.as_str().rsplit('/').next().unwrap_or_default();
        if !cards.iter().any(|(card, _)| card.as_str().rsplit('/').next() == Some(name)) {
            let problem = Error::new(ErrorKind::Damaged, "the owner has no card: remove and add it again");
            findings.object(Ok(key.clone()), &problem);
        }
        let file = inner.storage.get_bytes(&key, MAX_RECORD).await?;
        if !file.starts_with(AGE_MAGIC) || age::Decryptor::new(&file[..]).is_err() {
            findings.object(Ok(key), &Error::new(ErrorKind::Damaged, "an owner file is not an age file any more"));
        }
    }
    Ok(())
}

/// A snapshot that can be read.
pub(super) struct CheckedSnapshot {
    pub(super) id: SessionId,
    pub(super) domain: u32,
    /// Its predecessor, as it says.
    pub(super) previous: Option<SessionId>,
    pub(super) components: Vec<StoredComponent>,
}

/// What stands below `keys/` and is not validly signed by an owner.
pub(super) async fn keys(inner: &Inner, findings: &mut Findings) -> Result<()> {
    for (key, _) in inner.storage.list_all("keys/").await? {
        let Some(kind) = kind_of(&key) else { continue };
        findings.checked("keys", 1);
        if !is_valid(inner, kind, &key).await? {
            let problem = Error::new(ErrorKind::Damaged, "it is not as an owner wrote it: nothing that it says counts");
            findings.object(Ok(key), &problem);
        }
    }
    Ok(())
}

/// Every snapshot that can be read, with its components.
pub(super) async fn snapshots(inner: &Inner, listed: &Listed, findings: &mut Findings) -> Result<Vec<CheckedSnapshot>> {
    let mut snapshots = Vec::new();
    for (id, _) in &listed.snapshots {
        let id = *id;
        findings.checked("snapshots", 1);
        let read = match inner.snapshot(&id).await {
            // A body is for owners.
            Ok(snapshot) if !inner.is_owner() => Ok((snapshot.head, Vec::new())),
            Ok(snapshot) => read_body(&snapshot.key, &inner.identities, &snapshot.payload)
                .map(|components| (snapshot.head, components)),
            Err(error) => Err(error),
        };
        match read {
            Ok((head, components)) => {
                let previous = head.previous.and_then(|previous| SessionId::from_hex(&previous).ok());
                snapshots.push(CheckedSnapshot { id, domain: head.domain, previous, components });
            }
            // Forgotten since it was listed, a tombstone, or of another domain than a writer's.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if is_damage(&error) => findings.of_snapshot(snapshot_key(&id)?.to_string(), &error, id),
            Err(error) => return Err(error),
        }
    }
    Ok(snapshots)
}
