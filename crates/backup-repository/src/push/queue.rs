use super::job::Job;
use crate::pack::PlainSegment;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// What the engine's threads do next: full segments first, so that they never pile up, then reading.
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// How many full segments may wait; a thread with one more does it itself.
    max_segments: usize,
}

#[derive(Default)]
struct State {
    segments: VecDeque<PlainSegment>,
    jobs: VecDeque<Job>,
    closed: bool,
}

/// A piece of work.
pub(crate) enum Work {
    Segment(PlainSegment),
    Job(Job),
}

impl Queue {
    pub(crate) fn new(max_segments: usize) -> Self {
        Queue { state: Mutex::default(), changed: Condvar::new(), max_segments }
    }

    /// Adds reading. The caller bounds how much is under way.
    pub(crate) fn push(&self, job: Job) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).jobs.push_back(job);
        self.changed.notify_one();
    }

    /// Offers a full segment to another thread; gives it back when too many wait already.
    pub(crate) fn offer(&self, segment: PlainSegment) -> Option<PlainSegment> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.segments.len() >= self.max_segments || state.closed {
            return Some(segment);
        }
        state.segments.push_back(segment);
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Waits for work; none once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<Work> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(segment) = state.segments.pop_front() {
                return Some(Work::Segment(segment));
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(Work::Job(job));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more work will come.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_all();
    }
}
