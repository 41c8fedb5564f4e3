//! A line of JSON a second on standard error.

use super::progress::Counts;
use serde_json::json;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub(super) const PERIOD: Duration = Duration::from_secs(1);

pub(super) fn line(counts: &Counts) -> String {
    json!({
        "type": "progress",
        "stage": counts.stage(),
        "files_done": counts.files_done.load(Relaxed),
        "files_found": counts.files_found.load(Relaxed),
        "bytes_done": counts.bytes_done.load(Relaxed),
        "bytes_found": counts.bytes_found.load(Relaxed),
        "all_found": counts.all_found.load(Relaxed),
        "entries_failed": counts.failed.load(Relaxed),
        "elapsed_seconds": counts.started.elapsed().as_secs_f64(),
    })
    .to_string()
}
