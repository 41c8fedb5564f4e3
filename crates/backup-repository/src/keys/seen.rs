//! What this machine has seen of owners' work at a place, so that a storage that shows less does not take it back.

use super::folder::kind_of;
use crate::format::ids::RepositoryId;
use crate::format::record::RecordKind;
use crate::options::RepositoryOptions;
use crate::remembered::{load, named, store};
use backup_core::{Error, ErrorKind, Key, Result, StorageDriver};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The objects below `keys/` that were seen; without a cache none.
pub(super) struct SeenKeys {
    file: Option<PathBuf>,
    /// By key, in hex; empty of cards, of which only the name matters.
    objects: BTreeMap<String, String>,
}

/// The repositories that may stand at a place.
#[derive(Serialize, Deserialize)]
struct Known {
    location: String,
    repositories: Vec<String>,
}

/// Refuses a repository that stands where this machine knows another one.
///
/// # Errors
/// `Damaged`.
pub(crate) fn expect_here(options: &RepositoryOptions, storage: &dyn StorageDriver, id: RepositoryId) -> Result<()> {
    let Some(folder) = &options.cache_dir else { return Ok(()) };
    let file = folder.join(named("place", storage));
    let Some(Known { repositories, .. }) = load(&file) else { return Ok(()) };
    if repositories.contains(&id.to_string()) {
        return Ok(());
    }
    let what = "another repository stands in the place of the one that this machine knows; if that is as it should be, \
                delete the file that remembers it, or add the new id to it";
    Err(Error::new(ErrorKind::Damaged, what)
        .context("at", storage.location())
        .context("expected", repositories.join(" or "))
        .context("found", id)
        .context("file", file.display()))
}

/// Remembers a repository that was opened; one that was made takes the place of what was known.
pub(crate) fn remember_here(options: &RepositoryOptions, storage: &dyn StorageDriver, id: RepositoryId, is_new: bool) {
    let Some(folder) = &options.cache_dir else { return };
    let file = folder.join(named("place", storage));
    if is_new || load::<Known>(&file).is_none() {
        store(&file, &Known { location: storage.location(), repositories: vec![id.to_string()] });
    }
}

/// The file that remembers the owners' objects of a repository at a place; none without a cache.
pub(crate) fn memory_of(options: &RepositoryOptions, storage: &dyn StorageDriver, id: RepositoryId) -> Option<PathBuf> {
    Some(options.cache_dir.as_ref()?.join(id.to_string()).join(named("keys", storage)))
}

impl SeenKeys {
    pub(super) fn load(options: &RepositoryOptions, storage: &dyn StorageDriver, id: RepositoryId) -> Self {
        let file = memory_of(options, storage, id);
        SeenKeys { objects: file.as_deref().and_then(load).unwrap_or_default(), file }
    }

    /// What was seen of these kinds.
    pub(super) fn of<'a>(&'a self, wanted: &'a [RecordKind]) -> impl Iterator<Item = (RecordKind, Key, Vec<u8>)> + 'a {
        self.objects.iter().filter_map(move |(key, object)| {
            let key = Key::new(key).ok()?;
            let kind = kind_of(&key).filter(|kind| wanted.contains(kind))?;
            Some((kind, key, hex::decode(object).ok()?))
        })
    }

    /// The cards that were seen and are not listed any more. Owners remove owners, so these are missed once.
    pub(super) fn cards_gone(&self, listed: &BTreeSet<Key>) -> Vec<Key> {
        let seen = self.objects.keys().filter_map(|key| Key::new(key).ok());
        seen.filter(|key| kind_of(key) == Some(RecordKind::Card) && !listed.contains(key)).collect()
    }

    /// Remembers what holds now: the objects, and of what is listed the cards.
    pub(super) fn remember<'a>(
        self,
        objects: impl Iterator<Item = (&'a Key, &'a [u8])>,
        listed: &BTreeSet<Key>,
    ) -> Option<()> {
        let cards = listed.iter().filter(|key| kind_of(key) == Some(RecordKind::Card));
        let now = objects.map(|(key, object)| (key.to_string(), hex::encode(object)));
        let mut now: BTreeMap<String, String> = now.chain(cards.map(|key| (key.to_string(), String::new()))).collect();
        let file = self.file?;
        let there = load::<BTreeMap<String, String>>(&file);
        if let Some(there) = &there {
            // Another process may have seen more meanwhile, or removed an owner: its news stays.
            now.retain(|key, object| !object.is_empty() || there.contains_key(key) || !self.objects.contains_key(key));
            for (key, object) in there.iter().filter(|(key, _)| !self.objects.contains_key(*key)) {
                now.entry(key.clone()).or_insert_with(|| object.clone());
            }
        }
        if there.unwrap_or_default() == now {
            return Some(());
        }
        store(&file, &now)
    }

    /// An owner that this machine has removed is not missed.
    pub(super) fn drop_card(mut self, card: &Key) -> Option<()> {
        self.objects.remove(card.as_str())?;
        store(&self.file?, &self.objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_storage::Memory;

    #[test]
    fn a_slower_process_takes_nothing_out_that_another_has_seen_meanwhile() {
        let (cache, storage, id) = (tempfile::tempdir().unwrap(), Memory::new(), RepositoryId([7; 16]));
        let options = RepositoryOptions::default().with_cache_dir(cache.path());
        let load = || SeenKeys::load(&options, &storage, id);
        let key = |name: &str| Key::new(name).unwrap();
        let (identity, revocation) = (key("keys/identity/1"), key(&format!("keys/writers/{}.revoked", "0".repeat(32))));
        let (old, new) =
            (key(&format!("keys/cards/{}", "1".repeat(32))), key(&format!("keys/cards/{}", "2".repeat(32))));
        let seen = [(&identity, &b"identity"[..])];
        load().remember(seen.into_iter(), &[old.clone()].into());

        let slow = load();
        let more = [(&identity, &b"identity"[..]), (&revocation, &b"revoked"[..])];
        load().remember(more.into_iter(), &[old.clone(), new.clone()].into());
        load().drop_card(&old);
        // It listed before all that.
        slow.remember(seen.into_iter(), &[old.clone()].into());
        let now = load();
        let names: Vec<&str> = now.objects.keys().map(String::as_str).collect();
        assert_eq!(names, [new.as_str(), identity.as_str(), revocation.as_str()]);
        assert_eq!(now.objects[revocation.as_str()], hex::encode("revoked"));
        // What is gone for good is not remembered for ever.
        now.remember(seen.into_iter(), &[].into());
        assert_eq!(load().objects.len(), 1);
    }
}
