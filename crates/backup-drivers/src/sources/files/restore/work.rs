use super::super::scratch::Scratch;
use super::super::sys::dir::Dir;
use super::super::target::FilesTarget;
use super::counts::Counts;
use super::ground::Ground;
use super::late::Late;
use super::leaves::{Spot, Waiting};
use super::links::Links;
use super::sink::Sink;
use super::slot::Slot;
use super::sweep::Doomed;
use super::tree::{Place, Tree};
use super::{open_target, remove};
use backup_core::{Batch, Entry, EntryKind, Error, Result, Wanted};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The state of a restore, used by one thread at a time. Directories are handled in `directories.rs`, everything else
/// in `leaves.rs`.
pub(super) struct Work {
    pub(super) ground: Arc<Ground>,
    strip: usize,
    pub(super) scratch: Scratch,
    /// The target; `None` in a dry run when it does not exist.
    top: Option<Arc<Dir>>,
    pub(super) tree: Tree,
    pub(super) late: Late,
    pub(super) links: Option<Links>,
    pub(super) doomed: Option<Doomed>,
    /// Of the batch begun last: files that get content, further names of those, and their groups.
    pub(super) slots: HashMap<u64, Slot>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) pending: HashSet<u64>,
}

/// Why something was not done.
pub(super) enum Trouble {
    /// One entry cannot be restored: the reason, for the list of failures.
    Refused(String),
    /// The restore as a whole cannot go on.
    Fatal(Error),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Trouble::Refused(reason)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Fatal(error)
    }
}

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
            if let Some(doomed) = &mut self.doomed {
                doomed.watch(&entry.path, self.strip);
            }
            let done = self.entry(number, entry);
            self.note(entry, done)?;
        }
        Ok(self.wanted())
    }

    /// Records a refusal; gives what ends the restore.
    fn note(&self, entry: &Entry, done: Result<(), Trouble>) -> Result<()> {
        match done {
            Ok(()) => Ok(()),
            Err(Trouble::Fatal(error)) => Err(error),
            Err(Trouble::Refused(reason)) => {
                self.ground.fail(&entry.path, reason);
                Ok(())
            }
        }
    }

    fn wanted(&self) -> Wanted {
        let mut wanted: Vec<u64> = self.slots.keys().copied().collect();
        wanted.sort_unstable();
        Wanted(wanted)
    }

    fn entry(&mut self, number: u64, entry: &Entry) -> Result<(), Trouble> {
        let components: Vec<Cow<'_, [u8]>> = entry.path.components().collect();
        // Directories above what is left are not made; of anything else it has to be said that it is not restored.
        let below = components.get(self.strip..).unwrap_or_default();
        match entry.kind {
            EntryKind::Directory if components.len() < self.strip => return Ok(()),
            EntryKind::Socket if below.is_empty() => return Ok(()),
            _ => {}
        }
        if let Some(bad) = components.iter().find(|name| !is_safe(name)) {
            return Err(format!("not a name for a file: \"{}\"", bad.escape_ascii()).into());
        }
        let Some((name, parents)) = below.split_last() else { return self.target_itself(entry) };
        self.walk_to(parents)?;
        self.pass(name)?;
        if entry.kind == EntryKind::Directory {
            return self.directory(name, below, entry);
        }
        match self.tree.current().map(|level| level.place.clone()) {
            Some(Place::There(there)) => self.leaf(Spot { number, entry, there: &there, name, below }),
            Some(Place::Failed(reason)) => Err(format!("its directory is missing: {reason}").into()),
            Some(Place::Imagined) | None => {
                let counts = &self.ground.counts;
                Counts::one(if entry.kind == EntryKind::Socket { &counts.sockets } else { &counts.restored });
                Ok(())
            }
        }
    }

    /// What takes the contents of the batch begun last.
    pub(super) fn sink(&mut self, batch: &Arc<Batch>) -> Arc<Sink> {
        Arc::new(Sink::new(batch.clone(), std::mem::take(&mut self.slots), self.ground.clone()))
    }

    /// Whether files of the batch begun last have further names, here or in batches to come.
    pub(super) fn has_links(&self) -> bool {
        !self.pending.is_empty()
    }

    /// After contents have come: remembers files with further names, makes those names, and gives what needs content
    /// of its own because that did not work.
    pub(super) fn link(&mut self, batch: &Batch, sink: &Sink) -> Result<Wanted> {
        self.pending.clear();
        for (number, entry) in batch.numbered().filter(|(_, entry)| entry.link_group.is_some()) {
            if let (Some(identity), Some(links)) = (sink.made(number), &mut self.links) {
                let below: Vec<_> = entry.path.components().skip(self.strip).collect();
                links.remember(entry, &below, identity)?;
            }
        }
        for Waiting { number, there, name, replaces } in std::mem::take(&mut self.waiting) {
            let Some(entry) = batch.get(number) else { continue };
            let below: Vec<_> = entry.path.components().skip(self.strip).collect();
            let done = self.make(Spot { number, entry, there: &there, name: &name, below: &below }, replaces);
            self.note(entry, done)?;
        }
        Ok(self.wanted())
    }

    /// Deletes, sets what comes last, and counts.
    pub(super) fn finish(mut self) -> Result<Arc<Ground>> {
        self.leave_all()?;
        if let Some(top) = &self.top {
            if let Some(doomed) = &mut self.doomed {
                doomed.close();
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
