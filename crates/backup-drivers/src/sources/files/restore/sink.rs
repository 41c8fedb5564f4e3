use super::super::sys::{defect, lock};
use super::counts::Counts;
use super::ground::Ground;
use super::slot::Slot;
use backup_core::{Batch, Entry, FileSink, Result};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// So many files of a batch are open for writing at once; of more, the oldest are closed and opened again when they go on.
const MAX_OPEN: usize = 64;

/// Takes the contents of one batch, on the engine's threads. What is not finished when it is dropped is removed.
#[derive(Debug)]
pub(super) struct Sink {
    batch: Arc<Batch>,
    slots: HashMap<u64, Slot>,
    ground: Arc<Ground>,
    open: AtomicUsize,
    /// Entries in the order in which they were opened, those that are closed again too.
    order: Mutex<VecDeque<u64>>,
}

impl Sink {
    pub(super) fn new(batch: Arc<Batch>, slots: HashMap<u64, Slot>, ground: Arc<Ground>) -> Sink {
        Sink { batch, slots, ground, open: AtomicUsize::new(0), order: Mutex::default() }
    }

    /// The device and inode of a linked file of this batch that was completed.
    pub(super) fn made(&self, entry: u64) -> Option<(u64, u64)> {
        self.slots.get(&entry)?.made()
    }

    fn find(&self, number: u64) -> Result<(&Slot, &Entry)> {
        self.slots
            .get(&number)
            .zip(self.batch.get(number))
            .ok_or_else(|| defect("content of an entry that was not asked for"))
    }

    fn count_open(&self, number: u64) {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        let mut order = lock(&self.order);
        order.push_back(number);
        let mut surplus = open.saturating_sub(MAX_OPEN);
        for _ in 0..order.len() {
            if surplus == 0 {
                break;
            }
            let Some(oldest) = order.pop_front() else { break };
            let Some(slot) = self.slots.get(&oldest) else { continue };
            if slot.close() {
                self.open.fetch_sub(1, Ordering::Relaxed);
                surplus -= 1;
            } else if slot.is_busy() {
                order.push_back(oldest);
            }
        }
    }

    fn count_closed(&self, was_open: bool) {
        if was_open {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl FileSink for Sink {
    fn write(&self, entry: u64, offset: u64, data: &[u8]) -> Result<()> {
        let (slot, listed) = self.find(entry)?;
        let (file, opened) = slot.open(listed, offset, data.len(), &self.ground)?;
        if opened {
            self.count_open(entry);
        }
        slot.write(&file, offset, data)?;
        self.ground.counts.progress(0, data.len() as u64, &self.ground.report);
        Ok(())
    }

    fn finish(&self, entry: u64, result: Result<()>) -> bool {
        let Ok((slot, listed)) = self.find(entry) else { return false };
        match result.and_then(|()| slot.complete(listed, &self.ground)) {
            Ok(was_open) => {
                self.count_closed(was_open);
                Counts::one(&self.ground.counts.restored);
                self.ground.counts.progress(1, 0, &self.ground.report);
                true
            }
            Err(error) => {
                self.count_closed(slot.discard());
                self.ground.fail(&listed.path, error.to_string());
                false
            }
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        for slot in self.slots.values() {
            slot.discard();
        }
    }
}
