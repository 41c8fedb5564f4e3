//! Listing in the order of whole keys, though folders are read one by one and in no order.
//!
//! A folder sorts as its name with a `/` behind it, so `a-b` comes before the keys in `a/`. At most a page of names is
//! held: a folder with more is read again for the next ones.

use super::root::{Root, failed, is_file, is_reserved, join, modified, split};
use backup_core::{Key, MAX_PAGE, ObjectMeta, Page, Result};
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;
use std::borrow::Cow;
use std::collections::BinaryHeap;
use std::os::fd::OwnedFd;

/// One page: objects whose key begins with `prefix`, after `after`.
pub(super) fn list(root: &Root, prefix: &str, after: Option<&Key>) -> Result<Page> {
    let mut walk = Walk { root, prefix, after: after.map(Key::as_str), objects: Vec::new() };
    walk.folder(split(prefix).0)?;
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

impl<'a> Walk<'a> {
    fn is_full(&self) -> bool {
        self.objects.len() > MAX_PAGE
    }

    fn folder(&mut self, path: &str) -> Result<()> {
        let Some(bounds) = self.bounds(path) else { return Ok(()) };
        let handle = match self.root.folder(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => return Ok(()),
            other => other.map_err(|e| failed("cannot open a folder", path, e))?,
        };
        let mut last = None;
        loop {
            let wanted = MAX_PAGE + 1 - self.objects.len();
            let names = first_names(&handle, &bounds, last.as_deref(), wanted)
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

    /// What the listing's bounds mean for the names in a folder; `None` when nothing in it can be listed.
    fn bounds(&self, path: &str) -> Option<Bounds<'a>> {
        let lead = if path.is_empty() { String::new() } else { format!("{path}/") };
        // This also turns down `.`, `..` and whatever else a folder may hold or a prefix may say.
        let is_key = path.is_empty() || Key::new(path).is_ok() && !is_reserved(path);
        let after = match self.after {
            None => None,
            Some(after) => match after.strip_prefix(lead.as_str()) {
                None if after > lead.as_str() => return None,
                rest => rest,
            },
        };
        let start = self.prefix.strip_prefix(lead.as_str()).unwrap_or("");
        is_key.then_some(Bounds { start, after, top: path.is_empty() })
    }

    fn file(&mut self, handle: &OwnedFd, path: &str, name: &str) -> Result<()> {
        let path = join(path, name);
        // Too long for a key, or with a line break: not ours.
        let Ok(key) = Key::new(path.as_str()) else { return Ok(()) };
        match rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_file(&stat) => {
                let meta = ObjectMeta::new(u64::try_from(stat.st_size).unwrap_or(0), modified(&stat));
                self.objects.push((key, meta));
                Ok(())
            }
            // Deleted or changed since the folder was read.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(failed("cannot stat an object", &path, e)),
        }
    }
}

/// Which names in a folder count.
struct Bounds<'a> {
    /// They begin with this.
    start: &'a str,
    /// They, or what is below them, come after this.
    after: Option<&'a str>,
    /// The folder is the root, where some names are not for objects.
    top: bool,
}

impl Bounds<'_> {
    /// Whether a name (with a `/` behind it if it is a folder's) may be or lead to an object of the listing.
    fn allow(&self, name: &str) -> bool {
        let after = |after: &str| name > after || name.ends_with('/') && after.starts_with(name);
        name.starts_with(self.start) && self.after.is_none_or(after) && !(self.top && is_reserved(name))
    }
}

/// The first `wanted` names in a folder that the bounds allow and that come after `last`, sorted; folders with a `/`
/// behind their names.
fn first_names(handle: &OwnedFd, bounds: &Bounds<'_>, last: Option<&str>, wanted: usize) -> Result<Vec<String>, Errno> {
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
        // Most names of a large folder are turned down, so nothing is allocated for them.
        let name = match kind {
            FileType::Directory => Cow::Owned(format!("{name}/")),
            FileType::RegularFile => Cow::Borrowed(name),
            _ => continue,
        };
        let is_next = last.is_none_or(|last| *name > *last);
        let is_first = first.len() < wanted || first.peek().is_some_and(|greatest| *name < **greatest);
        if is_next && is_first && bounds.allow(&name) {
            first.push(name.into_owned());
            if first.len() > wanted {
                first.pop();
            }
        }
    }
    Ok(first.into_sorted_vec())
}
