//! Asking the system about the names of one page.

use super::super::report::Report;
use super::super::roots::PlanNode;
use super::super::sys::dir::Links;
use super::super::sys::names::{Name, Names};
use super::super::sys::reason;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Holder;
use super::page::{Page, Special};
use super::task::{Scope, Task};
use backup_core::MAX_PATH_BYTES;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use std::sync::atomic::{AtomicBool, Ordering};

/// A page's task, and the open directory.
pub(super) struct Lister<'a> {
    pub(super) task: &'a Task,
    pub(super) scope: &'a Scope,
    pub(super) report: &'a Report,
    pub(super) descriptor: BorrowedFd<'a>,
}

/// What is known of a name before it becomes a record.
struct Found {
    stat: Stat,
    special: Option<Box<Special>>,
    /// For a directory.
    plan: Option<usize>,
    whole: bool,
}

impl Lister<'_> {
    /// Puts what is there, and belongs to the capture, onto the page.
    pub(super) fn fill(&self, page: &mut Page, names: &Names, stop: &AtomicBool) {
        // In the order of their inodes a cold disk reads them in few sweeps.
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by_key(|index| names.get(*index).map(|name| name.inode));
        let mut prefix = if self.scope.excludes.is_empty() { Vec::new() } else { self.prefix() };
        let mut found: Vec<Option<Found>> = Vec::new();
        found.resize_with(names.len(), || None);
        for index in order {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let (Some(name), Some(place)) = (names.get(index), found.get_mut(index)) {
                *place = self.look(name, &mut prefix);
            }
        }
        page.records.reserve_exact(names.len());
        for (name, found) in names.iter().zip(found) {
            let Some(found) = found else { continue };
            if found.stat.is_dir() {
                page.tasks.push(self.below(name.bytes, &found));
            }
            page.push(name.bytes, found.stat, found.special);
        }
    }

    fn below(&self, name: &[u8], found: &Found) -> Task {
        let followed = found.plan.and_then(|plan| self.scope.plan.node(plan)).is_some_and(PlanNode::follow);
        let links = if followed { Links::Follow } else { Links::Refuse };
        let dir = self.task.dir.child(name, links);
        self.task.below(dir, found.plan, found.whole, encoded_length(name))
    }

    fn look(&self, name: Name<'_>, prefix: &mut Vec<u8>) -> Option<Found> {
        let plan = self.task.plan.and_then(|plan| self.scope.plan.node(plan)?.child(name.bytes));
        let node = plan.and_then(|plan| self.scope.plan.node(plan));
        // A root was asked for by name; what only lies on the way to one is kept, but may lose the rest of its content.
        let excludable = !node.is_some_and(|node| node.root);
        let mut excluded = false;
        if excludable && name.file_type != FileType::Unknown {
            excluded = self.excludes(prefix, name.bytes, name.file_type == FileType::Directory);
        }
        if excluded && node.is_none() {
            self.report.excluded(1);
            return None;
        }
        let flags = if node.is_some_and(PlanNode::follow) { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stat = match statat(self.descriptor, name.bytes, flags | AtFlags::NO_AUTOMOUNT) {
            Ok(stat) => Stat::from(stat),
            // Deleted since the directory was read.
            Err(Errno::NOENT) if node.is_none() => return None,
            Err(errno) => {
                self.failed(name.bytes, "cannot tell what it is", errno);
                return None;
            }
        };
        if excludable && name.file_type == FileType::Unknown {
            excluded = self.excludes(prefix, name.bytes, stat.is_dir());
        }
        let too_large = stat.is_file() && self.scope.max_file_bytes.is_some_and(|limit| stat.size > limit);
        if (excluded || too_large) && node.is_none() {
            self.report.excluded(1);
            return None;
        }
        if self.task.path_bytes + encoded_length(name.bytes) > MAX_PATH_BYTES {
            self.task.failed(self.report, "a path below it is too long", Errno::NAMETOOLONG);
            return None;
        }
        let special = if stat.is_dir() || stat.is_file() { None } else { Some(self.special(name.bytes, &stat)?) };
        Some(Found { stat, special, plan, whole: self.task.whole && !excluded })
    }

    fn excludes(&self, prefix: &mut Vec<u8>, name: &[u8], is_dir: bool) -> bool {
        if self.scope.excludes.is_empty() || !self.task.whole {
            return false;
        }
        let length = prefix.len();
        prefix.extend_from_slice(name);
        let excluded = self.scope.excludes.matches(prefix, is_dir);
        prefix.truncate(length);
        excluded
    }

    /// The directory as an absolute path, ready for a name to be put behind it.
    fn prefix(&self) -> Vec<u8> {
        let mut prefix = vec![b'/'];
        for component in self.task.dir.components() {
            prefix.extend_from_slice(component);
            prefix.push(b'/');
        }
        prefix
    }

    /// The text of a symbolic link, and the attributes of anything that cannot simply be opened.
    fn special(&self, name: &[u8], listed: &Stat) -> Option<Box<Special>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let read = || -> Result<Special, Errno> {
            let descriptor = retry_on_intr(|| openat(self.descriptor, name, flags, Mode::empty()))?;
            if Stat::from(fstat(&descriptor)?).file_type() != listed.file_type() {
                return Err(Errno::STALE);
            }
            let target = match listed.file_type() {
                FileType::Symlink => readlinkat(&descriptor, c"", Vec::new())?.into_bytes(),
                _ => Vec::new(),
            };
            let (xattrs, problem) = Holder::shown(descriptor.as_fd()).read();
            match problem {
                None => {}
                Some(errno) if self.report.lacks_proc(errno) => {}
                Some(errno) => self.failed(name, "cannot read its extended attributes", errno),
            }
            Ok(Special { target, xattrs })
        };
        match read() {
            Ok(special) => Some(Box::new(special)),
            Err(Errno::NOENT) => None,
            Err(errno) => {
                self.failed(name, "cannot tell what it is", errno);
                None
            }
        }
    }

    fn failed(&self, name: &[u8], what: &str, errno: Errno) {
        let path = self.task.dir.tree_path().and_then(|path| path.join(name));
        if let Ok(path) = path {
            self.report.fail(path, format!("{what}: {}", reason(errno)));
        }
    }
}

/// What a name adds to the length of an encoded path.
fn encoded_length(name: &[u8]) -> usize {
    1 + name.len() + name.iter().filter(|byte| **byte <= 1).count()
}
