use crate::{Failure, Outcome, Result, Summary, Totals, Trace};

/// What a pull did.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct PullReport {
    /// The backup, once it was open.
    pub backup: Option<Summary>,
    /// Each component that was asked for, in the backup's order.
    pub components: Vec<PulledComponent>,
}

/// What became of one component.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct PulledComponent {
    /// Its name.
    pub name: String,
    /// The driver's own report with the entries that could not be written, or why the restore ended early.
    pub result: Result<Outcome, Failure>,
    /// The entries that the selection took.
    pub totals: Totals,
    /// Bytes of content handed to the driver.
    pub written_bytes: u64,
    /// Entries whose stored content is damaged; the driver's report names them.
    pub entries_damaged: u64,
    /// Parts of the stored listing that could not be read: what they held is not restored.
    pub damage: Vec<Failure>,
    /// The letters of its run.
    pub trace: Trace,
    /// What could not be cleaned up behind it.
    pub left_behind: Vec<Failure>,
}

impl PullReport {
    /// Whether stored data is damaged.
    pub fn is_damaged(&self) -> bool {
        self.components.iter().any(|component| component.entries_damaged > 0 || !component.damage.is_empty())
    }

    /// Entries that were not restored, over all components that came to their end.
    pub fn entries_failed(&self) -> u64 {
        self.components.iter().filter_map(|component| component.result.as_ref().ok()).map(Outcome::failed).sum()
    }

    /// The components that did not come to their end.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.components.iter().filter_map(|component| Some((component.name.as_str(), component.result.as_ref().err()?)))
    }

    /// Whether everything that was asked for is back.
    pub fn is_flawless(&self) -> bool {
        !self.is_damaged()
            && self.entries_failed() == 0
            && self.components.iter().all(|c| c.result.is_ok() && c.left_behind.is_empty())
    }
}
