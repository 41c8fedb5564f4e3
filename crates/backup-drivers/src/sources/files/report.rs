use super::sys::lock;
use backup_core::{Event, Observer, Outcome, TreePath};
use rustix::io::Errno;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What went wrong or was left out, gathered from all threads of a capture or a restore.
#[derive(Debug)]
pub(crate) struct Report {
    outcome: Mutex<Outcome>,
    excluded: AtomicU64,
    warned: AtomicBool,
    observer: Arc<dyn Observer>,
}

impl Report {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Report {
        Report { outcome: Mutex::default(), excluded: AtomicU64::new(0), warned: AtomicBool::new(false), observer }
    }

    /// Tells the observer.
    pub(crate) fn event(&self, event: Event) {
        self.observer.event(event);
    }

    /// Records that an entry, or a part of it, could not be handled.
    pub(crate) fn fail(&self, path: TreePath, reason: String) {
        self.event(Event::Failed { path: path.clone(), reason: reason.clone() });
        lock(&self.outcome).fail(path, reason);
    }

    /// Records that names were left out on purpose; what lies below them was not counted.
    pub(crate) fn excluded(&self, names: u64) {
        self.excluded.fetch_add(names, Ordering::Relaxed);
    }

    /// Whether attributes could not be read because the system shows no descriptors as files; warns of it once.
    pub(crate) fn lacks_proc(&self, errno: Errno) -> bool {
        let lacking = errno == Errno::NOENT;
        if lacking && !self.warned.swap(true, Ordering::Relaxed) {
            let what = "/proc is missing: extended attributes of links, pipes and devices are not read";
            self.event(Event::Warning(what.to_owned()));
        }
        lacking
    }

    /// Adds to one of the counts.
    pub(crate) fn count(&self, name: &'static str, more: u64) {
        if more > 0 {
            *lock(&self.outcome).counts.entry(name.to_owned()).or_default() += more;
        }
    }

    /// All of it, so far.
    pub(crate) fn outcome(&self) -> Outcome {
        self.count("excluded", self.excluded.swap(0, Ordering::Relaxed));
        lock(&self.outcome).clone()
    }
}
