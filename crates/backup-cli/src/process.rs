//! What holds for the whole process from its first instruction on.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Keeps keys out of core dumps, and what we write out of other users' sight.
pub(crate) fn protect() {
    // Lowering one's own limit cannot fail; were it to, backing up is still better than refusing to.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    umask(Mode::RWXG | Mode::RWXO);
}

/// The name of this host.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
