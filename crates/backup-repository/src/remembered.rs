//! Files of JSON in which this machine remembers things. Not to be able to is no reason to fail.

use backup_core::StorageDriver;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// The name of the file about a place: a copy of a repository elsewhere has a memory of its own.
pub(crate) fn named(what: &str, storage: &dyn StorageDriver) -> String {
    format!("{what}-{:016x}.json", xxh3_64(storage.location().as_bytes()))
}

/// What was remembered; none also for what cannot be read.
pub(crate) fn load<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// Writes a file anew; none where it cannot be written.
pub(crate) fn store<T: Serialize>(file: &Path, what: &T) -> Option<()> {
    let folder = file.parent()?;
    std::fs::create_dir_all(folder).ok()?;
    let new = tempfile::NamedTempFile::new_in(folder).ok()?;
    std::fs::write(new.path(), serde_json::to_vec(what).ok()?).ok()?;
    new.persist(file).ok().map(drop)
}
