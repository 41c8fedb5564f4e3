use super::sys::lock;
use backup_core::{Event, Observer, Outcome, TreePath};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What went wrong or was left out, gathered from all threads of a capture or a restore.
#[derive(Debug)]
pub(crate) struct Report {
    outcome: Mutex<Outcome>,
    excluded: AtomicU64,
    observer: Arc<dyn Observer>,
}

impl Report {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Report {
        Report { outcome: Mutex::default(), excluded: AtomicU64::new(0), observer }
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
