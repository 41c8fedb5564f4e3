use super::super::scratch::Scratch;
use super::super::sys::dir::Dir;
use super::ground::Ground;
use super::late::Path;
use super::spool::Spool;
use super::tree::There;
use super::verdict::look;
use backup_core::{Entry, Result, TreePath};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, linkat, renameat, unlinkat};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Files with several names that were restored under the first of them.
#[derive(Debug)]
pub(super) struct Links {
    /// By group: where the first name stands, and what the file was.
    groups: HashMap<u64, First>,
    paths: Spool,
    way: Path,
}

#[derive(Clone, Copy, Debug)]
struct First {
    path: u64,
    /// Device and inode.
    identity: (u64, u64),
    /// Of size and metadata: names of one file agree in them. Those that do not get content of their own.
    state: u64,
}

/// A name of its own for the file, or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// It is a name of the file now.
    Done,
    /// It was one already.
    Already,
    /// There is no first name, or linking to it does not work: the content is needed.
    Not,
}

impl Links {
    pub(super) fn new(scratch: Scratch, top: Arc<Dir>) -> Links {
        Links { groups: HashMap::new(), paths: Spool::new(scratch), way: Path::new(top) }
    }

    /// Remembers where a restored file stands, and its device and inode, if it has a group.
    pub(super) fn remember(&mut self, entry: &Entry, below: &[Cow<'_, [u8]>], identity: (u64, u64)) -> Result<()> {
        if let Some(group) = entry.link_group {
            let path = self.paths.end();
            self.paths.append(TreePath::from_components(below)?.as_encoded())?;
            self.groups.insert(group, First { path, identity, state: state(entry) });
        }
        Ok(())
    }

    /// Device and inode of this entry's file, if it was restored under another name.
    pub(super) fn first(&self, entry: &Entry) -> Option<(u64, u64)> {
        self.find(entry).map(|first| first.identity)
    }

    fn find(&self, entry: &Entry) -> Option<First> {
        self.groups.get(&entry.link_group?).copied().filter(|first| first.state == state(entry))
    }

    /// Makes `name` one more name of the file restored first; `replaces` whatever may be there.
    pub(super) fn link(
        &mut self,
        entry: &Entry,
        there: &There,
        name: &[u8],
        replaces: bool,
        ground: &Ground,
    ) -> Result<Linked> {
        let Some(first) = self.find(entry) else { return Ok(Linked::Not) };
        let place = TreePath::from_encoded(self.paths.read(first.path)?.0)?;
        let (Some(parent), Some(file)) = (place.parent(), place.name()) else { return Ok(Linked::Not) };
        let (Ok(from), Ok(to)) = (self.way.at(&parent).descriptor(), there.dir.descriptor()) else {
            return Ok(Linked::Not);
        };
        let is_it = |name: &[u8]| {
            look(to.as_fd(), name).ok().flatten().is_some_and(|stat| (stat.device, stat.inode) == first.identity)
        };
        if replaces && is_it(name) {
            return Ok(Linked::Already);
        }
        let temporary = replaces.then(|| ground.temporary_name());
        let new = temporary.as_deref().unwrap_or(name);
        if linkat(&from, &*file, &to, new, AtFlags::empty()).is_err() {
            return Ok(Linked::Not);
        }
        // Somebody may have put another file in the first one's place.
        let done = is_it(new) && (temporary.is_none() || renameat(&to, new, &to, name).is_ok());
        if !done {
            // A leftover is a name of a file that was there anyhow.
            let _ = unlinkat(&to, new, AtFlags::empty());
        }
        Ok(if done { Linked::Done } else { Linked::Not })
    }
}

fn state(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &entry.metadata;
    (entry.size_bytes, metadata.mode, metadata.uid, metadata.gid, metadata.mtime).hash(&mut hasher);
    hasher.finish()
}
