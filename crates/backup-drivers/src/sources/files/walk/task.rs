//! Listing one directory, or the next names of a long one.

use super::super::caches::{CACHE_TAG, is_cache};
use super::super::exclude::Excludes;
use super::super::report::Report;
use super::super::roots::{Plan, PlanNode};
use super::super::scratch::Scratch;
use super::super::sys::dir::{Dir, Links};
use super::super::sys::names::{Name, Names, SortedNames};
use super::super::sys::reason;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Holder;
use super::page::{Itself, Page, Special};
use backup_core::{MAX_PATH_BYTES, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The most names on a page. Deep down pages are shorter, because one of each level waits in memory.
const PAGE: usize = 4096;

/// What belongs to a capture.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) plan: Plan,
    pub(crate) excludes: Excludes,
    pub(crate) skip_caches: bool,
    pub(crate) one_file_system: bool,
    pub(crate) max_file_bytes: Option<u64>,
    pub(crate) scratch: Scratch,
}

/// A directory to list.
#[derive(Debug)]
pub(super) struct Task {
    dir: Arc<Dir>,
    /// Where in the plan of roots it stands, if there.
    plan: Option<usize>,
    /// Whether everything in it belongs to the capture, or only what the plan names.
    whole: bool,
    /// The file system to stay on.
    device: Option<u64>,
    depth: usize,
    path_bytes: usize,
    /// Set once it has been read and some names are left.
    rest: Option<SortedNames>,
}

impl Task {
    /// The root of the file system, where every plan begins.
    pub(super) fn top(dir: Arc<Dir>) -> Task {
        Task { dir, plan: Some(Plan::TOP), whole: false, device: None, depth: 0, path_bytes: 0, rest: None }
    }

    /// How many names wait in memory for their turn.
    pub(super) fn names_in_memory(&self) -> usize {
        self.rest.as_ref().map_or(0, SortedNames::in_memory)
    }

    /// Lists it.
    ///
    /// # Errors
    /// When temporary files fail; what is wrong with the directory is reported and no error.
    pub(super) fn run(mut self, scope: &Scope, report: &Report, stop: &AtomicBool) -> Result<Page> {
        let mut page = Page::new(self.dir.clone());
        let (mut names, descriptor) = match self.rest.take() {
            Some(rest) => match self.dir.descriptor() {
                Ok(descriptor) => (rest, descriptor),
                Err(errno) => {
                    self.failed(report, "cannot list it to its end", errno);
                    return Ok(page);
                }
            },
            None => match self.open(&mut page, scope, report)? {
                Some(open) => open,
                None => return Ok(page),
            },
        };
        let limit = if self.depth < 16 { PAGE } else { (PAGE * 16 / self.depth).max(64) };
        let chunk = names.take(limit)?;
        Lister { task: &self, scope, report, descriptor: descriptor.as_fd() }.fill(&mut page, &chunk, stop);
        if !names.is_empty() {
            self.rest = Some(names);
            page.continues = true;
            page.tasks.push(self);
        }
        Ok(page)
    }

    /// Opens the directory, takes its own state, and reads its names.
    fn open(&mut self, page: &mut Page, scope: &Scope, report: &Report) -> Result<Option<(SortedNames, Arc<OwnedFd>)>> {
        let node = self.plan.and_then(|plan| scope.plan.node(plan));
        self.whole |= node.is_some_and(|node| node.root);
        let opened = if self.whole { self.dir.open_for_listing() } else { self.dir.descriptor() };
        let opened = opened.and_then(|descriptor| Ok((Stat::from(fstat(&descriptor)?), descriptor)));
        let (stat, descriptor) = match opened {
            Ok(opened) => opened,
            Err(errno @ (Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {
                page.itself = Itself::Gone;
                if errno != Errno::NOENT || self.plan.is_some() {
                    self.failed(report, "it changed while it was listed", errno);
                }
                return Ok(None);
            }
            Err(errno) => {
                self.failed(report, "cannot open the directory", errno);
                return Ok(None);
            }
        };
        let holder = if self.whole { Holder::Open(descriptor.as_fd()) } else { Holder::shown(descriptor.as_fd()) };
        let (xattrs, problem) = holder.read();
        if let Some(errno) = problem {
            self.failed(report, "cannot read its extended attributes", errno);
        }
        page.itself = Itself::Open(stat, xattrs);

        if scope.one_file_system && node.is_some_and(|node| node.root) {
            self.device = Some(stat.device);
        }
        let elsewhere = self.device.is_some_and(|device| device != stat.device);
        if !self.whole || elsewhere {
            return Ok(Some((SortedNames::of_sorted(planned(node, None)), descriptor)));
        }
        let mut tagged = false;
        let (names, problem) =
            SortedNames::read(&descriptor, &scope.scratch, |name| tagged |= scope.skip_caches && name == CACHE_TAG)?;
        if let Some(errno) = problem {
            self.failed(report, "cannot list it to its end", errno);
        }
        let named = node.is_some_and(|node| node.root);
        if tagged && !named && is_cache(descriptor.as_fd()) {
            report.excluded(names.in_memory().saturating_sub(1) as u64);
            return Ok(Some((SortedNames::of_sorted(planned(node, Some(CACHE_TAG))), descriptor)));
        }
        Ok(Some((names, descriptor)))
    }

    fn failed(&self, report: &Report, what: &str, errno: Errno) {
        if let Ok(path) = self.dir.tree_path() {
            report.fail(path, format!("{what}: {}", reason(errno)));
        }
    }
}

/// The names that the plan has below a node, and one more, in order.
fn planned(node: Option<&PlanNode>, more: Option<&[u8]>) -> Names {
    let mut all: Vec<&[u8]> = node.into_iter().flat_map(PlanNode::children).chain(more).collect();
    all.sort_unstable();
    all.dedup();
    let mut names = Names::default();
    for bytes in all {
        names.push(Name { bytes, inode: 0, file_type: FileType::Unknown });
    }
    names
}

/// Asks the system about the names of one page.
struct Lister<'a> {
    task: &'a Task,
    scope: &'a Scope,
    report: &'a Report,
    descriptor: BorrowedFd<'a>,
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
    fn fill(&self, page: &mut Page, names: &Names, stop: &AtomicBool) {
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
        Task {
            dir: self.task.dir.child(name, links),
            plan: found.plan,
            whole: found.whole,
            device: self.task.device,
            depth: self.task.depth + 1,
            path_bytes: self.task.path_bytes + encoded_length(name),
            rest: None,
        }
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
            if let Some(errno) = problem {
                self.failed(name, "cannot read its extended attributes", errno);
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
