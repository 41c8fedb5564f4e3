//! Which sessions of this machine live.
//!
//! Each has a file in the cache, `sessions/<session>`, and holds a lock on it; the system lets go of the lock when the
//! process ends, however it ends. A file whose lock is free is that of a session that died.
//!
//! The lock is as good as the file system. What judges wrongly costs work and loses nothing: a session that lives and is
//! adopted all the same finds itself fenced, and one that died and is not found is fenced by an owner when its lease has
//! lapsed. So files are judged only where a free lock can be believed: on the machine that made them (its name, or its
//! kernel's boot, which containers have in common), not where a cache was copied to or is shared over a network.

use crate::format::ids::SessionId;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a file says is two short lines.
const MAX_FILE: u64 = 4096;

/// The file of a session, locked until this is dropped.
#[derive(Debug)]
pub(super) struct SessionFile {
    pub(super) session: SessionId,
    path: PathBuf,
    _locked: File,
}

impl SessionFile {
    /// Says that a session lives; none where that cannot be said.
    pub(super) fn create(folder: &Path, session: SessionId) -> Option<Self> {
        let path = folder.join(session.to_string());
        let create = || -> io::Result<File> {
            fs::create_dir_all(folder)?;
            // Locked before it has its name, so that nobody takes it for a dead session's.
            let file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
            file.as_file().try_lock().map_err(io::Error::from)?;
            file.as_file().write_all(Machine::here().to_text().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(&path).map_err(io::Error::from)
        };
        let _locked = create().ok()?;
        let file = SessionFile { session, path, _locked };
        // Where a lock is given twice, a free one says nothing.
        if claim(folder, session, &Machine::here()).is_ok_and(|twice| twice.is_none()) {
            return Some(file);
        }
        file.remove();
        None
    }

    /// The session is over.
    pub(super) fn remove(self) {
        // One that stays is looked at once more by the next push.
        let _ = fs::remove_file(&self.path);
    }
}

/// The files of dead sessions of this machine and series, newest first, at most `most`. Nobody else is given them while
/// they are held.
pub(super) fn dead(folder: &Path, series: [u8; 4], most: usize) -> Vec<SessionFile> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    let mut sessions: Vec<SessionId> = listing
        .filter_map(|entry| {
            let session = SessionId::from_hex(entry.ok()?.file_name().to_str()?).ok()?;
            (session.series() == series).then_some(session)
        })
        .collect();
    sessions.sort_unstable_by(|a, b| b.cmp(a));
    let here = Machine::here();
    sessions.into_iter().filter_map(|session| claim(folder, session, &here).ok()?).take(most).collect()
}

/// A file with its lock; none while its session lives, or when it is not this machine's to judge.
fn claim(folder: &Path, session: SessionId, here: &Machine) -> io::Result<Option<SessionFile>> {
    let path = folder.join(session.to_string());
    let file = File::open(&path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        locked => locked?,
    }
    // Who held the lock before may have removed the file since it was opened.
    let (locked, there) = (file.metadata()?, fs::symlink_metadata(&path)?);
    let is_there = (locked.dev(), locked.ino()) == (there.dev(), there.ino());
    let mut text = String::new();
    (&file).take(MAX_FILE).read_to_string(&mut text)?;
    let is_ours = is_there && Machine::of(&text).is(here);
    Ok(is_ours.then_some(SessionFile { session, path, _locked: file }))
}

/// A machine, as far as it can be told from others.
#[derive(Debug, Default)]
struct Machine {
    name: String,
    /// Changes whenever it is started; empty where the system does not tell.
    boot: String,
}

impl Machine {
    fn here() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Machine { name, boot: boot.trim().to_owned() }
    }

    fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::to_owned);
        Machine { name: lines.next().unwrap_or_default(), boot: lines.next().unwrap_or_default() }
    }

    fn to_text(&self) -> String {
        format!("{}\n{}\n", self.name, self.boot)
    }

    fn is(&self, other: &Self) -> bool {
        let same = |a: &str, b: &str| !a.is_empty() && a == b;
        same(&self.name, &other.name) || same(&self.boot, &other.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(time: u8, series: u8) -> SessionId {
        SessionId([time, 0, 0, 0, 0, 0, series, series, series, series, 0, 0, 0, 0, 0, 0])
    }

    fn found(folder: &Path) -> Vec<SessionId> {
        dead(folder, [7; 4], 10).iter().map(|file| file.session).collect()
    }

    #[test]
    fn the_dead_of_a_series_are_found_once_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("sessions");
        assert!(found(&folder).is_empty());
        let [first, second, third] = [1, 2, 3].map(|i| SessionFile::create(&folder, session(i, 7)).unwrap());
        drop(SessionFile::create(&folder, session(4, 8)).unwrap());
        assert!(found(&folder).is_empty(), "all live");
        drop((first, third));
        assert_eq!(found(&folder), [session(3, 7), session(1, 7)]);
        assert_eq!(dead(&folder, [7; 4], 1).len(), 1);
        let held = dead(&folder, [7; 4], 10);
        assert!(found(&folder).is_empty(), "somebody adopts them");
        held.into_iter().for_each(SessionFile::remove);
        assert!(found(&folder).is_empty());
        second.remove();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn files_of_other_machines_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let here = Machine::here();
        assert!(!here.name.is_empty());
        let elsewhere = Machine { name: format!("not-{}", here.name), boot: "another".into() };
        // In a container, which has another name each time; and after a restart.
        let container = Machine { name: "0f3c".into(), boot: here.boot.clone() };
        let restarted = Machine { name: here.name, boot: "another".into() };
        for (i, (machine, ours)) in
            [(elsewhere, false), (container, !here.boot.is_empty()), (restarted, true)].into_iter().enumerate()
        {
            let path = folder.path().join(session(i as u8, 7).to_string());
            fs::write(&path, machine.to_text()).unwrap();
            assert_eq!(found(folder.path()).len(), usize::from(ours), "{machine:?}");
            fs::remove_file(path).unwrap();
        }
        fs::write(folder.path().join(session(9, 7).to_string()), "").unwrap();
        assert!(found(folder.path()).is_empty());
    }
}
