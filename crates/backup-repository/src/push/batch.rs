use crate::format::ids::ChunkId;
use crate::meta::Content;
use backup_core::{Batch, Entry, Wanted};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What became of a wanted entry.
pub(crate) enum Fetched {
    /// Read whole: the entry as it was read, its content, and every chunk and list block of it beyond those in `content`.
    Read { entry: Box<Entry>, content: Content, refs: Vec<ChunkId>, settled: bool },
    /// Not readable; the entry is left out.
    Failed(String),
    /// The component was given up before it was read.
    GivenUp,
}

enum Slot {
    /// Not wanted, or its result was taken.
    Empty,
    /// Wanted; the source has not answered.
    Wanted,
    /// Being read.
    Accepted,
    Done(Fetched),
}

/// The wanted entries of one batch on their way.
pub(crate) struct Arrivals {
    pub(crate) batch: Arc<Batch>,
    pub(crate) given_up: GivenUp,
    state: Mutex<State>,
    complete: Condvar,
}

struct State {
    slots: Vec<Slot>,
    waiting: usize,
}

/// Tells those who read a component's contents that nobody wants them any more.
#[derive(Clone, Default)]
pub(crate) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Arrivals {
    pub(crate) fn new(batch: Arc<Batch>, wanted: &Wanted, given_up: GivenUp) -> Self {
        let mut slots: Vec<Slot> = batch.entries.iter().map(|_| Slot::Empty).collect();
        for number in &wanted.0 {
            let index = usize::try_from(number.saturating_sub(batch.first)).unwrap_or(usize::MAX);
            if let Some(slot) = slots.get_mut(index) {
                *slot = Slot::Wanted;
            }
        }
        let state = Mutex::new(State { slots, waiting: wanted.0.len() });
        Arrivals { batch, given_up, state, complete: Condvar::new() }
    }

    fn with_slot<T>(&self, number: u64, act: impl FnOnce(&mut Slot, &mut usize) -> T) -> Option<T> {
        let index = usize::try_from(number.checked_sub(self.batch.first)?).ok()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { slots, waiting } = &mut *state;
        let result = slots.get_mut(index).map(|slot| act(slot, waiting));
        let complete = *waiting == 0;
        drop(state);
        if complete {
            self.complete.notify_all();
        }
        result
    }

    /// The source answers for a wanted entry. Gives false when it was not wanted, or answered before.
    pub(crate) fn accept(&self, number: u64) -> bool {
        let accepted = self.with_slot(number, |slot, _| match slot {
            Slot::Wanted => {
                *slot = Slot::Accepted;
                true
            }
            _ => false,
        });
        accepted.unwrap_or(false)
    }

    /// An accepted entry's end.
    pub(crate) fn finish(&self, number: u64, fetched: Fetched) {
        self.with_slot(number, |slot, waiting| {
            if matches!(slot, Slot::Accepted) {
                *slot = Slot::Done(fetched);
                *waiting -= 1;
            }
        });
    }

    /// The source will not answer any more: what it left open counts as failed. Of a component that was given up nothing
    /// more is waited for.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { slots, waiting } = &mut *state;
        for slot in slots {
            *slot = match slot {
                Slot::Wanted | Slot::Accepted if self.given_up.is_set() => Slot::Done(Fetched::GivenUp),
                Slot::Wanted => Slot::Done(Fetched::Failed("the source did not deliver it".into())),
                _ => continue,
            };
            *waiting -= 1;
        }
        drop(state);
        self.complete.notify_all();
    }

    /// Waits until every wanted entry has ended, and takes the results by the entries' places.
    pub(crate) fn wait(&self) -> Vec<Option<Fetched>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.waiting > 0 {
            state = self.complete.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.slots)
            .into_iter()
            .map(|slot| match slot {
                Slot::Done(fetched) => Some(fetched),
                _ => None,
            })
            .collect()
    }
}
