//! What holds for the whole process from its first instruction on.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Keeps keys out of core dumps, and what we write out of other users' sight.
pub(crate) fn protect() {
    // Lowering one's own limit cannot fail; were it to, backing up is still better than refusing to.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    umask(Mode::RWXG | Mode::RWXO);
    return_large_buffers();
}

/// Lets the C library give buffers of half a MiB and more back to the system as soon as they are freed. By itself it
/// raises that limit as such buffers come and go, and keeps a copy of the largest ones for every thread: twice the
/// memory of a pull, for no time gained.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "there is no safe call for it; it changes a number that is read under a lock")]
fn return_large_buffers() {
    const LARGE: libc::c_int = 512 << 10;
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn return_large_buffers() {}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
