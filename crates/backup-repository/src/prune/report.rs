use std::time::Duration;

/// How to prune.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// How long garbage stays after it was condemned, by the storage's time.
    pub grace: Duration,
    /// Wait until all garbage is deleted, however long sessions and grace take.
    pub wait: bool,
    /// A pack is rewritten when more than this share of it could be freed, in percent.
    pub max_unused_percent: u8,
    /// So many bytes are copied at most, to rewrite packs, before what that frees is deleted; more is left to the next
    /// round, or with a grace to the next prune. One pack, or two packs' length, is copied however little this is. What has
    /// to be copied because it would be lost is not bounded.
    pub max_copied_bytes: u64,
    /// Believe that no snapshot is left when none is listed, though something speaks for some that nobody forgot.
    pub believe_empty: bool,
}

/// A nearly full disk still has it, and a round of so much takes far longer than its listings.
const MAX_COPIED: u64 = 8 << 30;

impl Default for PruneOptions {
    fn default() -> Self {
        PruneOptions {
            dry_run: false,
            grace: Duration::from_secs(24 * 3600),
            wait: false,
            max_unused_percent: 25,
            max_copied_bytes: MAX_COPIED,
            believe_empty: false,
        }
    }
}

impl PruneOptions {
    /// Only says what would be done.
    #[must_use]
    pub fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets how long garbage stays after it was condemned.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Waits until all garbage is deleted.
    #[must_use]
    pub fn with_wait(mut self, wait: bool) -> Self {
        self.wait = wait;
        self
    }

    /// Sets from which share of unused bytes on a pack is rewritten, in percent.
    #[must_use]
    pub fn with_max_unused_percent(mut self, percent: u8) -> Self {
        self.max_unused_percent = percent.min(100);
        self
    }
}

impl PruneOptions {
    /// Sets how many bytes are copied at most before what that frees is deleted.
    #[must_use]
    pub fn with_max_copied_bytes(mut self, bytes: u64) -> Self {
        self.max_copied_bytes = bytes;
        self
    }

    /// Believes that no snapshot is left when none is listed.
    #[must_use]
    pub fn with_believe_empty(mut self, believe: bool) -> Self {
        self.believe_empty = believe;
        self
    }
}

/// What a prune did. With `dry_run`: what it would do now.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Passes that were finished.
    pub passes: u32,
    /// Snapshots whose data is kept.
    pub snapshots: u64,
    /// Packs that are in the storage after the last pass, condemned ones included, and their bytes.
    pub packs: u64,
    /// See `packs`.
    pub bytes: u64,
    /// Packs deleted.
    pub packs_deleted: u64,
    /// Their bytes.
    pub bytes_deleted: u64,
    /// Packs condemned: a later pass deletes them.
    pub packs_condemned: u64,
    /// Their bytes.
    pub bytes_condemned: u64,
    /// Packs of which live chunks were copied into new ones.
    pub packs_copied: u64,
    /// Bytes of the copies.
    pub bytes_copied: u64,
    /// Packs that are worth rewriting and were left to a later pass, because no more may be copied at once.
    pub packs_left: u64,
    /// Index runs that were merged into others.
    pub runs_merged: u64,
    /// Dead sessions that were ended.
    pub sessions_ended: Vec<String>,
    /// Objects that the storage refused to delete (object lock, policy).
    pub refused: u64,
    /// Packs of which something that snapshots need cannot be read: a line each. They stay as they are, and a check that
    /// reads the data tells which snapshots they affect. Who reports to a person treats it as damage that was found.
    pub damaged: Vec<String>,
    /// What could not be deleted or rewritten yet, and what that waits for: a line each.
    pub waiting: Vec<String>,
}

impl PruneReport {
    /// Whether nothing is left to delete or to rewrite.
    pub fn is_finished(&self) -> bool {
        self.waiting.is_empty()
    }
}
