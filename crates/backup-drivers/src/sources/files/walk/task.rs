//! Listing one directory, or the next names of a long one.

use super::super::caches::{CACHE_TAG, is_cache};
use super::super::exclude::Excludes;
use super::super::report::Report;
use super::super::roots::{Plan, PlanNode};
use super::super::scratch::Scratch;
use super::super::sys::dir::Dir;
use super::super::sys::names::{Name, Names, SortedNames};
use super::super::sys::reason;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::Holder;
use super::lister::Lister;
use super::page::{Itself, Page};
use backup_core::Result;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    pub(super) dir: Arc<Dir>,
    /// Where in the plan of roots it stands, if there.
    pub(super) plan: Option<usize>,
    /// Whether everything in it belongs to the capture, or only what the plan names.
    pub(super) whole: bool,
    /// The file system to stay on.
    device: Option<u64>,
    depth: usize,
    /// The length of its encoded path.
    pub(super) path_bytes: usize,
    /// Set once it has been read and some names are left.
    rest: Option<SortedNames>,
}

impl Task {
    /// The root of the file system, where every plan begins.
    pub(super) fn top(dir: Arc<Dir>) -> Task {
        Task { dir, plan: Some(Plan::TOP), whole: false, device: None, depth: 0, path_bytes: 0, rest: None }
    }

    /// A directory in this one, whose name adds so many bytes to the path.
    pub(super) fn below(&self, dir: Arc<Dir>, plan: Option<usize>, whole: bool, name_bytes: usize) -> Task {
        let (depth, path_bytes) = (self.depth + 1, self.path_bytes + name_bytes);
        Task { dir, plan, whole, device: self.device, depth, path_bytes, rest: None }
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
        match problem {
            None => {}
            Some(errno) if !self.whole && report.lacks_proc(errno) => {}
            Some(errno) => self.failed(report, "cannot read its extended attributes", errno),
        }
        page.itself = Itself::Open(stat, xattrs);

        if scope.one_file_system && node.is_some_and(|node| node.root) {
            self.device = Some(stat.device);
        }
        let elsewhere = self.device.is_some_and(|device| device != stat.device);
        self.whole &= !elsewhere;
        if !self.whole {
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
            self.whole = false;
            return Ok(Some((SortedNames::of_sorted(planned(node, Some(CACHE_TAG))), descriptor)));
        }
        Ok(Some((names, descriptor)))
    }

    pub(super) fn failed(&self, report: &Report, what: &str, errno: Errno) {
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
