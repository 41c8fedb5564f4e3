//! Objects as files below a folder.
//!
//! | call | what happens on disk |
//! |---|---|
//! | put | `tmp/<random>` is written under a lock, made read-only, synced, then linked to its name; link(2) fails when the name is taken, so of several racers one wins |
//! | get, stat | one open that follows no symbolic link and never leaves the root |
//! | list | the folders on the way are read and sorted, at most a page of names at a time |
//! | delete | unlink, then the folders are synced |
//!
//! A put has returned when the file, its name and the names of its folders are on disk.

mod blocking;
mod list;
mod publish;
mod reader;
mod root;
mod temporary;
#[cfg(test)]
mod tests;
mod writer;

use async_trait::async_trait;
use backup_core::{
    Capabilities, Key, ObjectMeta, ObjectWriter, Page, PutOptions, Reader, Result, Spare, StorageDriver,
};
use blocking::blocking;
use root::Root;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use temporary::Temporary;
use writer::Writer;

/// How old what a dead process left in `tmp/` must be before a first put removes it.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// A storage whose objects are files below a root folder.
///
/// The key is the path below the root; `tmp/` and `lost+found/` there are no objects, nor is anything that is not a
/// regular file or whose name is no [`Key`]. No symbolic link below the root is ever followed. Files have mode 0400,
/// folders that this makes 0700. Where a file system cannot hold a key (a component of more than 255 bytes, or an
/// object `a` beside `a/b`), the put fails with `InvalidInput` or `Unsupported`.
///
/// The handle stays with the folder that was opened: what is later mounted or moved over its path is not touched.
/// Clones share it. Many processes may use one root at the same time.
#[derive(Clone)]
pub struct Directory {
    root: Arc<Root>,
    /// Blocks of readers that are done.
    spare: Spare,
}

impl Directory {
    /// Opens the folder, which is made together with missing parents if it is not there.
    ///
    /// # Errors
    /// `AccessDenied`, `NoSpace`, `Io`.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        blocking(move || {
            let path = root::absolute(&path)?;
            root::make_all(&path)?;
            Directory::open_now(&path)
        })
        .await
    }

    /// Opens a folder; nothing in it is touched.
    ///
    /// # Errors
    /// `NotFound` when there is none; `AccessDenied`, `Io`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        blocking(move || Directory::open_now(&root::absolute(&path)?)).await
    }

    fn open_now(path: &Path) -> Result<Self> {
        Ok(Directory { root: Arc::new(Root::open(path)?), spare: Spare::default() })
    }

    /// How many bytes this user can still write.
    ///
    /// # Errors
    /// `Io` when the file system does not tell.
    pub async fn free_bytes(&self) -> Result<u64> {
        let root = self.root.clone();
        blocking(move || root.free_bytes()).await
    }

    /// Removes temporary files that no living process is writing and that are older than `older_than`; gives their
    /// number. The first put of a storage does it for those older than an hour.
    ///
    /// # Errors
    /// `AccessDenied`, `Io`; those that could be removed are.
    pub async fn clean_temporary(&self, older_than: Duration) -> Result<u64> {
        let root = self.root.clone();
        blocking(move || temporary::clean(&root, older_than)).await
    }
}

impl Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.root.path()).finish()
    }
}

#[async_trait]
impl StorageDriver for Directory {
    fn capabilities(&self) -> Capabilities {
        Capabilities::full()
    }

    fn location(&self) -> String {
        self.root.path().display().to_string()
    }

    async fn put(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn ObjectWriter>> {
        let (root, key, mode) = (self.root.clone(), key.clone(), options.mode);
        blocking(move || {
            publish::check_name(&root, &key, mode)?;
            if root.first_put() {
                // Housekeeping: whatever goes wrong here must not hinder the put, and shows itself there.
                temporary::clean(&root, LEFTOVER_AGE).ok();
            }
            let temporary = Temporary::new(&root)?;
            Ok(Box::new(Writer::new(root, key, mode, temporary)) as Box<dyn ObjectWriter>)
        })
        .await
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<Reader> {
        let (root, key, spare) = (self.root.clone(), key.clone(), self.spare.clone());
        blocking(move || reader::open(&root, &key, range, spare)).await
    }

    async fn stat(&self, key: &Key) -> Result<ObjectMeta> {
        let (root, key) = (self.root.clone(), key.clone());
        blocking(move || reader::stat(&root, &key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>) -> Result<Page> {
        let (root, prefix, after) = (self.root.clone(), prefix.to_owned(), after.cloned());
        blocking(move || list::list(&root, &prefix, after.as_ref())).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<()> {
        let root = self.root.clone();
        // By folder, so that each is opened and synced once.
        let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in keys.iter().filter(|key| !root::is_reserved(key.as_str())) {
            let (folder, name) = root::split(key.as_str());
            folders.entry(folder.to_owned()).or_default().push(name.to_owned());
        }
        blocking(move || folders.iter().try_for_each(|(folder, names)| root.delete(folder, names))).await
    }
}
