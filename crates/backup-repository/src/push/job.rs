use super::batch::Arrivals;
use backup_core::FileOpener;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Files of one batch that one thread reads one behind the other.
pub(crate) struct Job {
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) opener: Arc<dyn FileOpener>,
    pub(crate) entries: Vec<u64>,
    /// Held while the job is under way.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// A job gathers small files up to this many bytes, so that its new content fills about one segment.
pub(crate) const GROUP_BYTES: u64 = 1 << 20;
/// And up to this many files.
pub(crate) const GROUP_FILES: usize = 256;

/// Cuts the wanted entries into groups in path order.
pub(crate) fn groups(arrivals: &Arrivals, entries: &[u64]) -> Vec<Vec<u64>> {
    let mut groups = Vec::new();
    let mut group = Vec::new();
    let mut bytes = 0;
    for number in entries {
        let size = arrivals.batch.get(*number).and_then(|entry| entry.size_bytes).unwrap_or(0);
        if !group.is_empty() && (bytes + size > GROUP_BYTES || group.len() >= GROUP_FILES) {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        group.push(*number);
        bytes += size;
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}
