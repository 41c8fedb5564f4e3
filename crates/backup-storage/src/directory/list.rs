//! Listing in the order of whole keys, though folders are read one by one and in no order.
//!
//! A folder sorts as its name with a `/` behind it, so `a-b` comes before the keys in `a/`. At most a page of names is
//! held: a folder with more is read again for the next ones.

use super::root::{Root, failed, is_file, is_reserved, join, modified};
use backup_core::{Key, MAX_PAGE, ObjectMeta, Page, Result};
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;
use std::collections::BinaryHeap;
use std::os::fd::OwnedFd;

/// One page: objects whose key begins with `prefix`, after `after`.
pub(super) fn list(root: &Root, prefix: &str, after: Option<&Key>) -> Result<Page> {
    let mut walk = Walk { root, prefix, after: after.map(Key::as_str), objects: Vec::new() };
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    // Under a folder that no key can lie in there is nothing; it must not be asked for, `..` for example.
    if prefix.starts_with('/') || !folder.is_empty() && (Key::new(folder).is_err() || is_reserved(folder)) {
        return Ok(Page::default());
    }
    walk.folder(folder)?;
    let mut objects = walk.objects;
    let more = objects.len() > MAX_PAGE;
    objects.truncate(MAX_PAGE);
    Ok(Page { objects, more })
}

struct Walk<'a> {
    root: &'a Root,
    prefix: &'a str,
    after: Option<&'a str>,
    /// One more than a page holds, to know whether there is more.
    objects: Vec<(Key, ObjectMeta)>,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.objects.len() > MAX_PAGE
    }

    fn folder(&mut self, path: &str) -> Result<()> {
        let handle = match self.root.folder(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(()),
            other => other.map_err(|e| failed("cannot open a folder", path, e))?,
        };
        let mut last = None;
        loop {
            let wanted = MAX_PAGE + 1 - self.objects.len();
            let names = self
                .names(&handle, path, last.as_deref(), wanted)
                .map_err(|e| failed("cannot read a folder", path, e))?;
            for name in &names {
                match name.strip_suffix('/') {
                    Some(folder) => self.folder(&join(path, folder))?,
                    None => self.file(&handle, path, name)?,
                }
                if self.is_full() {
                    return Ok(());
                }
            }
            if names.len() < wanted {
                return Ok(());
            }
            last = names.last().cloned();
        }
    }

    fn file(&mut self, handle: &OwnedFd, path: &str, name: &str) -> Result<()> {
        let path = join(path, name);
        match rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_file(&stat) => {
                let meta = ObjectMeta::new(u64::try_from(stat.st_size).unwrap_or(0), modified(&stat));
                self.objects.push((Key::new(path)?, meta));
                Ok(())
            }
            // Deleted or changed since the folder was read.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("cannot stat an object", &path, e)),
        }
    }

    /// The first `wanted` names of a folder behind `last` that may lead to keys of this page, sorted; folders with a
    /// `/` behind their names.
    fn names(&self, handle: &OwnedFd, path: &str, last: Option<&str>, wanted: usize) -> Result<Vec<String>, Errno> {
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        for entry in Dir::read_from(handle)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(e) => return Err(e),
                },
                kind => kind,
            };
            let name = match kind {
                FileType::Directory if !matches!(name, "." | "..") => format!("{name}/"),
                FileType::RegularFile => name.to_owned(),
                _ => continue,
            };
            let behind = last.is_none_or(|last| name.as_str() > last);
            let before = first.len() < wanted || first.peek().is_some_and(|greatest| name < *greatest);
            if behind && before && self.may_lead_on(path, &name) {
                first.push(name);
                if first.len() > wanted {
                    first.pop();
                }
            }
        }
        Ok(first.into_sorted_vec())
    }

    fn may_lead_on(&self, path: &str, name: &str) -> bool {
        let key = join(path, name);
        let after =
            self.after.is_none_or(|after| key.as_str() > after || key.ends_with('/') && after.starts_with(&key));
        let valid = Key::new(key.strip_suffix('/').unwrap_or(&key)).is_ok();
        after && valid && !is_reserved(&key) && key.starts_with(self.prefix)
    }
}
