use rustix::buffer::spare_capacity;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs;
use rustix::io::Errno;
use std::collections::BTreeMap;

/// Extended attributes by full name.
pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Linux allows 64 KiB; what says that it has more is not believed.
const MAX_BYTES: usize = 1 << 20;

/// Something that has extended attributes.
pub(crate) enum Holder<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// Anything else, by the path under which the system shows a descriptor that stands for it.
    Shown(String),
}

impl<'a> Holder<'a> {
    /// For a descriptor opened with `O_PATH`, on which the calls for open files do not work.
    pub(crate) fn shown(descriptor: BorrowedFd<'a>) -> Self {
        Holder::Shown(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
    }

    /// All attributes that can be read, and what kept the others from it.
    pub(crate) fn read(&self) -> (Xattrs, Option<Errno>) {
        let mut found = Xattrs::new();
        let names = match self.names() {
            Ok(names) => names,
            Err(errno) => return (found, Some(errno)),
        };
        let mut problem = None;
        for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            match self.value(name) {
                Ok(value) => drop(found.insert(name.to_vec(), value)),
                // Removed between the two calls.
                Err(Errno::NODATA) => {}
                Err(errno) => problem = Some(errno),
            }
        }
        (found, problem)
    }

    /// Whether it has this attribute, as far as can be told.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.value(name).is_ok()
    }

    fn names(&self) -> Result<Vec<u8>, Errno> {
        let names = filled(|buffer| match self {
            Holder::Open(descriptor) => fs::flistxattr(descriptor, spare_capacity(buffer)),
            Holder::Shown(path) => fs::listxattr(path.as_str(), spare_capacity(buffer)),
        });
        match names {
            // Not a property of this file system.
            Err(Errno::NOTSUP) => Ok(Vec::new()),
            other => other,
        }
    }

    fn value(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        filled(|buffer| match self {
            Holder::Open(descriptor) => fs::fgetxattr(descriptor, name, spare_capacity(buffer)),
            Holder::Shown(path) => fs::getxattr(path.as_str(), name, spare_capacity(buffer)),
        })
    }

    /// Sets one attribute.
    pub(crate) fn set(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Holder::Open(descriptor) => fs::fsetxattr(descriptor, name, value, fs::XattrFlags::empty()),
            Holder::Shown(path) => fs::setxattr(path.as_str(), name, value, fs::XattrFlags::empty()),
        }
    }

    /// Removes one attribute; it may be missing.
    pub(crate) fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        let removed = match self {
            Holder::Open(descriptor) => fs::fremovexattr(descriptor, name),
            Holder::Shown(path) => fs::removexattr(path.as_str(), name),
        };
        match removed {
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            other => other,
        }
    }
}

/// Calls with a larger buffer until the answer fits.
fn filled(mut call: impl FnMut(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::with_capacity(512);
    loop {
        match call(&mut buffer) {
            Err(Errno::RANGE) if buffer.capacity() < MAX_BYTES => buffer = Vec::with_capacity(buffer.capacity() * 8),
            Err(errno) => return Err(errno),
            Ok(_) => {
                buffer.shrink_to_fit();
                return Ok(buffer);
            }
        }
    }
}
