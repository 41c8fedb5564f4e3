//! What is to be listed, in canonical order, who is at it, and what came out.

use super::page::Page;
use super::task::Task;
use backup_core::Result;

/// The place of one directory, or of the rest of one, on the agenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(usize);

#[derive(Debug)]
enum State {
    Waiting(Box<Task>),
    /// Also of a slot that is free.
    Running,
    Done(Box<Result<Page>>),
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// Neighbours in canonical order, while it waits or runs; of a free slot, `after` is the next free one.
    before: Option<usize>,
    after: Option<usize>,
}

/// What the emitter gets for a ticket.
#[derive(Debug)]
pub(super) enum Turn {
    /// Nobody has started: do it yourself.
    Yours(Box<Task>),
    /// Somebody is at it: wait.
    Wait,
    /// It is listed.
    Page(Box<Result<Page>>),
}

/// A list in canonical order with constant-time steps: a directory is replaced, in place, by what was found in it.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    slots: Vec<Slot>,
    first: Option<usize>,
    free: Option<usize>,
}

impl Agenda {
    /// Puts the first task on an empty agenda.
    pub(super) fn start(&mut self, task: Task) -> Ticket {
        Ticket(self.insert_after(None, State::Waiting(Box::new(task))))
    }

    /// The first task that nobody has started, for a worker that reads ahead.
    pub(super) fn claim_first(&mut self) -> Option<(Ticket, Box<Task>)> {
        let mut at = self.first;
        while let Some(index) = at {
            let slot = self.slots.get_mut(index)?;
            if matches!(slot.state, State::Waiting(_)) {
                return match std::mem::replace(&mut slot.state, State::Running) {
                    State::Waiting(task) => Some((Ticket(index), task)),
                    _ => None,
                };
            }
            at = slot.after;
        }
        None
    }

    /// What becomes of a ticket now. A page is given once.
    pub(super) fn turn(&mut self, ticket: Ticket) -> Turn {
        let Some(slot) = self.slots.get_mut(ticket.0) else { return Turn::Wait };
        match std::mem::replace(&mut slot.state, State::Running) {
            State::Waiting(task) => Turn::Yours(task),
            State::Running => Turn::Wait,
            State::Done(page) => {
                self.release(ticket.0);
                Turn::Page(page)
            }
        }
    }

    /// Takes a finished page: what it found is put on the agenda where its directory stood.
    pub(super) fn complete(&mut self, ticket: Ticket, mut page: Result<Page>) {
        if let Ok(page) = &mut page {
            let mut at = ticket.0;
            for task in page.tasks.drain(..) {
                at = self.insert_after(Some(at), State::Waiting(Box::new(task)));
                page.tickets.push(Ticket(at));
            }
        }
        self.unlink(ticket.0);
        if let Some(slot) = self.slots.get_mut(ticket.0) {
            slot.state = State::Done(Box::new(page));
        }
    }

    fn insert_after(&mut self, before: Option<usize>, state: State) -> usize {
        let after = match before.and_then(|index| self.slots.get(index)) {
            Some(slot) => slot.after,
            None => self.first,
        };
        let slot = Slot { state, before, after };
        let index = match self.free {
            Some(index) => {
                if let Some(place) = self.slots.get_mut(index) {
                    self.free = place.after;
                    *place = slot;
                }
                index
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.set_after(before, Some(index));
        self.set_before(after, Some(index));
        index
    }

    fn unlink(&mut self, index: usize) {
        let Some((before, after)) = self.slots.get(index).map(|slot| (slot.before, slot.after)) else { return };
        self.set_after(before, after);
        self.set_before(after, before);
    }

    fn set_after(&mut self, of: Option<usize>, after: Option<usize>) {
        match of.and_then(|of| self.slots.get_mut(of)) {
            Some(slot) => slot.after = after,
            None => self.first = after,
        }
    }

    fn set_before(&mut self, of: Option<usize>, before: Option<usize>) {
        if let Some(slot) = of.and_then(|of| self.slots.get_mut(of)) {
            slot.before = before;
        }
    }

    fn release(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot { state: State::Running, before: None, after: self.free };
            self.free = Some(index);
        }
    }
}
