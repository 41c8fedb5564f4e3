use super::*;
use crate::{Address, CommandSpec, Duplex, Error, ErrorKind, Forward, Process, Reach, Reader, Result, Session, Stop};
use async_trait::async_trait;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Error,
    Panic,
    /// Somebody asks to stop while the letter runs; all but C hang until they are dropped.
    Cancel,
}

type Faults = BTreeMap<(usize, char), Mode>;
type Log = Arc<Mutex<Vec<(usize, char)>>>;

/// A hop that writes down what is asked of it and fails where it is told to.
#[derive(Debug)]
struct Double {
    depth: usize,
    innermost: bool,
    in_place: bool,
    faults: Faults,
    stop: Stop,
    log: Log,
}

impl Double {
    async fn letter(&self, letter: char) -> Result<()> {
        self.log.lock().unwrap().push((self.depth, letter));
        match self.faults.get(&(self.depth, letter)) {
            None => Ok(()),
            Some(Mode::Error) => Err(Error::new(ErrorKind::Io, format!("{}{letter}", self.depth))),
            Some(Mode::Panic) => panic!("{}{letter}", self.depth),
            Some(Mode::Cancel) => {
                self.stop.stop();
                if letter == 'C' { Ok(()) } else { std::future::pending().await }
            }
        }
    }
}

#[async_trait]
impl Hop for Double {
    fn name(&self) -> String {
        self.depth.to_string()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        let within = outer.map(|outer| format!("{outer:?}"));
        assert_eq!(within, self.depth.checked_sub(1).map(|outer| format!("Place({outer})")));
        self.letter('S').await?;
        Ok((!self.innermost).then(|| Arc::new(Place(self.depth)) as _))
    }

    async fn pass(&mut self) -> Result<()> {
        self.letter(if self.innermost && self.in_place { 'E' } else { 'P' }).await
    }

    async fn clean(&mut self) -> Result<()> {
        self.letter('C').await
    }
}

/// A session that only says where it is.
#[derive(Debug)]
struct Place(#[allow(dead_code, reason = "it is read as text")] usize);

#[async_trait]
impl Session for Place {
    async fn run(&self, _: CommandSpec) -> Result<Box<dyn Process>> {
        unreachable!()
    }
    async fn push(&self, _: &[u8], _: Reader) -> Result<()> {
        unreachable!()
    }
    async fn pull(&self, _: &[u8]) -> Result<Reader> {
        unreachable!()
    }
    async fn dial(&self, _: &Address) -> Result<Box<dyn Duplex>> {
        unreachable!()
    }
    async fn forward(&self, _: &Address) -> Result<Box<dyn Forward>> {
        unreachable!()
    }
    fn reach(&self) -> Reach {
        Reach::Remote
    }
    async fn clean(&self) -> Result<()> {
        Ok(())
    }
}

/// What the grammar asks for, written as it is defined: by recursion.
struct Oracle<'a> {
    direction: Direction,
    hops: usize,
    faults: &'a Faults,
    stopped: bool,
    calls: Vec<(usize, char)>,
    first: Option<String>,
}

impl Oracle<'_> {
    fn call(&mut self, depth: usize, letter: char) -> bool {
        if letter != 'C' && self.stopped {
            self.first.get_or_insert("Cancelled".into());
            return false;
        }
        self.calls.push((depth, letter));
        match self.faults.get(&(depth, letter)) {
            None => return true,
            Some(Mode::Cancel) => {
                self.stopped = true;
                if letter == 'C' {
                    return true;
                }
                self.first.get_or_insert("Cancelled".into());
            }
            Some(_) if letter == 'C' => {}
            Some(_) => {
                self.first.get_or_insert(format!("{depth}{letter}"));
            }
        }
        false
    }

    fn run(&mut self, depth: usize) -> bool {
        if !self.call(depth, 'S') {
            return false;
        }
        let mut well = true;
        if depth == self.hops {
            well = self.call(depth, if self.direction == Direction::InPlace { 'E' } else { 'P' });
        } else {
            if self.direction == Direction::Inward {
                well = self.call(depth, 'P');
            }
            well = well && self.run(depth + 1);
            if self.direction == Direction::Outward {
                well = well && self.call(depth, 'P');
            }
        }
        self.call(depth, 'C');
        well
    }
}

fn observed(closed: &Closed) -> Vec<(usize, char)> {
    let begun = |step: &&TraceStep| {
        // A letter that a stop kept from beginning stands in the trace as cancelled; R is no call.
        step.letter != Letter::Nested
    };
    closed.trace.steps().iter().filter(begun).map(|step| (step.depth, step.letter.as_char())).collect()
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Inward), Just(Direction::Outward), Just(Direction::InPlace)]
}

fn faults() -> impl Strategy<Value = Faults> {
    let letter = prop::sample::select(vec!['S', 'P', 'E', 'C']);
    let mode = prop_oneof![Just(Mode::Error), Just(Mode::Panic), Just(Mode::Cancel)];
    prop::collection::btree_map((0usize..6, letter), mode, 0..4)
}

fn run(direction: Direction, hops: usize, faults: &Faults) -> (Closed, Vec<(usize, char)>) {
    let (log, stop) = (Log::default(), Stop::new());
    let double = |depth| Double {
        depth,
        innermost: depth == hops,
        in_place: direction == Direction::InPlace,
        faults: faults.clone(),
        stop: stop.clone(),
        log: log.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let closed = runtime.block_on(async {
        let chain = (0..hops).map(|depth| Box::new(double(depth)) as Box<dyn Hop>).collect();
        let mut run = ChainRun::open(chain, direction, stop.clone()).await;
        run.innermost(&mut double(hops)).await;
        run.close().await
    });
    let calls = log.lock().unwrap().clone();
    (closed, calls)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_run_follows_the_grammar(direction in directions(), hops in 0usize..5, faults in faults()) {
        let (closed, calls) = run(direction, hops, &faults);
        let mut oracle =
            Oracle { direction, hops, faults: &faults, stopped: false, calls: Vec::new(), first: None };
        let well = oracle.run(0);
        prop_assert_eq!(&calls, &oracle.calls);

        // Every S that succeeded has exactly one C, innermost first; no other hop has one.
        let opened = calls.iter().filter(|(d, l)| *l == 'S' && !faults.contains_key(&(*d, 'S'))).map(|(d, _)| *d);
        let mut closing: Vec<usize> = calls.iter().filter(|(_, l)| *l == 'C').map(|(d, _)| *d).collect();
        closing.reverse();
        prop_assert_eq!(opened.collect::<Vec<_>>(), closing);

        // The trace tells what happened, and no letter is left running.
        let traced: Vec<_> = observed(&closed);
        let skipped = traced.len() - calls.len();
        prop_assert!(skipped <= 1 && (skipped == 0 || oracle.stopped), "{}", closed.trace);
        prop_assert!(calls.iter().all(|call| traced.contains(call)));
        prop_assert!(closed.trace.steps().iter().all(|step| step.outcome != LetterOutcome::Running));

        // The first error is the run's, whatever C did afterwards.
        prop_assert_eq!(well, closed.error.is_none());
        let found = closed.error.map(|error| match error.kind() {
            ErrorKind::Io => error.to_string(),
            ErrorKind::Internal => error.context_pairs().next().unwrap().1.to_owned(),
            other => format!("{other:?}"),
        });
        prop_assert_eq!(found, oracle.first);
        let broken_cleans = calls.iter().filter(|(d, l)| {
            *l == 'C' && matches!(faults.get(&(*d, 'C')), Some(Mode::Error | Mode::Panic))
        });
        prop_assert_eq!(closed.left.len(), broken_cleans.count());
    }
}

#[test]
fn undisturbed_runs_read_as_the_grammar_is_written() {
    for (direction, expected) in [
        (Direction::Inward, "S P R[ S P R[ S P C ] C ] C"),
        (Direction::Outward, "S R[ S R[ S P C ] P C ] P C"),
        (Direction::InPlace, "S R[ S R[ S E C ] C ] C"),
    ] {
        let (closed, _) = run(direction, 2, &Faults::new());
        assert_eq!(closed.trace.to_string(), expected);
        assert_eq!(direction.grammar(2), expected);
    }
}

#[test]
fn a_failed_letter_is_marked() {
    let (closed, _) = run(Direction::Outward, 1, &Faults::from([((1, 'P'), Mode::Error), ((0, 'C'), Mode::Panic)]));
    assert_eq!(closed.trace.to_string(), "S R[ S P! C ] C!");
}
