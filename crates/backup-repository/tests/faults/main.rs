//! A fault at every call of the storage, in every operation: nothing that was stored is lost, nothing is believed that is
//! not so, and the next attempt succeeds.
//!
//! A normal run takes a sample of the calls, spread over all of them; with `BACKUP_SLOW=1` it takes each.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

mod fault;
#[allow(dead_code, reason = "the round trips use more of it")]
#[path = "../roundtrip/memory.rs"]
mod memory;
mod operation;
mod world;

use backup_core::{Silent, Stop};
use backup_testkit::storage::{FaultPlan, Faulty};
use fault::Fault;
use operation::Operation;
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Cases of an operation and a fault in a normal run.
const SAMPLE: u64 = 5;

/// Runs an operation with each fault at each call.
fn try_all(operation: Operation) {
    // Never dropped: threads that hang would hold up the test instead of failing it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let runtime: &'static _ = Box::leak(Box::new(runtime));
    let world = Arc::new(runtime.block_on(World::new()));
    for (place, fault) in (0..).zip(Fault::ALL) {
        let calls = fault.counted(0);
        runtime.block_on(attempt(world.clone(), operation, fault, calls.1, 0));
        let calls = calls.0.load(std::sync::atomic::Ordering::SeqCst);
        let step = if std::env::var_os("BACKUP_SLOW").is_some() { 1 } else { calls.div_ceil(SAMPLE).max(1) };
        let (mut tried, mut hit) = (0, 0);
        // Not the same calls with every fault.
        for call in (1 + place % step..=calls).step_by(step as usize) {
            let case = attempt(world.clone(), operation, fault, fault.counted(call).1, call);
            hit += runtime.block_on(case).min(1);
            tried += 1;
        }
        println!("{operation:?}, {fault:?}: {calls} calls, {tried} tried, {hit} hit");
        // Packs are not always filled alike, so some runs have fewer calls; a fault that never comes shows nothing.
        assert!(hit * 4 >= tried * 3, "{operation:?}, {fault:?}: {hit} of {tried} faults came");
    }
}

/// One fault, and what follows it. Gives how many calls were made to fail.
async fn attempt(world: Arc<World>, operation: Operation, fault: Fault, plan: FaultPlan, call: u64) -> u64 {
    let case = tokio::spawn(async move {
        let world = world.fork();
        let faulty = Arc::new(Faulty::new(world.storage.clone(), plan));
        let first = operation.run(&world, faulty.clone()).await;
        world.settle().await;
        if faulty.failed() == 0 {
            assert!(first.is_ok(), "without a fault: {:?}", first.err());
        }
        // Whoever comes next, with nothing but the storage.
        world.assert_whole(operation, first.as_ref().ok()).await;
        let second = operation.run(&world, world.storage.clone()).await;
        let second = second.unwrap_or_else(|error| panic!("the second attempt, after {:?}: {error:?}", first.err()));
        world.assert_whole(operation, Some(&second)).await;
        world.drain().await;
        world.assert_whole(operation, Some(&second)).await;
        faulty.failed()
    });
    match tokio::time::timeout(LIMIT, case).await {
        Ok(Ok(failed)) => failed,
        Ok(Err(panic)) => panic!("{operation:?} with {fault:?} at call {call}: {panic}"),
        Err(_) => panic!("{operation:?} with {fault:?} at call {call}: it hangs"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_something_of_everything_to_prune() {
    let world = World::new().await;
    let repository = world.open(world.storage.clone()).await.unwrap();
    let report = repository.prune(&world::at_once(), Arc::new(Silent), &Stop::new()).await.unwrap();
    assert!(report.packs_deleted > 0 && report.packs_condemned > 0 && report.packs_copied > 0, "{report:?}");
    assert!(report.runs_merged > 1 && report.sessions_ended.len() == 1 && report.passes > 1, "{report:?}");
}

#[test]
fn a_push_survives_a_fault_at_any_call() {
    try_all(Operation::Push);
}

#[test]
fn a_pull_survives_a_fault_at_any_call() {
    try_all(Operation::Pull);
}

#[test]
fn a_check_survives_a_fault_at_any_call() {
    try_all(Operation::Check);
}

#[test]
fn a_forget_survives_a_fault_at_any_call() {
    try_all(Operation::Forget);
}

#[test]
fn a_prune_survives_a_fault_at_any_call() {
    try_all(Operation::Prune);
}

#[test]
fn adding_an_owner_survives_a_fault_at_any_call() {
    try_all(Operation::AddOwner);
}

#[test]
fn adding_a_writer_survives_a_fault_at_any_call() {
    try_all(Operation::AddWriter);
}
