use super::super::report::Report;
use backup_core::Event;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The observer hears of progress after so many bytes or files.
const TELL_BYTES: u64 = 8 << 20;
const TELL_FILES: u64 = 1000;

/// What a restore did, counted by all its threads.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) restored: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) kept: AtomicU64,
    pub(super) deleted: AtomicU64,
    pub(super) sockets: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    /// One more.
    pub(super) fn one(count: &AtomicU64) {
        count.fetch_add(1, Relaxed);
    }

    /// Counts work done, and now and then tells the observer.
    pub(super) fn progress(&self, files: u64, bytes: u64, report: &Report) {
        let files = self.files.fetch_add(files, Relaxed) + files;
        let bytes = self.bytes.fetch_add(bytes, Relaxed) + bytes;
        if files >= TELL_FILES || bytes >= TELL_BYTES {
            self.tell(report);
        }
    }

    /// Tells the observer what it has not heard yet.
    pub(super) fn tell(&self, report: &Report) {
        let (files, bytes) = (self.files.swap(0, Relaxed), self.bytes.swap(0, Relaxed));
        if files > 0 || bytes > 0 {
            report.event(Event::Progress { files, bytes });
        }
    }

    /// Puts the totals into the outcome.
    pub(super) fn settle(&self, report: &Report) {
        self.tell(report);
        report.count("restored", self.restored.load(Relaxed));
        report.count("unchanged", self.unchanged.load(Relaxed));
        report.count("kept", self.kept.load(Relaxed));
        report.count("deleted", self.deleted.load(Relaxed));
        let sockets = self.sockets.load(Relaxed);
        report.count("sockets_skipped", sockets);
        if sockets > 0 {
            report.event(Event::Warning(format!("{sockets} sockets were left out: programs make their own")));
        }
    }
}
