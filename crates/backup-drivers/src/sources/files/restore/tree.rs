use super::super::sys::dir::{Dir, Links};
use super::super::sys::reason;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Holder;
use super::super::target::Overwrite;
use super::ground::Ground;
use super::metadata::{ACCESS_ACL, DEFAULT_ACL, Held};
use super::sweep::Sweep;
use backup_core::{Entry, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, fstat, mkdirat, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr};
use std::sync::Arc;

/// A directory of the target that the restore is in.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) name: Vec<u8>,
    pub(super) place: Place,
    /// Gathers the names that the snapshot does not have, where those are to be deleted.
    pub(super) sweep: Option<Sweep>,
}

/// What stands for a directory in the target.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A directory, reached without following a link.
    There(There),
    /// One that a dry run would have made.
    Imagined,
    /// None, and why: nothing below it can be restored.
    Failed(Arc<str>),
}

/// A directory of the target.
#[derive(Clone, Debug)]
pub(super) struct There {
    pub(super) dir: Arc<Dir>,
    /// Made by this restore: names in it need not be looked for.
    pub(super) fresh: bool,
    /// New files in it get this process's group.
    pub(super) own_group: bool,
    /// New files in it get an access list from it.
    pub(super) inherits: bool,
}

/// How a directory came about.
#[derive(Debug)]
pub(super) enum Came {
    Made,
    Found(Stat),
    /// Not at all, or only in a dry run.
    Not,
}

/// The directories from the target down to where the restore is.
#[derive(Debug)]
pub(super) struct Tree {
    levels: Vec<Level>,
}

impl Tree {
    pub(super) fn new(top: Place) -> Tree {
        Tree { levels: vec![Level { name: Vec::new(), place: top, sweep: None }] }
    }

    /// The directory it is in now. There is always one: the target.
    pub(super) fn current(&mut self) -> Option<&mut Level> {
        self.levels.last_mut()
    }

    /// How many leading components of `path` the levels already stand for.
    pub(super) fn shared_depth(&self, path: &[impl AsRef<[u8]>]) -> usize {
        self.levels.iter().skip(1).zip(path).take_while(|(level, name)| level.name == name.as_ref()).count()
    }

    /// Leaves the directories below `depth`, the deepest first.
    pub(super) fn leave(&mut self, depth: usize) -> impl Iterator<Item = Level> + '_ {
        std::iter::from_fn(move || if self.levels.len() > depth + 1 { self.levels.pop() } else { None })
    }

    /// Goes one directory down.
    pub(super) fn push(&mut self, level: Level) {
        self.levels.push(level);
    }
}

/// Makes a directory in another, or finds it there. `entry` is what it is restored from, if anything.
pub(super) fn descend(ground: &Ground, parent: &Place, name: &[u8], entry: Option<&Entry>) -> (Place, Came) {
    let parent = match parent {
        Place::There(there) => there,
        other => return (other.clone(), Came::Not),
    };
    let result = if ground.dry_run { imagine(ground, parent, name, entry) } else { make(ground, parent, name, entry) };
    result.unwrap_or_else(|reason| (Place::Failed(reason.into()), Came::Not))
}

fn make(ground: &Ground, parent: &There, name: &[u8], entry: Option<&Entry>) -> Result<(Place, Came), String> {
    let above = parent.dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
    // Nobody else may come in before its own permissions are set, at the end; without those the umask decides.
    let unknown = entry.is_some_and(|entry| entry.metadata.mode.is_none());
    let mode = Mode::from_raw_mode(if unknown { 0o777 } else { 0o700 });
    let made = |errno| told("cannot make the directory", errno);
    match mkdirat(&above, name, mode) {
        Ok(()) => return fresh(ground, parent, &above, name),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(made(errno)),
    }
    match open(above.as_fd(), name) {
        Ok(descriptor) => found(ground, parent, descriptor, name),
        Err(Errno::NOTDIR | Errno::LOOP) if gives_way(ground.overwrite, above.as_fd(), name, entry) => {
            unlinkat(&above, name, AtFlags::empty()).map_err(|errno| told("cannot replace what is there", errno))?;
            mkdirat(&above, name, mode).map_err(made)?;
            fresh(ground, parent, &above, name)
        }
        Err(Errno::NOTDIR | Errno::LOOP) => Err(NO_DIRECTORY.to_owned()),
        Err(errno) => Err(told("cannot open the directory", errno)),
    }
}

/// The same decisions without their effects.
fn imagine(ground: &Ground, parent: &There, name: &[u8], entry: Option<&Entry>) -> Result<(Place, Came), String> {
    let above = parent.dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
    match open(above.as_fd(), name) {
        Ok(descriptor) => found(ground, parent, descriptor, name),
        Err(Errno::NOENT) => Ok((Place::Imagined, Came::Not)),
        Err(Errno::NOTDIR | Errno::LOOP) if gives_way(ground.overwrite, above.as_fd(), name, entry) => {
            Ok((Place::Imagined, Came::Not))
        }
        Err(Errno::NOTDIR | Errno::LOOP) => Err(NO_DIRECTORY.to_owned()),
        Err(errno) => Err(told("cannot open the directory", errno)),
    }
}

const NO_DIRECTORY: &str = "something that is not a directory stands in its place";

/// Whether what is no directory may be replaced by one.
fn gives_way(policy: Overwrite, above: BorrowedFd<'_>, name: &[u8], entry: Option<&Entry>) -> bool {
    match policy {
        Overwrite::Never => false,
        Overwrite::IfChanged | Overwrite::Always => true,
        Overwrite::IfNewer => {
            let theirs = super::verdict::look(above, name).ok().flatten().map(|stat| stat.mtime);
            theirs < entry.and_then(|entry| entry.metadata.mtime)
        }
    }
}

fn open(above: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| openat(above, name, flags, Mode::empty()))
}

fn fresh(ground: &Ground, parent: &There, above: &OwnedFd, name: &[u8]) -> Result<(Place, Came), String> {
    let descriptor = open(above.as_fd(), name).map_err(|errno| told("cannot open the directory", errno))?;
    if parent.inherits {
        let holder = Holder::shown(descriptor.as_fd());
        for list in [DEFAULT_ACL, ACCESS_ACL] {
            holder.remove(list).map_err(|errno| told("cannot remove an inherited access list", errno))?;
        }
    }
    let there = there(ground, parent.dir.child(name, Links::Refuse), descriptor, true)?;
    Ok((Place::There(There { inherits: false, ..there.0 }), Came::Made))
}

fn found(ground: &Ground, parent: &There, descriptor: OwnedFd, name: &[u8]) -> Result<(Place, Came), String> {
    let (there, stat) = there(ground, parent.dir.child(name, Links::Refuse), descriptor, false)?;
    Ok((Place::There(there), Came::Found(stat)))
}

fn there(ground: &Ground, dir: Arc<Dir>, descriptor: OwnedFd, fresh: bool) -> Result<(There, Stat), String> {
    let stat = fstat(&descriptor).map_err(|errno| told("cannot tell what the directory is like", errno))?.into();
    let inherits = !fresh && Holder::shown(descriptor.as_fd()).has(DEFAULT_ACL);
    if !fresh && !ground.dry_run && ground.setter.locked_out(&stat) {
        // Its own permissions come back at the end. Should this fail, so will what follows, and say so.
        let _ = Held::Shown(descriptor.as_fd()).chmod(stat.permissions() | 0o700);
    }
    // A new file gets the group of this process or of its directory: when both are the same, there is no doubt.
    let own_group = ground.setter.is_own_group(stat.gid);
    dir.adopt(descriptor);
    Ok((There { dir, fresh, own_group, inherits }, stat))
}

/// The directory that everything goes below. It may be anywhere and reached through links: the user has named it.
pub(super) fn target(ground: &Ground, dir: Arc<Dir>, made: bool) -> Result<Place, String> {
    let descriptor = dir.descriptor().map_err(|errno| told("cannot open the target", errno))?;
    let stat: Stat = fstat(&descriptor).map_err(|errno| told("cannot tell what the target is like", errno))?.into();
    let inherits = Holder::shown(descriptor.as_fd()).has(DEFAULT_ACL);
    let own_group = ground.setter.is_own_group(stat.gid);
    Ok(Place::There(There { dir, fresh: made, own_group, inherits }))
}

pub(super) fn told(what: &str, errno: Errno) -> String {
    format!("{what}: {}", reason(errno))
}
