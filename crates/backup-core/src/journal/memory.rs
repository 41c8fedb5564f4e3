use super::{Journal, Lease, Pending, UndoRecord};
use crate::Result;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A journal that lasts as long as the process: for programs that undo by themselves, and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
struct Records {
    next: u64,
    records: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    record: UndoRecord,
    leased: bool,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        MemoryJournal::default()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, number: u64) -> Box<dyn Lease> {
        Box::new(MemoryLease { journal: self.clone(), number })
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn record(&self, record: UndoRecord) -> Result<Box<dyn Lease>> {
        let mut records = self.records();
        let number = records.next;
        records.next += 1;
        records.records.insert(number, Held { record, leased: true });
        Ok(self.lease(number))
    }

    async fn pending(&self) -> Result<Vec<Pending>> {
        let mut records = self.records();
        let free = records.records.iter_mut().filter(|(_, held)| !held.leased).map(|(number, held)| {
            held.leased = true;
            Pending::Record(held.record.clone(), self.lease(*number))
        });
        Ok(free.collect())
    }
}

#[derive(Debug)]
struct MemoryLease {
    journal: MemoryJournal,
    number: u64,
}

#[async_trait]
impl Lease for MemoryLease {
    async fn done(self: Box<Self>) -> Result<()> {
        self.journal.records().records.remove(&self.number);
        Ok(())
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if let Some(held) = self.journal.records().records.get_mut(&self.number) {
            held.leased = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ActionSpec;

    fn record(kind: &str) -> UndoRecord {
        UndoRecord::new(vec!["local".into()], ActionSpec::new(kind))
    }

    #[tokio::test]
    async fn a_record_is_pending_exactly_while_nobody_holds_it() {
        let journal = MemoryJournal::new();
        let first = journal.record(record("first")).await.unwrap();
        let second = journal.record(record("second")).await.unwrap();
        assert!(journal.pending().await.unwrap().is_empty());
        drop((second, first));
        let mut pending = journal.pending().await.unwrap();
        assert!(journal.pending().await.unwrap().is_empty(), "one caller gets each");
        let Pending::Record(oldest, lease) = pending.remove(0) else { panic!() };
        assert_eq!(oldest, record("first"));
        lease.done().await.unwrap();
        drop(pending);
        let again = journal.pending().await.unwrap();
        assert!(matches!(again.as_slice(), [Pending::Record(r, _)] if *r == record("second")));
    }
}
