use super::super::report::Report;
use super::super::target::{FilesTarget, Overwrite};
use super::counts::Counts;
use super::metadata::Setter;
use backup_core::TreePath;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What all threads of a restore share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) setter: Setter,
    pub(super) overwrite: Overwrite,
    pub(super) dry_run: bool,
    pub(super) report: Arc<Report>,
    pub(super) counts: Counts,
    seed: RandomState,
    next_name: AtomicU64,
}

impl Ground {
    pub(super) fn new(target: &FilesTarget, report: Arc<Report>) -> Ground {
        Ground {
            setter: Setter::new(target.ownership),
            overwrite: target.overwrite,
            dry_run: target.dry_run,
            report,
            counts: Counts::default(),
            seed: RandomState::new(),
            next_name: AtomicU64::new(0),
        }
    }

    /// A name for something that gets its own when it is finished.
    pub(super) fn temporary_name(&self) -> Vec<u8> {
        let number = self.next_name.fetch_add(1, Ordering::Relaxed);
        format!(".backup-{:016x}.tmp", self.seed.hash_one(number)).into_bytes()
    }

    /// Records that an entry, or a part of it, could not be restored.
    pub(super) fn fail(&self, path: &TreePath, reason: impl Into<String>) {
        self.report.fail(path.clone(), reason.into());
    }
}
