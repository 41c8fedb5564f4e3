//! Metadata of directories: remembered on the way, set at the end, the deepest first.

use super::super::scratch::Scratch;
use super::super::sys::dir::{Dir, Links};
use super::super::sys::stat::Stat;
use super::ground::Ground;
use super::metadata::{Before, Held};
use super::record::{Parts, put_bytes, put_metadata};
use super::spool::Spool;
use super::tree::told;
use backup_core::{Metadata, Result, TreePath};
use rustix::fd::AsFd;
use rustix::fs::fstat;
use std::sync::Arc;

/// The directories whose metadata is still to be set, in canonical order.
#[derive(Debug)]
pub(super) struct Late {
    list: Spool,
}

/// Where a directory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made by this restore; what it has inherited was removed then.
    Made,
    /// The same, and its group is certainly this process's.
    MadeOwn,
    /// It was there.
    Found,
    /// It was there and stays as it was: only its permissions were opened for a while.
    Kept,
}

impl Late {
    pub(super) fn new(scratch: Scratch) -> Late {
        Late { list: Spool::new(scratch) }
    }

    /// Remembers a directory: where it is below the target, where it was stored, and what is to be set.
    pub(super) fn remember(
        &mut self,
        place: &TreePath,
        stored: &TreePath,
        origin: Origin,
        metadata: &Metadata,
    ) -> Result<()> {
        let mut record = vec![origin as u8];
        put_bytes(&mut record, place.as_encoded());
        put_bytes(&mut record, stored.as_encoded());
        put_metadata(&mut record, metadata);
        self.list.append(&record)
    }

    /// Sets everything, from the last directory to the first.
    pub(super) fn settle(self, top: &Arc<Dir>, ground: &Ground) -> Result<()> {
        let mut path = Path::new(top.clone());
        let mut end = self.list.end();
        while end > 0 {
            let (record, begin) = self.list.read_back(end)?;
            end = begin;
            let mut parts = Parts(&record);
            let origin = match parts.byte()? {
                0 => Origin::Made,
                1 => Origin::MadeOwn,
                2 => Origin::Found,
                _ => Origin::Kept,
            };
            let place = TreePath::from_encoded(parts.bytes()?.to_vec())?;
            let stored = TreePath::from_encoded(parts.bytes()?.to_vec())?;
            let metadata = parts.metadata()?;
            if let Some(problem) = set(&path.at(&place), origin, &metadata, ground) {
                ground.fail(&stored, problem);
            }
        }
        Ok(())
    }
}

fn set(dir: &Arc<Dir>, origin: Origin, metadata: &Metadata, ground: &Ground) -> Option<String> {
    let listable = dir.open_for_listing();
    let descriptor = match &listable {
        Ok(descriptor) => descriptor.clone(),
        Err(_) => match dir.descriptor() {
            Ok(descriptor) => descriptor,
            Err(errno) => return Some(told("cannot set the directory's metadata", errno)),
        },
    };
    let held = if listable.is_ok() { Held::Open(descriptor.as_fd()) } else { Held::Shown(descriptor.as_fd()) };
    let before = match (origin, fstat(&descriptor)) {
        (Origin::Made, _) => Before::Made { own_group: false, inherits: false },
        (Origin::MadeOwn, _) => Before::Made { own_group: true, inherits: false },
        (Origin::Found, Ok(stat)) => Before::Found(Stat::from(stat)),
        (Origin::Kept, _) => {
            let reset = metadata.mode.map_or(Ok(()), |mode| held.chmod(mode));
            return reset.err().map(|errno| told("cannot set its permissions", errno));
        }
        (Origin::Found, Err(errno)) => return Some(told("cannot set the directory's metadata", errno)),
    };
    ground.setter.set(held, metadata, before, false)
}

/// Handles along one path, so that neighbours share what they have in common.
#[derive(Debug)]
pub(super) struct Path {
    top: Arc<Dir>,
    below: Vec<Arc<Dir>>,
}

impl Path {
    pub(super) fn new(top: Arc<Dir>) -> Path {
        Path { top, below: Vec::new() }
    }

    /// The handle of a directory; nothing is opened yet.
    pub(super) fn at(&mut self, place: &TreePath) -> Arc<Dir> {
        let mut depth = 0;
        for name in place.components() {
            if self.below.get(depth).is_none_or(|dir| dir.name() != &*name) {
                self.below.truncate(depth);
                let child = self.below.last().unwrap_or(&self.top).child(&name, Links::Refuse);
                self.below.push(child);
            }
            depth += 1;
        }
        self.below.truncate(depth);
        self.below.last().unwrap_or(&self.top).clone()
    }
}
