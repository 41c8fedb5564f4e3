//! Deleting what the snapshot does not have.

use super::super::scratch::Scratch;
use super::super::sys::dir::{Dir, Links};
use super::super::sys::names::SortedNames;
use super::counts::Counts;
use super::ground::Ground;
use super::late::Path;
use super::sweep::{Doomed, Scope, Victim};
use super::tree::told;
use super::verdict::look;
use backup_core::{Result, TreePath};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use std::sync::Arc;

/// Deletes everything on the list, or, in a dry run, counts it.
pub(super) fn settle(doomed: &Doomed, top: &Arc<Dir>, ground: &Ground, scratch: &Scratch) -> Result<()> {
    if let Some(reason) = doomed.spared {
        ground.fail(&TreePath::root(), format!("nothing was deleted: {reason}"));
        return Ok(());
    }
    doomed.each(Path::new(top.clone()), |way, Victim { place, stored, name }| {
        let dir = way.at(&place);
        let Ok(path) = stored.join(&name) else { return };
        let remover = Remover { scope: &doomed.scope, ground, scratch };
        match remover.remove(&dir, &name, &path) {
            Ok(true) => Counts::one(&ground.counts.deleted),
            Ok(false) => {}
            Err(reason) => ground.fail(&path, reason),
        }
    })
}

struct Remover<'a> {
    scope: &'a Scope,
    ground: &'a Ground,
    scratch: &'a Scratch,
}

/// A directory that is being emptied.
struct Emptying {
    dir: Arc<Dir>,
    path: TreePath,
    device: u64,
    names: SortedNames,
    /// Something in it stays, so it stays.
    kept: bool,
}

/// What became of a name.
enum Fate {
    Gone,
    Kept,
    /// A directory: first what is in it.
    Enter(Emptying),
}

impl Remover<'_> {
    /// Removes a name and all below it, except what is protected. Gives whether it is gone.
    fn remove(&self, dir: &Arc<Dir>, name: &[u8], path: &TreePath) -> Result<bool, String> {
        let above = dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
        let device = rustix::fs::fstat(&above).map_err(|errno| told("cannot open its directory", errno))?.st_dev;
        let mut stack = match self.one(dir, name, path, device)? {
            Fate::Gone => return Ok(true),
            Fate::Kept => return Ok(false),
            Fate::Enter(below) => vec![below],
        };
        loop {
            let Some(current) = stack.last_mut() else { return Ok(true) };
            let names = current.names.take(1).map_err(|error| error.to_string())?;
            if let Some(name) = names.get(0) {
                let path = current.path.join(name.bytes).map_err(|error| error.to_string())?;
                match self.one(&current.dir, name.bytes, &path, current.device)? {
                    Fate::Gone => {}
                    Fate::Kept => current.kept = true,
                    Fate::Enter(below) => stack.push(below),
                }
                continue;
            }
            let Some(emptied) = stack.pop() else { return Ok(true) };
            let kept = emptied.kept || !self.unlink(&emptied.dir)?;
            match stack.last_mut() {
                Some(above) => above.kept |= kept,
                None => return Ok(!kept),
            }
        }
    }

    fn one(&self, dir: &Arc<Dir>, name: &[u8], path: &TreePath, device: u64) -> Result<Fate, String> {
        let above = dir.descriptor().map_err(|errno| told("cannot open its directory", errno))?;
        let failed = |errno| told("cannot delete it", errno);
        let Some(stat) = look(above.as_fd(), name).map_err(failed)? else { return Ok(Fate::Gone) };
        let too_large = stat.is_file() && self.scope.max_file_bytes.is_some_and(|limit| stat.size > limit);
        if too_large || self.scope.protects(path, stat.is_dir()) {
            return Ok(Fate::Kept);
        }
        if stat.is_dir() {
            if stat.device != device {
                return Err("cannot delete it: another file system is mounted there".to_owned());
            }
            let below = dir.child(name, Links::Refuse);
            let listing = below.open_for_listing().map_err(failed)?;
            let (names, problem) =
                SortedNames::read(&listing, self.scratch, |_| {}).map_err(|error| error.to_string())?;
            if let Some(errno) = problem {
                return Err(failed(errno));
            }
            return Ok(Fate::Enter(Emptying { dir: below, path: path.clone(), device, names, kept: false }));
        }
        if !self.ground.dry_run {
            unlinkat(&above, name, AtFlags::empty()).map_err(failed)?;
        }
        Ok(Fate::Gone)
    }

    /// Removes an emptied directory; one that was filled again meanwhile stays.
    fn unlink(&self, dir: &Arc<Dir>) -> Result<bool, String> {
        if self.ground.dry_run {
            return Ok(true);
        }
        let failed = |errno| told("cannot delete it", errno);
        let Some(parent) = dir.parent() else { return Ok(false) };
        let above = parent.descriptor().map_err(failed)?;
        match unlinkat(&above, dir.name(), AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(errno) => Err(failed(errno)),
        }
    }
}
