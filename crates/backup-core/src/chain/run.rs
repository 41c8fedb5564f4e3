use super::{Direction, Hop, Letter, LetterOutcome, Trace};
use crate::caught::{Ended, caught, caught_or_stopped, panicked};
use crate::stop::cancelled;
use crate::{Error, Result, Session, Stop};
use std::future::Future;
use std::sync::Arc;

/// A run over a chain: opened hop by hop inward, closed hop by hop outward.
///
/// Whoever opens one must await [`ChainRun::close`]: commands do so in a task of their own that nobody can drop midway.
pub(crate) struct ChainRun {
    direction: Direction,
    stop: Stop,
    trace: Trace,
    open: Vec<OpenHop>,
    session: Option<Arc<dyn Session>>,
    error: Option<Error>,
    panicked: bool,
    left: Vec<Error>,
}

struct OpenHop {
    hop: Box<dyn Hop>,
    /// The R of this hop in the trace, once it has begun.
    nested: Option<usize>,
}

/// A run that is over: every hop is closed.
pub(crate) struct Closed {
    /// What failed first, if anything did.
    pub(crate) error: Option<Error>,
    /// Whether any code of the run panicked: what it shared with others may be in any state.
    pub(crate) panicked: bool,
    /// What C could not remove. Never hides `error`.
    pub(crate) left: Vec<Error>,
    pub(crate) trace: Trace,
}

impl Closed {
    /// A run that failed before its first letter.
    pub(crate) fn before_it_began(error: Error) -> Self {
        Closed { error: Some(error), panicked: false, left: Vec::new(), trace: Trace::default() }
    }
}

impl ChainRun {
    /// Sets the hops up, outermost first, as far as they go. A failure is kept for `close`.
    pub(crate) async fn open(hops: Vec<Box<dyn Hop>>, direction: Direction, stop: Stop) -> Self {
        let mut run = ChainRun {
            direction,
            stop,
            trace: Trace::default(),
            open: Vec::with_capacity(hops.len()),
            session: None,
            error: None,
            panicked: false,
            left: Vec::new(),
        };
        for hop in hops {
            if !run.open_one(hop).await {
                break;
            }
        }
        run
    }

    async fn open_one(&mut self, mut hop: Box<dyn Hop>) -> bool {
        let (depth, name) = (self.open.len(), hop.name());
        let outer = self.session.clone();
        let Some(session) = self.letter(depth, name.clone(), Letter::Setup, hop.setup(outer)).await else {
            return false;
        };
        let ready = match self.direction {
            Direction::Inward => self.letter(depth, name.clone(), Letter::Pass, hop.pass()).await.is_some(),
            Direction::Outward | Direction::InPlace => true,
        };
        self.session = session;
        let nested = ready.then(|| self.trace.begin(depth, name, Letter::Nested));
        self.open.push(OpenHop { hop, nested });
        ready
    }

    /// Whether nothing has failed yet.
    pub(crate) fn is_sound(&self) -> bool {
        self.error.is_none()
    }

    /// Records a failure of the nested part, unless one came before.
    pub(crate) fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// The driver's triple inside all hops: S P C, or S E C in place. Does nothing when the run has failed already.
    pub(crate) async fn innermost(&mut self, driver: &mut dyn Hop) {
        if self.set_up_innermost(driver).await {
            let letter = if self.direction == Direction::InPlace { Letter::Execute } else { Letter::Pass };
            self.letter(self.open.len(), driver.name(), letter, driver.pass()).await;
            self.clean(self.open.len(), driver).await;
        }
    }

    /// The driver's S alone, for a run that stays open while others work. After `true`, `clean_innermost` is due.
    pub(crate) async fn set_up_innermost(&mut self, driver: &mut dyn Hop) -> bool {
        let (depth, outer) = (self.open.len(), self.session.clone());
        self.is_sound() && self.letter(depth, driver.name(), Letter::Setup, driver.setup(outer)).await.is_some()
    }

    /// A part of the driver's P. It is not dropped by a stop: that comes between parts.
    pub(crate) async fn part<T>(&mut self, work: impl Future<Output = Result<T>>) -> Option<T> {
        let ended = caught(work).await;
        self.ended(ended)
    }

    /// A part that may take long, and is dropped by a stop.
    pub(crate) async fn stoppable_part<T>(&mut self, work: impl Future<Output = Result<T>>) -> Option<T> {
        let ended = caught_or_stopped(&self.stop, work).await;
        self.ended(ended)
    }

    fn ended<T>(&mut self, ended: Ended<T>) -> Option<T> {
        match ended {
            Ended::Returned(Ok(value)) => return Some(value),
            Ended::Returned(Err(error)) => self.fail(error),
            Ended::Cancelled => self.fail(cancelled()),
            Ended::Panicked(text) => {
                let error = self.panic(text);
                self.fail(error);
            }
        }
        None
    }

    /// The driver's P, made of parts: begins here, ends with `end_innermost`.
    pub(crate) fn begin_innermost(&mut self, name: String) -> usize {
        self.trace.begin(self.open.len(), name, Letter::Pass)
    }

    /// Ends the P begun before, and runs the driver's C.
    pub(crate) async fn end_innermost(&mut self, pass: usize, driver: &mut dyn Hop) {
        self.trace.end(pass, self.outcome_so_far());
        self.clean(self.open.len(), driver).await;
    }

    /// Closes the hops, innermost first: P outward if all went well so far, and C in any case.
    pub(crate) async fn close(mut self) -> Closed {
        while let Some(OpenHop { mut hop, nested }) = self.open.pop() {
            let depth = self.open.len();
            if let Some(step) = nested {
                self.trace.end(step, self.outcome_so_far());
            }
            if self.direction == Direction::Outward && self.is_sound() {
                self.letter(depth, hop.name(), Letter::Pass, hop.pass()).await;
            }
            self.clean(depth, hop.as_mut()).await;
        }
        Closed { error: self.error, panicked: self.panicked, left: self.left, trace: self.trace }
    }

    fn panic(&mut self, text: String) -> Error {
        self.panicked = true;
        panicked(text)
    }

    fn outcome_so_far(&self) -> LetterOutcome {
        match &self.error {
            None => LetterOutcome::Done,
            Some(error) => LetterOutcome::Failed(error.to_string()),
        }
    }

    /// Runs one letter that a stop may drop. `None` after a failure, which is kept.
    async fn letter<T>(
        &mut self,
        depth: usize,
        hop: String,
        letter: Letter,
        work: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        let step = self.trace.begin(depth, hop, letter);
        let (outcome, error) = match caught_or_stopped(&self.stop, work).await {
            Ended::Returned(Ok(value)) => {
                self.trace.end(step, LetterOutcome::Done);
                return Some(value);
            }
            Ended::Returned(Err(error)) => (LetterOutcome::Failed(error.to_string()), error),
            Ended::Cancelled => (LetterOutcome::Cancelled, cancelled()),
            Ended::Panicked(text) => (LetterOutcome::Panicked, self.panic(text)),
        };
        self.trace.end(step, outcome);
        self.fail(error);
        None
    }

    /// Runs C: never dropped, and its own failure goes beside the first error, not over it.
    async fn clean(&mut self, depth: usize, hop: &mut dyn Hop) {
        let step = self.trace.begin(depth, hop.name(), Letter::Clean);
        let (outcome, error) = match caught(hop.clean()).await {
            Ended::Returned(Ok(())) => return self.trace.end(step, LetterOutcome::Done),
            Ended::Returned(Err(error)) => (LetterOutcome::Failed(error.to_string()), error),
            Ended::Cancelled => (LetterOutcome::Cancelled, cancelled()),
            Ended::Panicked(text) => (LetterOutcome::Panicked, self.panic(text)),
        };
        self.trace.end(step, outcome);
        self.left.push(error);
    }
}
