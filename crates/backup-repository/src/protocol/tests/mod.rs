//! The machines step by step: what each asks for, in which order, and what it refuses. What comes of many of them at once
//! is the model checker's matter.

mod fence;
mod names;
mod prune;
mod repair;
mod writer;

use super::*;
use std::fmt::Debug;

/// A session, as in the checker.
type S = u8;

fn pack(session: S, number: u32) -> PackId<S> {
    PackId { session, number }
}

fn run(session: S, number: u32) -> RunId<S> {
    RunId { session, number }
}

fn open(session: S) -> ListedSession<S> {
    ListedSession { session, has_ended: false, has_lapsed: false }
}

fn over(session: S) -> ListedSession<S> {
    ListedSession { has_ended: true, ..open(session) }
}

/// A record of which all waited for is over.
fn ripe(name: S, packs: &[PackId<S>], runs: &[RunId<S>]) -> Record<S> {
    let names = Condemned { packs: packs.to_vec(), runs: runs.to_vec() };
    Record { name, names: Some(names), waits: Some(vec![name]), gone: None, is_graced: true }
}

/// A method of a machine with arguments that suit some phase.
type Call<M> = (&'static str, fn(&mut M) -> Result<(), Stop>);

/// Calls all that are not `allowed` now: each must be refused as misuse and change nothing.
fn refuses_all_but<M: Clone + PartialEq + Debug>(machine: &M, calls: &[Call<M>], allowed: &[&str]) {
    for (name, call) in calls {
        let mut after = machine.clone();
        let result = call(&mut after);
        if allowed.contains(name) {
            assert_eq!(result, Ok(()), "{name} is refused by {machine:?}");
        } else {
            assert!(matches!(result, Err(Stop::Misuse(_))), "{name} is {result:?} for {machine:?}");
            assert_eq!(&after, machine, "{name} was refused and changed something");
        }
    }
}
