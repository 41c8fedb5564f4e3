use super::super::sys::owners::Owners;
use super::super::sys::reason;
use super::super::sys::stat::Stat;
use super::super::sys::xattrs::{Holder, Xattrs};
use super::super::target::Ownership;
use backup_core::{Metadata, Timestamp};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::fs::{chmodat, chownat, fchmod, fchown, futimens, utimensat};
use rustix::io::Errno;

/// The attributes of POSIX ACLs: what a file or directory grants, and what is given on to new ones in a directory.
pub(super) const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
pub(super) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

const SETUID_SETGID: u32 = 0o6000;

/// Puts metadata onto what was restored.
#[derive(Debug)]
pub(super) struct Setter {
    owners: Owners,
    ownership: Ownership,
    user: u32,
    group: u32,
}

/// What is known of something before its metadata is set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Before {
    /// This process has just made it.
    Made {
        /// Whether its group is certainly this process's.
        own_group: bool,
        /// Whether it may have got an access list from its directory.
        inherits: bool,
    },
    /// It was there.
    Found(Stat),
}

/// How something is held while its metadata is set.
#[derive(Clone, Copy)]
pub(super) enum Held<'a> {
    /// Opened for reading or writing.
    Open(BorrowedFd<'a>),
    /// Opened with `O_PATH`: calls go to the name under which the system shows the descriptor.
    Shown(BorrowedFd<'a>),
}

impl Setter {
    pub(super) fn new(ownership: Ownership) -> Setter {
        Setter {
            owners: Owners::default(),
            ownership,
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        }
    }

    /// Whether this process may do what it likes to files.
    pub(super) fn is_root(&self) -> bool {
        self.user == 0
    }

    /// Whether a directory of this state is one of this process that it has locked itself out of.
    pub(super) fn locked_out(&self, stat: &Stat) -> bool {
        !self.is_root() && stat.uid == self.user && stat.mode & 0o700 != 0o700
    }

    /// Whether this group is what new files get anyhow.
    pub(super) fn is_own_group(&self, gid: u32) -> bool {
        gid == self.group
    }

    /// Sets everything that the metadata knows: owner, attributes, permissions, time, in this order, because each
    /// may change what follows. Gives the first thing that could not be set; the others are set all the same.
    pub(super) fn set(&self, held: Held<'_>, metadata: &Metadata, before: Before, is_link: bool) -> Option<String> {
        let mut problems = Problems(None);
        let mut mode = metadata.mode;
        let owned = self.own(held, metadata, before);
        if let Err(errno) = owned
            && self.is_root()
        {
            problems.note("cannot set its owner", errno);
        }
        // Who owns a file for another must not get that other's rights lent to it.
        if owned.is_err() || (self.ownership == Ownership::Restorer && !self.would_own(metadata)) {
            mode = mode.map(|mode| mode & !SETUID_SETGID);
        }
        let changed = self.xattrs(held, metadata, before, &mut problems) || owned != Ok(false);
        if let Some(mode) = mode
            && !is_link
            && (changed || !matches!(before, Before::Found(stat) if stat.permissions() == mode))
        {
            problems.check("cannot set its permissions", held.chmod(mode));
        }
        if let Some(mtime) = metadata.mtime
            && !matches!(before, Before::Found(stat) if stat.mtime == mtime && stat.is_file())
        {
            problems.check("cannot set its modification time", held.set_time(mtime));
        }
        problems.0
    }

    /// Gives whether it changed hands.
    fn own(&self, held: Held<'_>, metadata: &Metadata, before: Before) -> Result<bool, Errno> {
        let (uid, gid) = self.owner(metadata);
        let (has_uid, has_gid) = match before {
            Before::Made { own_group, .. } => (Some(self.user), own_group.then_some(self.group)),
            Before::Found(stat) => (Some(stat.uid), Some(stat.gid)),
        };
        let uid = uid.filter(|uid| has_uid != Some(*uid));
        let gid = gid.filter(|gid| has_gid != Some(*gid));
        if uid.is_none() && gid.is_none() {
            return Ok(false);
        }
        let owned = held.chown(uid, gid);
        if owned.is_err() && uid.is_some() && gid.is_some() {
            // A user may still give files to a group of theirs.
            let _ = held.chown(None, gid);
        }
        owned.map(|()| true)
    }

    fn would_own(&self, metadata: &Metadata) -> bool {
        metadata.uid == Some(self.user) && metadata.gid == Some(self.group)
    }

    /// Whom it is to belong to.
    fn owner(&self, metadata: &Metadata) -> (Option<u32>, Option<u32>) {
        match self.ownership {
            Ownership::Restorer => (None, None),
            Ownership::Numbers => (metadata.uid, metadata.gid),
            Ownership::Names => (
                metadata.user.as_ref().and_then(|name| self.owners.uid(name)).or(metadata.uid),
                metadata.group.as_ref().and_then(|name| self.owners.gid(name)).or(metadata.gid),
            ),
        }
    }

    /// Gives whether anything was changed.
    fn xattrs(&self, held: Held<'_>, metadata: &Metadata, before: Before, problems: &mut Problems) -> bool {
        let wanted = &metadata.xattrs;
        let holder = held.holder();
        let has = match before {
            Before::Made { inherits: true, .. } => Xattrs::from([(ACCESS_ACL.to_vec(), Vec::new())]),
            Before::Made { .. } => Xattrs::new(),
            Before::Found(_) => {
                let (has, problem) = holder.read();
                if let Some(errno) = problem {
                    problems.note("cannot read its extended attributes", errno);
                }
                has
            }
        };
        let mut changed = false;
        // An entry without permissions is no file's: what it lacks says nothing.
        let known = metadata.mode.is_some();
        for name in has.keys().filter(|name| known && !wanted.contains_key(*name) && is_ours(name)) {
            problems.check("cannot remove an extended attribute", holder.remove(name));
            changed = true;
        }
        for (name, value) in wanted.iter().filter(|(name, value)| has.get(*name) != Some(value)) {
            problems.check("cannot set an extended attribute", holder.set(name, value));
            changed = true;
        }
        changed
    }
}

/// Whether an attribute that the entry lacks is removed. Labels of security modules and file systems are the host's.
fn is_ours(name: &[u8]) -> bool {
    name.starts_with(b"user.") || [ACCESS_ACL, DEFAULT_ACL, b"security.capability"].contains(&name)
}

impl<'a> Held<'a> {
    fn holder(self) -> Holder<'a> {
        match self {
            Held::Open(descriptor) => Holder::Open(descriptor),
            Held::Shown(descriptor) => Holder::shown(descriptor),
        }
    }

    fn shown(descriptor: BorrowedFd<'_>) -> String {
        format!("/proc/self/fd/{}", descriptor.as_raw_fd())
    }

    pub(super) fn chmod(self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        match self {
            Held::Open(descriptor) => fchmod(descriptor, mode),
            Held::Shown(descriptor) => chmodat(CWD, Held::shown(descriptor), mode, AtFlags::empty()),
        }
    }

    fn chown(self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        // All ones is no owner but "leave it".
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Held::Open(descriptor) => fchown(descriptor, uid, gid),
            Held::Shown(descriptor) => chownat(descriptor, c"", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    fn set_time(self, mtime: Timestamp) -> Result<(), Errno> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.min(999_999_999).into() },
        };
        match self {
            Held::Open(descriptor) => futimens(descriptor, &times),
            Held::Shown(descriptor) => utimensat(CWD, Held::shown(descriptor), &times, AtFlags::empty()),
        }
    }
}

/// The first problem.
struct Problems(Option<String>);

impl Problems {
    fn check(&mut self, what: &str, result: Result<(), Errno>) {
        if let Err(errno) = result {
            self.note(what, errno);
        }
    }

    fn note(&mut self, what: &str, errno: Errno) {
        self.0.get_or_insert_with(|| format!("{what}: {}", reason(errno)));
    }
}
