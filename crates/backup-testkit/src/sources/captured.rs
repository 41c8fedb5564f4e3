use super::collector::Collector;
use super::pieces::Pieces;
use backup_core::{
    Batch, Component, ComponentSpec, Entry, Error, ErrorKind, MAX_BATCH, Observer, Outcome, Result, Selection, Session,
    SourceDescription, SourceDriver, Status, Supply, Totals, TreePath, Wanted,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A capture in memory: a destination for tests.
#[derive(Clone, Debug)]
pub struct Captured {
    /// How the source described itself.
    pub description: SourceDescription,
    /// The entries in their order, as they were finished where their content was fetched.
    pub entries: Vec<Entry>,
    /// Contents by path, holes left out.
    pub contents: BTreeMap<TreePath, Vec<u8>>,
    /// Wanted entries that could not be read, with the reason. They are not among the entries.
    pub unreadable: BTreeMap<TreePath, String>,
    /// What the capture reported in the end.
    pub outcome: Outcome,
}

impl Captured {
    /// Captures everything.
    ///
    /// # Errors
    /// What the source gave; `Damaged` when it breaks a rule that taking needs.
    pub async fn take(
        source: &dyn SourceDriver,
        at: Arc<dyn Session>,
        observer: Arc<dyn Observer>,
    ) -> Result<Captured> {
        Captured::take_some(source, at, observer, Entry::has_content).await
    }

    /// Captures every entry, and the contents of those that `want` chooses. As in an incremental push, the others stay
    /// as they were listed.
    ///
    /// # Errors
    /// As [`Captured::take`].
    pub async fn take_some(
        source: &dyn SourceDriver,
        at: Arc<dyn Session>,
        observer: Arc<dyn Observer>,
        want: impl Fn(&Entry) -> bool + Send,
    ) -> Result<Captured> {
        let mut captured = Captured {
            description: source.describe(),
            entries: Vec::new(),
            contents: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            outcome: Outcome::default(),
        };
        let mut capture = source.capture(at, observer).await?;
        while let Some(batch) = capture.list().await? {
            let chosen = batch.numbered().filter(|(_, entry)| entry.has_content() && want(entry));
            let wanted: Vec<u64> = chosen.map(|(number, _)| number).collect();
            let collector = Collector::new(batch.clone());
            if !wanted.is_empty() {
                capture.fetch(Wanted(wanted.clone()), &collector).await?;
            }
            captured.keep(&batch, &wanted, &collector)?;
        }
        captured.outcome = capture.finish().await?;
        Ok(captured)
    }

    fn keep(&mut self, batch: &Batch, wanted: &[u64], collector: &Collector) -> Result<()> {
        let mut answers = collector.take();
        let wanted: BTreeSet<u64> = wanted.iter().copied().collect();
        let broken =
            |what: &'static str, entry: &Entry| Error::new(ErrorKind::Damaged, what).context("path", &entry.path);
        for (number, listed) in batch.numbered() {
            let mut contents = answers.contents.remove(&number).unwrap_or_default();
            let mut reasons = answers.unreadable.remove(&number).unwrap_or_default();
            let expected = usize::from(wanted.contains(&number));
            if contents.len() + reasons.len() != expected {
                return Err(broken("an entry was not answered just as often as it was wanted", listed));
            }
            match (contents.pop(), reasons.pop()) {
                (Some((entry, content)), _) => {
                    if entry.path != listed.path {
                        return Err(broken("a finished entry has another path than the listed one", listed));
                    }
                    self.contents.insert(entry.path.clone(), content);
                    self.entries.push(entry);
                }
                (None, Some(reason)) => drop(self.unreadable.insert(listed.path.clone(), reason)),
                (None, None) => self.entries.push(listed.clone()),
            }
        }
        if answers.contents.is_empty() && answers.unreadable.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Damaged, "an entry of another batch was answered"))
    }

    /// The entry of a path.
    pub fn entry(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == *path)
    }

    /// The whole content of a path, holes as zeros.
    pub fn content(&self, path: &TreePath) -> Option<Vec<u8>> {
        Some(fill(self.entry(path)?, self.contents.get(path)?))
    }

    /// The component record of this capture.
    pub fn component(&self) -> Component {
        let mut totals = Totals { entries: self.entries.len() as u64, ..Totals::default() };
        for entry in self.entries.iter().filter(|entry| entry.has_content()) {
            totals.files += 1;
            totals.size_bytes += entry.size_bytes.unwrap_or(0);
        }
        let spec = ComponentSpec::new(self.description.kind.clone(), self.description.clone());
        let mut outcome = self.outcome.clone();
        for (path, reason) in &self.unreadable {
            outcome.fail(path.clone(), reason.clone());
        }
        let status = if outcome.failed() == 0 { Status::Complete } else { Status::Partial };
        Component::new(spec, status, outcome, totals)
    }

    /// Restores everything, contents in pieces from two threads.
    ///
    /// # Errors
    /// What the restore gave.
    pub async fn restore(
        &self,
        driver: &dyn SourceDriver,
        at: Arc<dyn Session>,
        observer: Arc<dyn Observer>,
    ) -> Result<Outcome> {
        self.restore_some(driver, at, observer, &Selection::default(), &BTreeSet::new()).await
    }

    /// Restores what is selected; the contents of `damaged` paths break off.
    ///
    /// # Errors
    /// What the restore gave.
    pub async fn restore_some(
        &self,
        driver: &dyn SourceDriver,
        at: Arc<dyn Session>,
        observer: Arc<dyn Observer>,
        selection: &Selection,
        damaged: &BTreeSet<TreePath>,
    ) -> Result<Outcome> {
        let mut restore = driver.restore(at, &self.component(), observer).await?;
        let chosen: Vec<Entry> = self.entries.iter().filter(|entry| selection.takes(&entry.path)).cloned().collect();
        let content = |entry: &Entry| Some((entry.clone(), self.contents.get(&entry.path)?.clone()));
        let contents: BTreeMap<u64, _> =
            (0..).zip(&chosen).filter_map(|(number, entry)| Some((number, content(entry)?))).collect();
        let supply = Pieces::new(contents, damaged.clone());
        let mut first = 0;
        for entries in chosen.chunks(MAX_BATCH) {
            let batch = Arc::new(Batch { first, entries: entries.to_vec() });
            first += entries.len() as u64;
            let wanted = restore.begin(batch).await?;
            if !wanted.is_empty() {
                restore.put(wanted, &supply).await?;
            }
        }
        supply.settle().await?;
        supply.check()?;
        restore.finish().await
    }
}

/// Puts zeros where the holes are.
pub(super) fn fill(entry: &Entry, data: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut rest = data;
    for hole in &entry.holes {
        let before = usize::try_from(hole.offset).unwrap_or(usize::MAX).saturating_sub(whole.len()).min(rest.len());
        let (part, after) = rest.split_at(before);
        whole.extend_from_slice(part);
        whole.resize(whole.len() + usize::try_from(hole.length).unwrap_or(0), 0);
        rest = after;
    }
    whole.extend_from_slice(rest);
    whole
}
