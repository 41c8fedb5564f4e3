//! Prune: frees what no snapshot refers to, at any time, beside any number of pushes, without a lock.
//!
//! What is decided, and in which order things happen, is [`crate::protocol::Prune`]'s; here it is done on a storage.
//! A pass lists, marks (a bit for each row of the index), copies what is worth it, deletes what earlier passes condemned
//! and condemns what is garbage now.

mod copy;
mod damage;
mod delete;
mod empty;
mod facts;
mod ground;
mod held;
mod listing;
mod mark;
mod merge;
mod pass;
mod report;

pub use empty::NoSnapshots;
pub use report::{PruneOptions, PruneReport};

use crate::format::ids::SessionId;
use crate::protocol::Record;
use crate::repository::{Inner, Repository};
use crate::session::{condemned, sessions};
use backup_core::{Error, ErrorKind, Observer, Result, Stop};
use damage::Damage;
use pass::{Course, Ended, Pass};
use std::sync::Arc;
use std::time::Duration;

/// Passes of one prune without a grace, after the last that rewrote packs. Two free what is garbage, a third clears their
/// records away; another is seldom needed.
const MAX_PASSES: u32 = 8;
/// How often a pass that another prune overtook, or that found a chunk missing, is begun again.
const MAX_RETRIES: u32 = 2;
/// How long `wait` sleeps between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Repository {
    /// Frees what no snapshot refers to.
    ///
    /// Garbage is condemned first and deleted by a later pass, once everybody who may rely on it is over and the grace has
    /// passed; without a grace, and with no session open, both happen in one call. It may be stopped or killed at any time,
    /// and run beside pushes and other prunes. Its report says what still waits, and for what.
    ///
    /// A pack of which something that snapshots need cannot be read stays as it is, and so does every other copy of that;
    /// the report names it in [`PruneReport::damaged`], and the rest is freed.
    ///
    /// # Errors
    /// `Damaged` when something that a snapshot needs is not there, its metadata cannot be read, or a record cannot be read:
    /// nothing was condemned;
    /// `Cancelled` after `stop`; `AccessDenied`, `Unavailable`, `NoSpace`.
    pub async fn prune(&self, options: &PruneOptions, observer: Arc<dyn Observer>, stop: &Stop) -> Result<PruneReport> {
        prune(self.0.clone(), options, observer, stop).await
    }
}

async fn prune(
    inner: Arc<Inner>,
    options: &PruneOptions,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<PruneReport> {
    if !options.dry_run {
        crate::notes::look(&inner, &*observer).await?;
    }
    let (mut report, damage) = (PruneReport::default(), Damage::default());
    let (mut passes, mut retries, mut before) = (0, 0, (0, 0));
    // With less room than that many small packs would never become one.
    let bound = options.max_copied_bytes.max(2 * inner.options.pack_bytes);
    let mut room = bound;
    loop {
        let pass = Pass::begin(inner.clone(), options, &damage, room, observer.clone(), stop).await?;
        let ended = pass.run(&mut report).await?;
        report.damaged = damage.lines();
        match ended {
            Ended::Overtaken(because) if retries < MAX_RETRIES => {
                observer.event(backup_core::Event::Warning(format!("{}: looking again", because.full_message())));
                retries += 1;
                continue;
            }
            Ended::Overtaken(because) => return Err(because),
            Ended::Done(Course { changed, has_rewritten, is_held }) => {
                report.passes += 1;
                passes = if has_rewritten { 0 } else { passes + 1 };
                retries = 0;
                // A pass copies before it deletes: after one that had to stop, the next only deletes.
                room = if has_rewritten && report.packs_left > 0 { 0 } else { bound };
                let freed = (report.packs_condemned, report.packs_deleted);
                let has_freed = std::mem::replace(&mut before, freed) != freed;
                // Another pass meets the same damage, and frees what this one condemned beside it.
                let may_go_on = changed && options.grace.is_zero() && passes < MAX_PASSES && (has_freed || !is_held);
                let may_wait = options.wait && !is_held && !report.is_finished();
                if options.dry_run || !(may_go_on || may_wait) {
                    return Ok(report);
                }
                if !may_go_on {
                    wait(&inner, options, stop).await?;
                    passes = 0;
                }
            }
        }
    }
}

/// Waits until something that is condemned may be deleted.
async fn wait(inner: &Inner, options: &PruneOptions, stop: &Stop) -> Result<()> {
    loop {
        if tokio::time::timeout(LOOK_AGAIN, stop.stopped()).await.is_ok() {
            let what = "the prune was stopped; what it condemned is deleted by a later one";
            return Err(Error::new(ErrorKind::Cancelled, what));
        }
        // Only to know when to look: what is deleted is decided by the pass, with the storage's time.
        let now = std::time::SystemTime::now();
        let records = condemned(inner, options.grace, Some(now)).await?;
        let sessions = sessions(inner, now).await?;
        let is_open = |id: &SessionId| sessions.iter().any(|s| s.session == *id && !s.has_ended && !s.has_lapsed);
        let mut waiting = records.iter().filter(|record| record.gone.is_none()).peekable();
        let may_go = |record: &Record| record.is_graced && !record.waits.iter().flatten().any(is_open);
        // With nothing left to wait for there may be packs to rewrite.
        if waiting.peek().is_none() || waiting.any(may_go) {
            return Ok(());
        }
    }
}
