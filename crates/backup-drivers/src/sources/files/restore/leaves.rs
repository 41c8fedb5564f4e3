use super::super::sys::stat::Stat;
use super::counts::Counts;
use super::links::Linked;
use super::metadata::{Before, Held};
use super::slot::Slot;
use super::special;
use super::tree::{There, told};
use super::verdict::{Verdict, decide, look};
use super::work::{Trouble, Work};
use backup_core::{Entry, EntryKind};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, unlinkat};
use rustix::io::retry_on_intr;
use std::borrow::Cow;

/// A further name of a file whose first name is in the same batch: made once that one is complete.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) there: There,
    pub(super) name: Vec<u8>,
    pub(super) replaces: bool,
}

/// An entry, and the place where it goes.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) number: u64,
    pub(super) entry: &'a Entry,
    pub(super) there: &'a There,
    pub(super) name: &'a [u8],
    /// Its path below the target, the name included.
    pub(super) below: &'a [Cow<'a, [u8]>],
}

impl Work {
    /// Restores anything but a directory.
    pub(super) fn leaf(&mut self, spot: Spot<'_>) -> Result<(), Trouble> {
        let Spot { entry, there, name, .. } = spot;
        if entry.kind == EntryKind::Socket {
            Counts::one(&self.ground.counts.sockets);
            return Ok(());
        }
        let directory = there.dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
        let found = if there.fresh {
            None
        } else {
            look(directory.as_fd(), name).map_err(|errno| told("cannot tell what is there", errno))?
        };
        match decide(self.ground.overwrite, entry, found, directory.as_fd(), name) {
            Verdict::Keep => {
                Counts::one(&self.ground.counts.kept);
                Ok(())
            }
            Verdict::Unchanged(stat) => self.stays(spot, stat),
            Verdict::Make => self.make(spot, false),
            Verdict::Replace(stat) if stat.is_dir() && !self.ground.dry_run => {
                // Only an empty directory gives way to something that is none.
                unlinkat(&directory, name, AtFlags::REMOVEDIR)
                    .map_err(|errno| told("cannot replace the directory that is there", errno))?;
                self.make(spot, false)
            }
            Verdict::Replace(_) => self.make(spot, true),
        }
    }

    /// The same is there already, at least under this name.
    fn stays(&mut self, spot: Spot<'_>, stat: Stat) -> Result<(), Trouble> {
        let has_pending = spot.entry.link_group.is_some_and(|group| self.pending.contains(&group));
        let first = self.links.as_ref().and_then(|links| links.first(spot.entry));
        if has_pending || first.is_some_and(|first| first != (stat.device, stat.inode)) {
            // As content it is the same, but it must become a name of the file restored before.
            return self.make(spot, true);
        }
        Counts::one(&self.ground.counts.unchanged);
        if let (None, Some(links)) = (first, &mut self.links) {
            links.remember(spot.entry, spot.below, (stat.device, stat.inode))?;
        }
        if self.ground.dry_run { Ok(()) } else { self.set_again(spot, stat) }
    }

    /// Makes an entry whose directory is there, or says that its content is needed.
    pub(super) fn make(&mut self, spot: Spot<'_>, replaces: bool) -> Result<(), Trouble> {
        let Spot { number, entry, there, name, below } = spot;
        if self.ground.dry_run {
            self.pending.extend(entry.link_group);
            Counts::one(&self.ground.counts.restored);
            return Ok(());
        }
        if entry.link_group.is_some_and(|group| self.pending.contains(&group)) {
            let (there, name) = (there.clone(), name.to_vec());
            self.waiting.push(Waiting { number, there, name, replaces });
            return Ok(());
        }
        if let Some(links) = &mut self.links {
            let count = match links.link(entry, there, name, replaces, &self.ground)? {
                Linked::Done => Some(&self.ground.counts.restored),
                Linked::Already => Some(&self.ground.counts.unchanged),
                Linked::Not => None,
            };
            if let Some(count) = count {
                Counts::one(count);
                return Ok(());
            }
        }
        if entry.has_content() {
            self.pending.extend(entry.link_group);
            self.slots.insert(number, Slot::new(there.clone(), name.to_vec(), replaces));
            return Ok(());
        }
        let made = special::make(&self.ground, there, name, entry, replaces)?;
        Counts::one(&self.ground.counts.restored);
        if let Some(links) = &mut self.links {
            links.remember(entry, below, made.identity)?;
        }
        made.problem.map_or(Ok(()), |problem| Err(problem.into()))
    }

    /// Sets the metadata of what is there and stays.
    fn set_again(&self, spot: Spot<'_>, stat: Stat) -> Result<(), Trouble> {
        let Spot { entry, name, .. } = spot;
        let failed = |errno| told("cannot set its metadata", errno);
        let directory = spot.there.dir.descriptor().map_err(failed)?;
        let before = Before::Found(stat);
        let problem = if entry.kind == EntryKind::File {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = retry_on_intr(|| openat(&directory, name, flags, Mode::empty())).map_err(failed)?;
            let now = Stat::from(fstat(&file).map_err(failed)?);
            if !stat.same_file(&now) || !stat.same_state(&now) {
                return Err("somebody put another file in its place".to_owned().into());
            }
            self.ground.setter.set(Held::Shown(file.as_fd()), &entry.metadata, before, false)
        } else {
            special::set(&self.ground, directory.as_fd(), name, entry, before)?.problem
        };
        problem.map_or(Ok(()), |problem| Err(problem.into()))
    }
}
