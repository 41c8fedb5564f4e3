use super::{Decision, RetentionPolicy, Verdict};
use crate::{BackupId, Catalogue, ErrorKind, Failure, Result, Status, Summary};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// What the policy says about every backup, after the rules that stand above any policy: a backup that is held stays,
/// and so does the newest complete one of its series.
///
/// Decisions come in the order of the listing. What the policy does not mention stays.
pub fn plan_retention(policy: &dyn RetentionPolicy, backups: &[Summary], now: SystemTime) -> Vec<Decision> {
    let mut series: BTreeMap<(&str, &str), Vec<&Summary>> = BTreeMap::new();
    for backup in backups {
        series.entry((&backup.name, &backup.host)).or_default().push(backup);
    }
    let mut decisions: BTreeMap<BackupId, Decision> = BTreeMap::new();
    let mut newest_complete = BTreeSet::new();
    for mut members in series.into_values() {
        members.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        newest_complete.extend(members.iter().rfind(|backup| backup.status == Status::Complete).map(|b| &b.id));
        let members: Vec<Summary> = members.into_iter().cloned().collect();
        let planned = policy.plan(&members, now).into_iter();
        // A decision about another series is none of its business.
        let own = planned.filter(|decision| members.iter().any(|backup| backup.id == decision.id));
        decisions.extend(own.map(|decision| (decision.id.clone(), decision)));
    }
    let decide = |backup: &Summary| {
        let planned = decisions.remove(&backup.id);
        let mut decision = planned.unwrap_or_else(|| Decision::keep(backup.id.clone(), "no rule speaks of it"));
        if newest_complete.contains(&backup.id) {
            keep(&mut decision, "newest complete backup");
        }
        if backup.held {
            keep(&mut decision, "held");
        }
        decision
    };
    backups.iter().map(decide).collect()
}

fn keep(decision: &mut Decision, reason: &str) {
    decision.verdict = Verdict::Keep;
    decision.reasons.insert(0, reason.to_owned());
}

/// What [`apply_retention`] did.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct RetentionReport {
    /// Every decision, in the order of the listing.
    pub decisions: Vec<Decision>,
    /// What became of each backup that was to be dropped, oldest first.
    pub dropped: Vec<(BackupId, Dropped)>,
}

/// What became of a backup that was to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is gone, by us or by somebody else at the same time.
    Gone,
    /// It could not be dropped.
    Failed(Failure),
    /// Not tried, because another one failed before.
    NotTried,
}

impl RetentionReport {
    /// Whether everything that was to be dropped is gone.
    pub fn is_clean(&self) -> bool {
        self.dropped.iter().all(|(_, dropped)| *dropped == Dropped::Gone)
    }
}

/// Plans, and drops what the plan says, oldest first. The first failure ends it: whatever keeps one backup from being
/// dropped is likely to keep all of them, and a plan is not made again from what is left.
///
/// # Errors
/// When the backups cannot be listed: nothing was dropped.
pub async fn apply_retention(
    catalogue: &dyn Catalogue,
    policy: &dyn RetentionPolicy,
    now: SystemTime,
) -> Result<RetentionReport> {
    let backups = catalogue.list().await?;
    let decisions = plan_retention(policy, &backups, now);
    let mut report = RetentionReport { decisions, dropped: Vec::new() };
    let mut failed = false;
    for decision in report.decisions.iter().filter(|decision| decision.verdict == Verdict::Drop) {
        let dropped = if failed {
            Dropped::NotTried
        } else {
            match catalogue.forget(&decision.id).await {
                Ok(()) => Dropped::Gone,
                Err(error) if error.kind() == ErrorKind::NotFound => Dropped::Gone,
                Err(error) => {
                    failed = true;
                    Dropped::Failed(error.into())
                }
            }
        };
        report.dropped.push((decision.id.clone(), dropped));
    }
    Ok(report)
}
