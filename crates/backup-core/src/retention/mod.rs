//! Dropping old backups: the policy is a pure plan, and applying it is a loop that can only do less than planned.

mod apply;
#[cfg(test)]
mod tests;

pub use apply::{Dropped, RetentionReport, apply_retention, plan_retention};

use crate::{BackupId, Summary};
use std::fmt::Debug;
use std::time::SystemTime;

/// Says which backups of one series to keep. Pure: the same arguments give the same answer.
pub trait RetentionPolicy: Debug + Send + Sync {
    /// A decision for each backup of one series (one name on one host), given oldest first. A backup it does not
    /// mention is kept.
    fn plan(&self, series: &[Summary], now: SystemTime) -> Vec<Decision>;
}

/// What is to become of one backup, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub id: BackupId,
    /// Whether it stays.
    pub verdict: Verdict,
    /// Why, for people: one reason for each rule that had a say.
    pub reasons: Vec<String>,
}

/// Whether a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Keep,
    /// It does not.
    Drop,
}

impl Decision {
    /// To keep a backup.
    pub fn keep(id: BackupId, reason: impl Into<String>) -> Self {
        Decision { id, verdict: Verdict::Keep, reasons: vec![reason.into()] }
    }

    /// To drop a backup.
    pub fn drop(id: BackupId, reason: impl Into<String>) -> Self {
        Decision { id, verdict: Verdict::Drop, reasons: vec![reason.into()] }
    }
}
