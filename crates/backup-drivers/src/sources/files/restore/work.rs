//! What a restore decides and makes before contents come.

use super::super::scratch::Scratch;
use super::super::sys::dir::Dir;
use super::super::target::{FilesTarget, Overwrite};
use super::counts::Counts;
use super::ground::Ground;
use super::late::{Late, Origin};
use super::links::{Linked, Links};
use super::metadata::{Before, Held};
use super::sink::Sink;
use super::slot::Slot;
use super::special;
use super::sweep::{Doomed, Sweep};
use super::tree::{Came, Level, Place, There, Tree, descend, told};
use super::verdict::{Verdict, decide, look};
use super::{open_target, remove};
use backup_core::{Batch, Entry, EntryKind, Metadata, Result, TreePath, Wanted};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::retry_on_intr;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The state of a restore, used by one thread at a time.
pub(super) struct Work {
    pub(super) ground: Arc<Ground>,
    strip: usize,
    scratch: Scratch,
    /// The target; `None` in a dry run when it does not exist.
    top: Option<Arc<Dir>>,
    tree: Tree,
    late: Late,
    links: Option<Links>,
    doomed: Option<Doomed>,
    /// To notice when directories fall together, or come twice.
    last: Option<TreePath>,
    prefix: Option<Vec<Vec<u8>>>,
    /// Of the batch begun last.
    slots: HashMap<u64, Slot>,
    waiting: Vec<Waiting>,
    pending: HashSet<u64>,
}

/// A further name of a file whose first name is in the same batch: made once that one is complete.
struct Waiting {
    number: u64,
    there: There,
    name: Vec<u8>,
    replaces: bool,
}

/// Why an entry is passed over, for the list of failures.
type Refusal = String;

impl Work {
    pub(super) fn new(target: &FilesTarget, scratch: Scratch, ground: Ground, doomed: Option<Doomed>) -> Result<Work> {
        let (place, top) = open_target(&ground, target)?;
        Ok(Work {
            ground: Arc::new(ground),
            strip: target.strip_components,
            tree: Tree::new(place),
            late: Late::new(scratch.clone()),
            links: top.clone().map(|top| Links::new(scratch.clone(), top)),
            scratch,
            top,
            doomed,
            last: None,
            prefix: None,
            slots: HashMap::new(),
            waiting: Vec::new(),
            pending: HashSet::new(),
        })
    }

    /// Makes what has no content, and says whose content is needed.
    pub(super) fn begin(&mut self, batch: &Batch) -> Result<Wanted> {
        self.slots.clear();
        self.waiting.clear();
        self.pending.clear();
        for (number, entry) in batch.numbered() {
            self.watch(entry);
            if let Err(refusal) = self.entry(number, entry)? {
                self.ground.fail(&entry.path, refusal);
            }
        }
        let mut wanted: Vec<u64> = self.slots.keys().copied().collect();
        wanted.sort_unstable();
        Ok(Wanted(wanted))
    }

    /// What [`Sweep`] rests on: entries come in order, and no two directories become one.
    fn watch(&mut self, entry: &Entry) {
        let Some(doomed) = &mut self.doomed else { return };
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            doomed.spared = Some("the entries do not come in order");
        }
        self.last = Some(entry.path.clone());
        if self.strip > 0 && entry.path.depth() > self.strip {
            let prefix: Vec<Vec<u8>> = entry.path.components().take(self.strip).map(Cow::into_owned).collect();
            if *self.prefix.get_or_insert_with(|| prefix.clone()) != prefix {
                doomed.spared = Some("the stripped paths put several directories into one");
            }
        }
    }

    /// Handles one entry. The outer error ends the restore.
    fn entry(&mut self, number: u64, entry: &Entry) -> Result<Result<(), Refusal>> {
        let components: Vec<Cow<'_, [u8]>> = entry.path.components().collect();
        if components.len() < self.strip {
            return Ok(Ok(()));
        }
        if let Some(bad) = components.iter().find(|name| !is_safe(name)) {
            return Ok(Err(format!("not a name for a file: {:?}", bad.escape_ascii().to_string())));
        }
        let below = components.get(self.strip..).unwrap_or_default();
        let Some((name, parents)) = below.split_last() else { return self.target_itself(entry) };
        self.walk_to(parents, entry)?;
        if let Some(level) = self.tree.current()
            && let (Some(sweep), Some(doomed)) = (&mut level.sweep, &mut self.doomed)
        {
            sweep.pass(name, doomed)?;
        }
        if entry.kind == EntryKind::Directory {
            return self.directory(name, below, entry);
        }
        let place = self.tree.current().map(|level| level.place.clone());
        let there = match place {
            Some(Place::There(there)) => there,
            Some(Place::Failed(reason)) => return Ok(Err(format!("its directory is missing: {reason}"))),
            Some(Place::Imagined) | None => {
                self.imagine(entry);
                return Ok(Ok(()));
            }
        };
        self.leaf(number, entry, &there, name, below)
    }

    /// Counts what a dry run would make in a directory that it would make.
    fn imagine(&mut self, entry: &Entry) {
        match entry.kind {
            EntryKind::Socket => Counts::one(&self.ground.counts.sockets),
            _ => Counts::one(&self.ground.counts.restored),
        }
    }

    /// Brings the tree to the directory of an entry. What has no entry of its own is made for this user alone.
    fn walk_to(&mut self, parents: &[Cow<'_, [u8]>], entry: &Entry) -> Result<()> {
        let shared = self.tree.shared_depth(parents);
        self.leave(shared)?;
        for name in parents.iter().skip(shared) {
            let Some(level) = self.tree.current() else { return Ok(()) };
            if let (Some(sweep), Some(doomed)) = (&mut level.sweep, &mut self.doomed) {
                sweep.pass(name, doomed)?;
            }
            let (place, _) = descend(&self.ground, &level.place, name, None);
            if let Place::Failed(reason) = &place {
                self.ground.fail(&entry.path, format!("cannot make the directory above it: {reason}"));
            }
            self.tree.push(Level { name: name.to_vec(), place, sweep: None });
        }
        Ok(())
    }

    fn leave(&mut self, depth: usize) -> Result<()> {
        for level in self.tree.leave(depth) {
            if let (Some(sweep), Some(doomed)) = (level.sweep, &mut self.doomed) {
                sweep.end(doomed)?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, name: &[u8], below: &[Cow<'_, [u8]>], entry: &Entry) -> Result<Result<(), Refusal>> {
        let Some(level) = self.tree.current() else { return Ok(Ok(())) };
        let (place, came) = descend(&self.ground, &level.place, name, Some(entry));
        let path = TreePath::from_components(below)?;
        let refusal = match &place {
            Place::Failed(reason) => Err(reason.to_string()),
            Place::Imagined => {
                Counts::one(&self.ground.counts.restored);
                Ok(())
            }
            Place::There(_) => {
                self.came(&came, &path, entry)?;
                Ok(())
            }
        };
        let (sweep, refusal) = match self.sweep(&place, &path, entry) {
            Ok(sweep) => (sweep, refusal),
            Err(reason) => (None, Err(reason)),
        };
        self.tree.push(Level { name: name.to_vec(), place, sweep });
        Ok(refusal)
    }

    fn sweep(&self, place: &Place, path: &TreePath, entry: &Entry) -> Result<Option<Sweep>, Refusal> {
        match (place, &self.doomed) {
            (Place::There(there), Some(doomed)) => Sweep::start(there, path, &entry.path, &doomed.scope, &self.scratch),
            _ => Ok(None),
        }
    }

    /// Counts a directory and remembers what is to be set in the end.
    fn came(&mut self, came: &Came, path: &TreePath, entry: &Entry) -> Result<()> {
        let (origin, metadata) = match came {
            Came::Not => return Ok(()),
            Came::Made => {
                Counts::one(&self.ground.counts.restored);
                (Origin::Made, Cow::Borrowed(&entry.metadata))
            }
            Came::Found(stat) => {
                let policy = self.ground.overwrite;
                let newer = entry.metadata.mtime.is_some_and(|mtime| mtime > stat.mtime);
                if policy == Overwrite::Never || (policy == Overwrite::IfNewer && !newer) {
                    Counts::one(&self.ground.counts.kept);
                    if !self.ground.setter.locked_out(stat) {
                        return Ok(());
                    }
                    let mode = Some(stat.permissions());
                    (Origin::Kept, Cow::Owned(Metadata { mode, ..Metadata::default() }))
                } else {
                    Counts::one(&self.ground.counts.unchanged);
                    (Origin::Found, Cow::Borrowed(&entry.metadata))
                }
            }
        };
        if self.ground.dry_run {
            return Ok(());
        }
        self.late.remember(path, &entry.path, origin, &metadata)
    }

    /// The entry that the target stands for.
    fn target_itself(&mut self, entry: &Entry) -> Result<Result<(), Refusal>> {
        if entry.kind != EntryKind::Directory {
            return Ok(Err("no component of its path is left".to_owned()));
        }
        self.leave(0)?;
        let Some(level) = self.tree.current() else { return Ok(Ok(())) };
        let place = level.place.clone();
        let came = match &place {
            Place::There(there) if there.fresh => Came::Made,
            Place::There(there) => match there.dir.descriptor().and_then(rustix::fs::fstat) {
                Ok(stat) => Came::Found(stat.into()),
                Err(errno) => return Ok(Err(told("cannot tell what the target is like", errno))),
            },
            _ => Came::Not,
        };
        self.came(&came, &TreePath::root(), entry)?;
        match self.sweep(&place, &TreePath::root(), entry) {
            Ok(sweep) => {
                if let Some(level) = self.tree.current() {
                    level.sweep = sweep;
                }
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Anything but a directory.
    fn leaf(
        &mut self,
        number: u64,
        entry: &Entry,
        there: &There,
        name: &[u8],
        below: &[Cow<'_, [u8]>],
    ) -> Result<Result<(), Refusal>> {
        if entry.kind == EntryKind::Socket {
            Counts::one(&self.ground.counts.sockets);
            return Ok(Ok(()));
        }
        let directory = match there.dir.descriptor() {
            Ok(directory) => directory,
            Err(errno) => return Ok(Err(told("cannot open its directory", errno))),
        };
        let found = match if there.fresh { Ok(None) } else { look(directory.as_fd(), name) } {
            Ok(found) => found,
            Err(errno) => return Ok(Err(told("cannot tell what is there", errno))),
        };
        match decide(self.ground.overwrite, entry, found, directory.as_fd(), name) {
            Verdict::Keep => {
                Counts::one(&self.ground.counts.kept);
                Ok(Ok(()))
            }
            Verdict::Unchanged(stat) => {
                if self.joins(entry) && !self.is_first(entry, &stat) {
                    return self.make(number, entry, there, name, true, below);
                }
                Counts::one(&self.ground.counts.unchanged);
                if self.ground.dry_run {
                    return Ok(Ok(()));
                }
                if let Some(links) = &mut self.links
                    && !links.has(entry)
                {
                    let place = TreePath::from_components(below)?;
                    links.remember(entry, &place, stat.device, stat.inode)?;
                }
                Ok(self.set_again(entry, there, name, Before::Found(stat)))
            }
            Verdict::Make => self.make(number, entry, there, name, false, below),
            Verdict::Replace(stat) => {
                if stat.is_dir() && !self.ground.dry_run {
                    // Only an empty directory gives way to something that is none.
                    if let Err(errno) = unlinkat(&directory, name, AtFlags::REMOVEDIR) {
                        return Ok(Err(told("cannot replace the directory that is there", errno)));
                    }
                    return self.make(number, entry, there, name, false, below);
                }
                self.make(number, entry, there, name, true, below)
            }
        }
    }

    /// Whether another name of its file was restored before.
    fn joins(&self, entry: &Entry) -> bool {
        entry.link_group.is_some_and(|group| self.pending.contains(&group))
            || self.links.as_ref().is_some_and(|links| links.has(entry))
    }

    fn is_first(&self, entry: &Entry, stat: &super::super::sys::stat::Stat) -> bool {
        self.links.as_ref().is_some_and(|links| links.is_first(entry, stat))
    }

    fn make(
        &mut self,
        number: u64,
        entry: &Entry,
        there: &There,
        name: &[u8],
        replaces: bool,
        _below: &[Cow<'_, [u8]>],
    ) -> Result<Result<(), Refusal>> {
        if self.ground.dry_run {
            Counts::one(&self.ground.counts.restored);
            return Ok(Ok(()));
        }
        if let Some(group) = entry.link_group {
            if self.pending.contains(&group) {
                let (there, name) = (there.clone(), name.to_vec());
                self.waiting.push(Waiting { number, there, name, replaces });
                return Ok(Ok(()));
            }
            if let Some(links) = &mut self.links {
                match links.link(entry, there, name, replaces, &self.ground)? {
                    Linked::Done => {
                        Counts::one(&self.ground.counts.restored);
                        return Ok(Ok(()));
                    }
                    Linked::Already => {
                        Counts::one(&self.ground.counts.unchanged);
                        return Ok(Ok(()));
                    }
                    Linked::Not => {}
                }
            }
        }
        if entry.has_content() {
            if let Some(group) = entry.link_group {
                self.pending.insert(group);
            }
            self.slots.insert(number, Slot::new(there.clone(), name.to_vec(), replaces));
            return Ok(Ok(()));
        }
        Ok(special::make(&self.ground, there, name, entry, replaces).and_then(|problem| {
            Counts::one(&self.ground.counts.restored);
            problem.map_or(Ok(()), Err)
        }))
    }

    /// Sets the metadata of what is there and stays.
    fn set_again(&self, entry: &Entry, there: &There, name: &[u8], before: Before) -> Result<(), Refusal> {
        let failed = |errno| told("cannot set its metadata", errno);
        let directory = there.dir.descriptor().map_err(failed)?;
        if entry.kind != EntryKind::File {
            return special::set(&self.ground, directory.as_fd(), name, entry, before)?.map_or(Ok(()), Err);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = retry_on_intr(|| openat(&directory, name, flags, Mode::empty())).map_err(failed)?;
        let now = super::super::sys::stat::Stat::from(rustix::fs::fstat(&file).map_err(failed)?);
        match before {
            Before::Found(stat) if !stat.same_file(&now) || !stat.same_state(&now) => {
                Err("somebody put another file in its place".to_owned())
            }
            _ => self.ground.setter.set(Held::Shown(file.as_fd()), &entry.metadata, before, false).map_or(Ok(()), Err),
        }
    }

    /// What takes the contents of the batch begun last.
    pub(super) fn sink(&mut self, batch: &Arc<Batch>) -> Arc<Sink> {
        Arc::new(Sink::new(batch.clone(), std::mem::take(&mut self.slots), self.ground.clone()))
    }

    /// After contents have come: remembers files with further names, makes those names, and gives what needs content
    /// of its own because that did not work.
    pub(super) fn link(&mut self, batch: &Batch, sink: &Sink) -> Result<Wanted> {
        self.pending.clear();
        for (number, entry) in batch.numbered().filter(|(_, entry)| entry.link_group.is_some()) {
            if let (Some((device, inode)), Some(links)) = (sink.made(number), &mut self.links) {
                let components: Vec<_> = entry.path.components().skip(self.strip).collect();
                links.remember(entry, &TreePath::from_components(components)?, device, inode)?;
            }
        }
        for Waiting { number, there, name, replaces } in std::mem::take(&mut self.waiting) {
            let Some(entry) = batch.get(number) else { continue };
            if let Err(refusal) = self.make(number, entry, &there, &name, replaces, &[])? {
                self.ground.fail(&entry.path, refusal);
            }
        }
        let mut wanted: Vec<u64> = self.slots.keys().copied().collect();
        wanted.sort_unstable();
        Ok(Wanted(wanted))
    }

    /// Deletes, sets what comes last, and counts.
    pub(super) fn finish(mut self) -> Result<Arc<Ground>> {
        self.leave(0)?;
        if let (Some(level), Some(doomed)) = (self.tree.current(), &mut self.doomed)
            && let Some(sweep) = level.sweep.take()
        {
            sweep.end(doomed)?;
        }
        if let Some(top) = &self.top {
            if let Some(doomed) = &self.doomed {
                remove::settle(doomed, top, &self.ground, &self.scratch)?;
            }
            self.late.settle(top, &self.ground)?;
        }
        self.ground.counts.settle(&self.ground.report);
        Ok(self.ground)
    }
}

/// Whether a component of a stored path can be the name of a file, and of nothing else.
fn is_safe(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}
