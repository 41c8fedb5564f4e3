use super::lock;
use backup_core::{Error, Result, TreePath};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Enough to reach children, whatever the permissions to list it are.
const TRAVERSE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a symbolic link in the way is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// Only where the user named the path.
    Follow,
    /// Everywhere else.
    Refuse,
}

/// A directory, known by its parent and its name. Its descriptor is opened when it is needed, from the nearest
/// ancestor that is open, one component after the other and never through a symbolic link: so paths may be of any
/// length, few descriptors stay open, and nobody can divert the way.
pub(crate) struct Dir {
    parent: Option<Arc<Dir>>,
    name: Box<[u8]>,
    links: Links,
    descriptor: Mutex<Option<Arc<OwnedFd>>>,
    used: AtomicBool,
    open: Arc<OpenDirs>,
}

impl Dir {
    /// The root of the file system.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn top() -> Result<Arc<Dir>> {
        let top = openat(CWD, c"/", TRAVERSE, Mode::empty())
            .map_err(|errno| Error::io("cannot open the root of the file system", errno.into()))?;
        Ok(Dir::root(top, OpenDirs::new()))
    }

    /// A directory that stays open: the start of all paths.
    pub(crate) fn root(descriptor: OwnedFd, open: Arc<OpenDirs>) -> Arc<Dir> {
        Arc::new(Dir {
            parent: None,
            name: Box::default(),
            links: Links::Refuse,
            descriptor: Mutex::new(Some(Arc::new(descriptor))),
            used: AtomicBool::new(true),
            open,
        })
    }

    /// A child that is not opened yet.
    pub(crate) fn child(self: &Arc<Self>, name: &[u8], links: Links) -> Arc<Dir> {
        Arc::new(Dir {
            parent: Some(self.clone()),
            name: name.into(),
            links,
            descriptor: Mutex::new(None),
            used: AtomicBool::new(false),
            open: self.open.clone(),
        })
    }

    /// The directory it stands in; none for the root.
    pub(crate) fn parent(&self) -> Option<&Arc<Dir>> {
        self.parent.as_ref()
    }

    /// Its name in there; empty for the root.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// A descriptor below which names can be looked up, made or removed; not always one that can be listed.
    ///
    /// # Errors
    /// What opening it, or an ancestor of it, gave.
    pub(crate) fn descriptor(self: &Arc<Self>) -> Result<Arc<OwnedFd>, Errno> {
        let mut closed: Vec<&Arc<Dir>> = Vec::new();
        let mut at = self;
        let mut base = loop {
            if let Some(open) = at.cached() {
                break open;
            }
            closed.push(at);
            at = at.parent.as_ref().ok_or(Errno::BADF)?;
        };
        while let Some(dir) = closed.pop() {
            base = Arc::new(dir.open_in(base.as_fd(), TRAVERSE)?);
            // Of a long way only the last steps are likely to be used again.
            if closed.len() < 8 {
                dir.open.keep(dir, base.clone());
            }
        }
        Ok(base)
    }

    /// Opens it anew for listing, and keeps that descriptor for later look-ups.
    ///
    /// # Errors
    /// What opening it, or an ancestor of it, gave.
    pub(crate) fn open_for_listing(self: &Arc<Self>) -> Result<Arc<OwnedFd>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match &self.parent {
            Some(parent) => Arc::new(self.open_in(parent.descriptor()?.as_fd(), flags)?),
            None => {
                let descriptor = self.descriptor()?;
                return Ok(Arc::new(retry_on_intr(|| openat(&descriptor, c".", flags, Mode::empty()))?));
            }
        };
        self.open.keep(self, opened.clone());
        Ok(opened)
    }

    /// Takes a descriptor of this directory that the caller has opened.
    pub(crate) fn adopt(self: &Arc<Self>, descriptor: OwnedFd) -> Arc<OwnedFd> {
        let descriptor = Arc::new(descriptor);
        self.open.keep(self, descriptor.clone());
        descriptor
    }

    fn open_in(&self, parent: impl AsFd, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = if self.links == Links::Follow { flags } else { flags | OFlags::NOFOLLOW };
        retry_on_intr(|| openat(&parent, &*self.name, flags, Mode::empty()))
    }

    fn cached(&self) -> Option<Arc<OwnedFd>> {
        let open = lock(&self.descriptor).clone();
        if open.is_some() {
            self.used.store(true, Ordering::Relaxed);
        }
        open
    }

    /// Names from the root down.
    pub(crate) fn components(&self) -> Vec<&[u8]> {
        let mut components = Vec::new();
        let mut at = self;
        while let Some(parent) = &at.parent {
            components.push(&*at.name);
            at = parent;
        }
        components.reverse();
        components
    }

    /// Its path from the root.
    ///
    /// # Errors
    /// When it is longer than a path may be.
    pub(crate) fn tree_path(&self) -> Result<TreePath> {
        TreePath::from_components(self.components())
    }
}

/// A chain of many thousand parents must not be dropped by recursion.
impl Drop for Dir {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(dir) = next {
            next = Arc::into_inner(dir).and_then(|mut dir| dir.parent.take());
        }
    }
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dir({})", self.name.escape_ascii())
    }
}

/// The directories whose descriptors are open, bounded: the least used are closed (second chance).
#[derive(Debug)]
pub(crate) struct OpenDirs {
    capacity: usize,
    kept: Mutex<VecDeque<Weak<Dir>>>,
}

impl OpenDirs {
    /// As many as are of use, and a fraction of what the process may open.
    pub(crate) fn new() -> Arc<OpenDirs> {
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(4096);
        let capacity = usize::try_from(allowed / 8).unwrap_or(usize::MAX).clamp(16, 256);
        Arc::new(OpenDirs { capacity, kept: Mutex::default() })
    }

    fn keep(&self, dir: &Arc<Dir>, descriptor: Arc<OwnedFd>) {
        *lock(&dir.descriptor) = Some(descriptor);
        dir.used.store(true, Ordering::Relaxed);
        let mut kept = lock(&self.kept);
        kept.push_back(Arc::downgrade(dir));
        while kept.len() > self.capacity {
            let Some(oldest) = kept.pop_front() else { break };
            match oldest.upgrade() {
                Some(dir) if dir.used.swap(false, Ordering::Relaxed) => kept.push_back(oldest),
                Some(dir) => drop(lock(&dir.descriptor).take()),
                None => {}
            }
        }
    }
}
