use super::*;
use crate::*;
use async_trait::async_trait;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Drops all backups it is shown, and some that are none of its business.
#[derive(Debug)]
struct DropAll;

impl RetentionPolicy for DropAll {
    fn plan(&self, series: &[Summary], _: SystemTime) -> Vec<Decision> {
        let foreign = Decision::drop(BackupId("elsewhere".into()), "mischief");
        series.iter().map(|b| Decision::drop(b.id.clone(), "everything goes")).chain([foreign]).collect()
    }
}

#[derive(Debug, Default)]
struct Shelf {
    backups: Vec<Summary>,
    asked: Mutex<Vec<String>>,
    refuses: Vec<(&'static str, ErrorKind)>,
}

#[async_trait]
impl Catalogue for Shelf {
    async fn list(&self) -> Result<Vec<Summary>> {
        Ok(self.backups.clone())
    }
    async fn open(&self, _: &BackupId) -> Result<Box<dyn Backup>> {
        unreachable!()
    }
    async fn forget(&self, id: &BackupId) -> Result<()> {
        self.asked.lock().unwrap().push(id.0.clone());
        match self.refuses.iter().find(|(refused, _)| *refused == id.0) {
            Some((_, kind)) => Err(Error::new(*kind, "refused")),
            None => Ok(()),
        }
    }
    async fn check(&self, _: CheckOptions, _: Arc<dyn Observer>) -> Result<Report> {
        unreachable!()
    }
}

fn backup(id: &str, name: &str, hour: u64, status: Status) -> Summary {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hour);
    let mut summary = Summary::new(BackupId(id.into()), name, "host", time);
    summary.status = status;
    summary
}

fn shelf() -> Shelf {
    let mut backups = vec![
        backup("1", "a", 1, Status::Complete),
        backup("2", "b", 2, Status::Complete),
        backup("3", "a", 3, Status::Complete),
        backup("4", "a", 4, Status::Complete),
        backup("5", "a", 5, Status::Partial),
        backup("6", "a", 6, Status::Incomplete),
        backup("elsewhere", "c", 7, Status::Partial),
    ];
    backups[2].held = true;
    Shelf { backups, ..Shelf::default() }
}

#[tokio::test]
async fn held_ones_and_the_newest_complete_of_each_series_stay() {
    let shelf = shelf();
    let report = apply_retention(&shelf, &DropAll, SystemTime::UNIX_EPOCH).await.unwrap();
    assert!(report.is_clean());
    assert_eq!(*shelf.asked.lock().unwrap(), ["1", "5", "6", "elsewhere"]);
    let reasons = |id: &str| report.decisions.iter().find(|d| d.id.0 == id).unwrap().reasons.clone();
    assert_eq!(reasons("3"), ["held", "everything goes"]);
    assert_eq!(reasons("4"), ["newest complete backup", "everything goes"]);
    assert_eq!(reasons("2"), ["newest complete backup", "everything goes"]);
}

#[tokio::test]
async fn the_first_failure_ends_it_and_each_is_told() {
    let shelf = Shelf { refuses: vec![("1", ErrorKind::NotFound), ("5", ErrorKind::AccessDenied)], ..shelf() };
    let report = apply_retention(&shelf, &DropAll, SystemTime::UNIX_EPOCH).await.unwrap();
    assert!(!report.is_clean());
    assert_eq!(*shelf.asked.lock().unwrap(), ["1", "5"]);
    let became: Vec<_> = report.dropped.iter().map(|(id, dropped)| (id.0.as_str(), dropped)).collect();
    let refused = Dropped::Failed(Failure { kind: ErrorKind::AccessDenied, message: "refused".into() });
    assert_eq!(
        became,
        [("1", &Dropped::Gone), ("5", &refused), ("6", &Dropped::NotTried), ("elsewhere", &Dropped::NotTried)]
    );
}

#[derive(Debug)]
struct Random(BTreeSet<String>);

impl RetentionPolicy for Random {
    fn plan(&self, series: &[Summary], _: SystemTime) -> Vec<Decision> {
        let dropped = series.iter().filter(|backup| self.0.contains(&backup.id.0));
        dropped.map(|backup| Decision::drop(backup.id.clone(), "chance")).collect()
    }
}

proptest! {
    #[test]
    fn no_policy_can_drop_what_must_stay(
        shape in prop::collection::vec((0u64..5, 0usize..3, 0usize..3, any::<bool>(), any::<bool>()), 0..12),
    ) {
        let statuses = [Status::Complete, Status::Partial, Status::Incomplete];
        let backups: Vec<_> = shape.iter().enumerate().map(|(i, (hour, name, status, held, _))| {
            let mut backup = backup(&format!("{i:02}"), ["a", "b", "c"][*name], *hour, statuses[*status]);
            backup.held = *held;
            backup
        }).collect();
        let chosen = shape.iter().enumerate().filter(|(_, shape)| shape.4).map(|(i, _)| format!("{i:02}")).collect();
        let policy = Random(chosen);
        let decisions = plan_retention(&policy, &backups, SystemTime::UNIX_EPOCH);
        prop_assert_eq!(decisions.len(), backups.len());
        for (backup, decision) in backups.iter().zip(&decisions) {
            prop_assert_eq!(&backup.id, &decision.id);
            let same = backups.iter().filter(|b| b.name == backup.name && b.status == Status::Complete);
            let newest = same.max_by_key(|b| (b.time, b.id.clone())).is_some_and(|newest| newest.id == backup.id);
            let dropped = policy.0.contains(&backup.id.0) && !backup.held && !newest;
            prop_assert_eq!(decision.verdict == Verdict::Drop, dropped);
        }
    }
}
