//! One line at the bottom of the terminal: files, bytes, rate, and the time left once the total is known.

use super::progress::Counts;
use super::text::{count, counted};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

pub(super) const PERIOD: Duration = Duration::from_millis(100);

/// Shows the bar that every [`Screen`](super::Screen) has and hides at first.
pub(super) fn show(bar: &ProgressBar) {
    bar.set_style(style("{spinner} {msg} · {binary_bytes} · {binary_bytes_per_sec} · {elapsed}"));
    bar.reset();
    bar.set_draw_target(ProgressDrawTarget::stderr());
}

/// Brings the bar up to date.
pub(super) fn draw(bar: &ProgressBar, counts: &Counts) {
    let (done, found) = (counts.files_done.load(Relaxed), counts.files_found.load(Relaxed));
    let files = match found > done {
        true => format!("{} of {}", count(done), counted(found, "files")),
        false => counted(done, "files"),
    };
    let failed = counts.failed.load(Relaxed);
    let failed = if failed > 0 { format!(" · {} failed", count(failed)) } else { String::new() };
    bar.set_message(format!("{files}{failed}"));
    let total = counts.bytes_found.load(Relaxed);
    if counts.all_found.load(Relaxed) && total > 0 && bar.length() != Some(total) {
        bar.set_length(total);
        bar.set_style(style(
            "{spinner} {msg} · {binary_bytes} of {binary_total_bytes} {wide_bar} {percent} % · \
             {binary_bytes_per_sec} · {eta} left",
        ));
    }
    bar.set_position(counts.bytes_done.load(Relaxed));
    bar.tick();
}

/// A template of ours always parses; a plain bar would still do.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
