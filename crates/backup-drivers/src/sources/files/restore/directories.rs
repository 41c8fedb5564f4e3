use super::super::target::Overwrite;
use super::counts::Counts;
use super::late::Origin;
use super::sweep::Sweep;
use super::tree::{Came, Level, Place, descend, told};
use super::work::{Trouble, Work};
use backup_core::{Entry, EntryKind, Metadata, Result, TreePath};
use std::borrow::Cow;

impl Work {
    /// Goes to the directory that an entry stands in. What has no entry of its own is made for this user alone.
    pub(super) fn walk_to(&mut self, parents: &[Cow<'_, [u8]>]) -> Result<()> {
        let shared = self.tree.shared_depth(parents);
        self.leave(shared)?;
        for name in parents.iter().skip(shared) {
            self.pass(name)?;
            let Some(level) = self.tree.current() else { return Ok(()) };
            let (place, _) = descend(&self.ground, &level.place, name, None);
            self.tree.push(Level { name: name.to_vec(), place, sweep: None });
        }
        Ok(())
    }

    /// The snapshot has this name in the directory where the restore is.
    pub(super) fn pass(&mut self, name: &[u8]) -> Result<()> {
        if let Some(level) = self.tree.current()
            && let (Some(sweep), Some(doomed)) = (&mut level.sweep, &mut self.doomed)
        {
            sweep.pass(name, doomed)?;
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

    /// Leaves all directories, the target too.
    pub(super) fn leave_all(&mut self) -> Result<()> {
        self.leave(0)?;
        if let Some(level) = self.tree.current()
            && let (Some(sweep), Some(doomed)) = (level.sweep.take(), &mut self.doomed)
        {
            sweep.end(doomed)?;
        }
        Ok(())
    }

    /// Makes or finds a directory and goes into it.
    pub(super) fn directory(&mut self, name: &[u8], below: &[Cow<'_, [u8]>], entry: &Entry) -> Result<(), Trouble> {
        let Some(level) = self.tree.current() else { return Ok(()) };
        let (place, came) = descend(&self.ground, &level.place, name, Some(entry));
        let path = TreePath::from_components(below)?;
        // It becomes the current one in any case: what lies below it must find out why it is missing.
        self.tree.push(Level { name: name.to_vec(), place: place.clone(), sweep: None });
        match &place {
            Place::Failed(reason) => return Err(reason.to_string().into()),
            Place::Imagined => Counts::one(&self.ground.counts.restored),
            Place::There(there) => self.came(&came, there.own_group, &path, entry)?,
        }
        self.sweep(&place, &path, entry)
    }

    /// The entry that the target stands for.
    pub(super) fn target_itself(&mut self, entry: &Entry) -> Result<(), Trouble> {
        if entry.kind != EntryKind::Directory {
            return Err("no component of its path is left".to_owned().into());
        }
        self.leave_all()?;
        let Some(level) = self.tree.current() else { return Ok(()) };
        let place = level.place.clone();
        if let Place::There(there) = &place {
            let stat = there.dir.descriptor().and_then(rustix::fs::fstat);
            let stat = stat.map_err(|errno| told("cannot tell what the target is like", errno))?;
            let came = if there.fresh { Came::Made } else { Came::Found(stat.into()) };
            self.came(&came, there.own_group, &TreePath::root(), entry)?;
        }
        self.sweep(&place, &TreePath::root(), entry)
    }

    /// Begins to look for names to delete in the current directory.
    fn sweep(&mut self, place: &Place, path: &TreePath, entry: &Entry) -> Result<(), Trouble> {
        if let (Place::There(there), Some(doomed)) = (place, &self.doomed) {
            let sweep = Sweep::start(there, path, &entry.path, &doomed.scope, &self.scratch)?;
            if let Some(level) = self.tree.current() {
                level.sweep = sweep;
            }
        }
        Ok(())
    }

    /// Counts a directory and remembers what is to be set in the end.
    fn came(&mut self, came: &Came, own_group: bool, path: &TreePath, entry: &Entry) -> Result<()> {
        let counts = &self.ground.counts;
        let (origin, metadata) = match came {
            Came::Not => return Ok(()),
            Came::Made => {
                Counts::one(&counts.restored);
                let origin = if own_group { Origin::MadeOwn } else { Origin::Made };
                (origin, Cow::Borrowed(&entry.metadata))
            }
            Came::Found(stat) => {
                let policy = self.ground.overwrite;
                let newer = entry.metadata.mtime.is_some_and(|mtime| mtime > stat.mtime);
                if policy == Overwrite::Never || (policy == Overwrite::IfNewer && !newer) {
                    Counts::one(&counts.kept);
                    if !self.ground.setter.locked_out(stat) {
                        return Ok(());
                    }
                    let mode = Some(stat.permissions());
                    (Origin::Kept, Cow::Owned(Metadata { mode, ..Metadata::default() }))
                } else {
                    Counts::one(&counts.unchanged);
                    (Origin::Found, Cow::Borrowed(&entry.metadata))
                }
            }
        };
        if self.ground.dry_run {
            return Ok(());
        }
        self.late.remember(path, &entry.path, origin, &metadata)
    }
}
