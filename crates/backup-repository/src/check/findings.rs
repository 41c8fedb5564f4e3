use crate::format::ids::{PackName, SessionId};
use backup_core::{BackupId, Error, Finding, Key, Report, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What a check has found so far.
#[derive(Default)]
pub(super) struct Findings {
    objects: BTreeMap<String, (String, BTreeSet<SessionId>)>,
    packs: BTreeMap<PackName, (String, BTreeSet<SessionId>)>,
    checked: BTreeMap<String, u64>,
}

impl Findings {
    /// Counts something that was looked at.
    pub(super) fn checked(&mut self, kind: &str, number: u64) {
        *self.checked.entry(kind.to_owned()).or_default() += number;
    }

    /// An object that is not what was written.
    pub(super) fn object(&mut self, key: Result<Key>, problem: &Error) {
        let key = key.map_or_else(|_| "?".to_owned(), |key| key.to_string());
        self.objects.entry(key).or_insert_with(|| (problem.full_message(), BTreeSet::new()));
    }

    /// An object that concerns a snapshot.
    pub(super) fn of_snapshot(&mut self, object: String, problem: &Error, snapshot: SessionId) {
        self.objects.entry(object).or_insert_with(|| (problem.full_message(), BTreeSet::new())).1.insert(snapshot);
    }

    /// A pack that is missing or damaged. Who needs it is found later.
    pub(super) fn pack(&mut self, pack: PackName, problem: String) {
        self.packs.entry(pack).or_insert_with(|| (problem, BTreeSet::new()));
    }

    pub(super) fn is_bad(&self, pack: &PackName) -> bool {
        self.packs.contains_key(pack)
    }

    pub(super) fn affects(&mut self, pack: &PackName, snapshot: SessionId) {
        if let Some((_, affected)) = self.packs.get_mut(pack) {
            affected.insert(snapshot);
        }
    }

    pub(super) fn into_report(self) -> Report {
        let finding = |object: String, (problem, affects): (String, BTreeSet<SessionId>)| Finding {
            object,
            problem,
            affects: affects.into_iter().map(|id| BackupId(id.to_string())).collect(),
        };
        let packs = self
            .packs
            .into_iter()
            .map(|(pack, found)| finding(pack.key().map_or_else(|_| pack.to_string(), |key| key.to_string()), found));
        let mut report = Report::default();
        report.findings = self.objects.into_iter().map(|(object, found)| finding(object, found)).chain(packs).collect();
        report.checked = self.checked;
        report
    }
}
