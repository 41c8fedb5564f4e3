//! Names in the target that the snapshot does not have: found on the way, deleted at the end.

use super::super::caches::is_cache;
use super::super::exclude::{Excludes, Patterns};
use super::super::scratch::Scratch;
use super::super::sys::names::{Names, SortedNames};
use super::late::Path;
use super::record::{Parts, put_bytes};
use super::spool::Spool;
use super::tree::{There, told};
use backup_core::{Component, Error, ErrorKind, Result, Selection, TreePath};
use rustix::fd::AsFd;

/// What may be deleted: what the capture would have taken, had it been there.
#[derive(Debug)]
pub(super) struct Scope {
    roots: Vec<TreePath>,
    selection: Selection,
    unreadable: Vec<TreePath>,
    excludes: Excludes,
    skip_caches: bool,
    one_file_system: bool,
    /// How many entries there are, if all are to come: fewer mean that a part of the listing is damaged.
    entries: Option<u64>,
    pub(super) max_file_bytes: Option<u64>,
}

impl Scope {
    /// For a component, and the selection of its entries that is restored.
    ///
    /// # Errors
    /// `Unsupported` when it is not known what the capture could not read.
    pub(super) fn new(component: &Component, selection: Selection) -> Result<Scope> {
        if component.outcome.failures_unlisted > 0 {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "nothing can be deleted: the snapshot does not list all that could not be read",
            ));
        }
        let description = &component.spec.source;
        let option = |name: &str| description.options.get(name);
        let mut patterns = Patterns::default();
        for line in option("exclude").into_iter().flat_map(|lines| lines.lines()) {
            patterns.add(line)?;
        }
        let roots: Vec<Vec<u8>> = description.roots.iter().map(TreePath::to_slashed).collect();
        Ok(Scope {
            roots: description.roots.clone(),
            entries: selection.paths.is_empty().then_some(component.totals.entries),
            selection,
            unreadable: component.outcome.failures.iter().map(|failure| failure.path.clone()).collect(),
            excludes: patterns.matcher(&roots)?,
            skip_caches: option("exclude_caches").is_some(),
            one_file_system: option("one_file_system").is_some(),
            max_file_bytes: option("max_file_size_bytes").and_then(|limit| limit.parse().ok()),
        })
    }

    /// Whether the snapshot has all of this directory.
    fn covers(&self, directory: &TreePath) -> bool {
        let below = |paths: &[TreePath]| paths.iter().any(|path| directory.starts_with(path));
        below(&self.roots)
            && (self.selection.paths.is_empty() || below(&self.selection.paths))
            && !self.unreadable.contains(directory)
    }

    /// Whether the capture may have seen this and not taken it.
    pub(super) fn protects(&self, path: &TreePath, is_dir: bool) -> bool {
        self.unreadable.iter().any(|unread| unread.starts_with(path) || path.starts_with(unread))
            || (!self.excludes.is_empty() && self.excludes.matches(&path.to_slashed(), is_dir))
    }
}

/// A directory's names as they were when the restore came to it, against those that the snapshot has.
#[derive(Debug)]
pub(super) struct Sweep {
    place: TreePath,
    stored: TreePath,
    rest: SortedNames,
    chunk: Names,
    next: usize,
    seen: bool,
}

impl Sweep {
    /// Reads a directory that was there before, if names in it may be deleted.
    pub(super) fn start(
        there: &There,
        place: &TreePath,
        stored: &TreePath,
        scope: &Scope,
        scratch: &Scratch,
    ) -> Result<Option<Sweep>, String> {
        if there.fresh || !scope.covers(stored) {
            return Ok(None);
        }
        let descriptor = there.dir.open_for_listing().map_err(|errno| told("cannot list the directory", errno))?;
        if scope.skip_caches && is_cache(descriptor.as_fd()) {
            return Ok(None);
        }
        let (rest, problem) = SortedNames::read(&descriptor, scratch, |_| {}).map_err(|error| error.to_string())?;
        if let Some(errno) = problem {
            return Err(told("cannot list the directory", errno));
        }
        let (place, stored) = (place.clone(), stored.clone());
        Ok(Some(Sweep { place, stored, rest, chunk: Names::default(), next: 0, seen: false }))
    }

    /// The snapshot has `name` next: what stands before it is doomed.
    pub(super) fn pass(&mut self, name: &[u8], doomed: &mut Doomed) -> Result<()> {
        self.seen = true;
        while let Some(found) = self.peek()? {
            let order = found.as_slice().cmp(name);
            if order.is_gt() {
                break;
            }
            if order.is_lt() {
                doomed.add(self, &found)?;
            }
            self.next += 1;
        }
        Ok(())
    }

    /// The snapshot has no more names in this directory.
    pub(super) fn end(mut self, doomed: &mut Doomed) -> Result<()> {
        // Perhaps just a place where something else was mounted.
        if doomed.scope.one_file_system && !self.seen {
            return Ok(());
        }
        while let Some(found) = self.peek()? {
            doomed.add(&self, &found)?;
            self.next += 1;
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<Vec<u8>>> {
        if self.next >= self.chunk.len() {
            self.chunk = self.rest.take(1024)?;
            self.next = 0;
        }
        Ok(self.chunk.get(self.next).map(|name| name.bytes.to_vec()))
    }
}

/// What is to be deleted.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) scope: Scope,
    list: Spool,
    /// Why nothing may be deleted after all.
    pub(super) spared: Option<&'static str>,
    seen: u64,
    last: Option<TreePath>,
    stripped: Option<TreePath>,
}

/// One name to be deleted.
pub(super) struct Victim {
    pub(super) place: TreePath,
    pub(super) stored: TreePath,
    pub(super) name: Vec<u8>,
}

impl Doomed {
    pub(super) fn new(scope: Scope, scratch: Scratch) -> Doomed {
        Doomed { scope, list: Spool::new(scratch), spared: None, seen: 0, last: None, stripped: None }
    }

    /// Sees every entry of the snapshot: a [`Sweep`] rests on their order, and on no two directories becoming one.
    pub(super) fn watch(&mut self, path: &TreePath, strip: usize) {
        self.seen += 1;
        if self.last.as_ref().is_some_and(|last| last >= path) {
            self.spared = Some("the entries do not come in order");
        }
        self.last = Some(path.clone());
        if strip == 0 || path.depth() <= strip {
            return;
        }
        let stripped = TreePath::from_components(path.components().take(strip)).unwrap_or_default();
        if *self.stripped.get_or_insert_with(|| stripped.clone()) != stripped {
            self.spared = Some("the stripped paths put several directories into one");
        }
    }

    /// The snapshot has no more entries.
    pub(super) fn close(&mut self) {
        if self.scope.entries.is_some_and(|entries| entries != self.seen) {
            self.spared = Some("the snapshot's listing has gaps");
        }
    }

    fn add(&mut self, sweep: &Sweep, name: &[u8]) -> Result<()> {
        let mut record = Vec::new();
        put_bytes(&mut record, sweep.place.as_encoded());
        put_bytes(&mut record, sweep.stored.as_encoded());
        put_bytes(&mut record, name);
        self.list.append(&record)
    }

    /// Gives each name to `remove`, in the order in which they were found.
    pub(super) fn each(&self, top: Path, mut remove: impl FnMut(&mut Path, Victim)) -> Result<()> {
        let mut way = top;
        let mut at = 0;
        while at < self.list.end() {
            let (record, next) = self.list.read(at)?;
            at = next;
            let mut parts = Parts(&record);
            let place = TreePath::from_encoded(parts.bytes()?.to_vec())?;
            let stored = TreePath::from_encoded(parts.bytes()?.to_vec())?;
            remove(&mut way, Victim { place, stored, name: parts.bytes()?.to_vec() });
        }
        Ok(())
    }
}
