//! The doubles do what they say, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test")]

use backup_core::{Error, ErrorKind, Key, PutOptions, Result, StorageDriver, StorageExt};
use backup_storage::Memory;
use backup_testkit::storage::{
    Counting, Crashing, FaultPlan, Faulty, Method, Moment, Pace, Slow, Subject, Tally, Verdict, run_all,
};
use bytes::Bytes;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn create() -> PutOptions {
    PutOptions::default()
}

async fn names(storage: &dyn StorageDriver) -> Vec<String> {
    storage.list_all("").await.unwrap().into_iter().map(|(key, _)| key.to_string()).collect()
}

/// Tries everything once and goes on after errors.
async fn use_everything(storage: &dyn StorageDriver) -> Result<()> {
    let mut first = Ok(());
    let mut note = |result: Result<()>| {
        if first.is_ok() {
            first = result;
        }
    };
    for name in ["a", "b/c", "b/d"] {
        note(
            async {
                let mut writer = storage.put(&key(name), &create()).await?;
                writer.write(Bytes::from("some ")).await?;
                writer.write(Bytes::from(name)).await?;
                writer.finish().await.map(drop)
            }
            .await,
        );
    }
    note(
        async {
            let mut writer = storage.put(&key("given up"), &create()).await?;
            writer.write(Bytes::from("x")).await?;
            writer.abort().await
        }
        .await,
    );
    note(storage.get_bytes(&key("a"), 100).await.map(drop));
    note(storage.stat(&key("b/c")).await.map(drop));
    note(storage.list("b/", None).await.map(drop));
    note(storage.delete(&[key("a"), key("b/c")]).await);
    first
}

#[tokio::test]
async fn a_tower_of_quiet_doubles_passes_the_suite() {
    let memory = Arc::new(Memory::new());
    let counted = Arc::new(Counting::new(memory));
    let crashing = Arc::new(Crashing::after(counted.clone(), u64::MAX));
    let slow = Arc::new(Slow::new(crashing, Pace::latency(Duration::ZERO)));
    let faulty = Faulty::new(slow, FaultPlan::never());
    for (case, verdict) in run_all(&Subject::new(Arc::new(faulty)).with_canary("not in any text")).await {
        assert!(matches!(verdict, Verdict::Passed), "{case}: {verdict:?}");
    }
    assert!(counted.tally(Method::Put).calls > 4000);
}

#[tokio::test]
async fn counting_counts_by_method_and_key() {
    let storage = Counting::new(Arc::new(Memory::new()));
    use_everything(&storage).await.unwrap();
    storage.get_range(&key("b/d"), 1..3).await.unwrap();
    storage.get_range(&key("b/d"), 2..3).await.unwrap();
    assert!(storage.get(&key("missing"), None).await.is_err());
    let tally = |tally: Tally| (tally.calls, tally.bytes, tally.keys);
    assert_eq!(tally(storage.tally(Method::Put)), (4, 0, 4));
    assert_eq!(tally(storage.tally(Method::Write)), (7, 5 + 1 + 5 + 3 + 5 + 3 + 1, 4));
    assert_eq!(tally(storage.tally(Method::Finish)), (3, 0, 3));
    assert_eq!(tally(storage.tally(Method::Abort)), (1, 0, 1));
    assert_eq!(tally(storage.tally(Method::Get)), (4, 6 + 2 + 1, 3));
    assert_eq!(tally(storage.tally_under(Method::Get, "b/")), (2, 3, 1));
    assert_eq!(tally(storage.tally_under(Method::Get, "c")), (0, 0, 0));
    assert_eq!(tally(storage.tally(Method::List)), (1, 0, 1));
    assert_eq!(tally(storage.tally_under(Method::List, "b/")), (1, 0, 1));
    assert_eq!(tally(storage.tally(Method::Delete)), (2, 0, 2));
    storage.reset();
    assert_eq!(tally(storage.tally(Method::Write)), (0, 0, 0));
}

#[tokio::test]
async fn each_call_can_fail_and_no_object_is_seen_in_part() {
    let quiet = Faulty::new(Arc::new(Memory::new()), FaultPlan::never());
    use_everything(&quiet).await.unwrap();
    let calls = quiet.calls();
    assert_eq!((calls, quiet.failed()), (4 + 7 + 3 + 1 + 4, 0));
    for moment in [Moment::Before, Moment::After] {
        for number in 1..=calls {
            let memory = Memory::new();
            let plan = FaultPlan::nth(number).with_kind(ErrorKind::NoSpace).with_moment(moment);
            let faulty = Faulty::new(Arc::new(memory.clone()), plan);
            let error = use_everything(&faulty).await.unwrap_err();
            assert_eq!((error.kind(), faulty.failed()), (ErrorKind::NoSpace, 1), "{moment:?} {number}: {error:?}");
            for (key, _) in memory.list_all("").await.unwrap() {
                assert_eq!(memory.get_bytes(&key, 100).await.unwrap(), format!("some {key}"), "{moment:?} {number}");
            }
        }
    }
}

#[tokio::test]
async fn a_fault_comes_before_or_after_the_effect() {
    let memory = Memory::new();
    let failing = |method, moment| {
        let plan = FaultPlan::when(move |call| call.method == method && call.key == "x").with_moment(moment);
        Faulty::new(Arc::new(memory.clone()), plan)
    };
    let put = async |storage: Faulty| storage.put_bytes(&key("x"), Bytes::from("content"), &create()).await;
    assert_eq!(put(failing(Method::Finish, Moment::Before)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(names(&memory).await.is_empty());
    assert_eq!(put(failing(Method::Finish, Moment::After)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(names(&memory).await, ["x"]);
    // Trying again, the caller finds its own bytes.
    failing(Method::Stat, Moment::After).create(&key("x"), Bytes::from("content")).await.unwrap_err();
    failing(Method::Get, Moment::After).create(&key("x"), Bytes::from("content")).await.unwrap_err();
    failing(Method::Finish, Moment::After).create(&key("x"), Bytes::from("content")).await.unwrap();
    assert_eq!(put(failing(Method::Stat, Moment::Before)).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

    assert!(failing(Method::Delete, Moment::Before).delete(&[key("x")]).await.is_err());
    assert_eq!(names(&memory).await, ["x"]);
    assert!(failing(Method::Delete, Moment::After).delete(&[key("y")]).await.is_ok());
    assert!(failing(Method::Delete, Moment::After).delete(&[key("x")]).await.is_err());
    assert!(names(&memory).await.is_empty());
}

#[tokio::test]
async fn a_get_can_break_off_in_the_middle() {
    let memory = Memory::new();
    memory.put_bytes(&key("x"), Bytes::from("0123456789"), &create()).await.unwrap();
    let faulty = Faulty::new(Arc::new(memory), FaultPlan::from(1).with_moment(Moment::After));
    for (range, got) in [(None, "01234"), (Some(2..8), "234"), (Some(6..100), "67")] {
        let mut reader = faulty.get(&key("x"), range).await.unwrap();
        let mut content = Vec::new();
        let error = Error::io("reading", reader.read_to_end(&mut content).await.unwrap_err());
        assert_eq!((error.kind(), content.as_slice()), (ErrorKind::Unavailable, got.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_takes_its_time() {
    let rate = NonZeroU64::new(1000).unwrap();
    let pace = Pace::latency(Duration::from_millis(50)).with_rate(rate);
    let storage = Slow::new(Arc::new(Memory::new()), pace);
    let start = Instant::now();
    storage.put_bytes(&key("x"), Bytes::from(vec![0; 3000]), &create()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(3 * 50 + 3000));
    let start = Instant::now();
    assert_eq!(storage.get_bytes(&key("x"), 3000).await.unwrap().len(), 3000);
    let took = start.elapsed();
    assert!((Duration::from_millis(3050)..Duration::from_millis(3200)).contains(&took), "{took:?}");

    let pace = Pace::latency(Duration::from_secs(60)).when(|call| call.method == Method::List && call.number > 2);
    let storage = Slow::new(Arc::new(Memory::new()), pace);
    let start = Instant::now();
    storage.list("", None).await.unwrap();
    storage.stat(&key("x")).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    storage.list("", None).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(60));
}

#[tokio::test]
async fn crashing_leaves_the_first_effects_and_nothing_else() {
    let expected: [&[&str]; 7] =
        [&[], &["a"], &["a", "b/c"], &["a", "b/c", "b/d"], &["b/c", "b/d"], &["b/d"], &["b/d"]];
    for (effects, expected) in (0_u64..).zip(expected) {
        let memory = Memory::new();
        let crashing = Crashing::after(Arc::new(memory.clone()), effects);
        let mut open = crashing.put(&key("unfinished"), &create()).await.ok();
        let result = use_everything(&crashing).await;
        assert_eq!(result.is_err(), effects <= 5, "{effects}: {result:?}");
        assert_eq!(crashing.is_dead(), effects <= 5);
        assert_eq!(names(&memory).await, expected, "{effects}");
        if crashing.is_dead() {
            if let Some(writer) = &mut open {
                assert!(writer.write(Bytes::from("x")).await.is_err());
            }
            if let Some(writer) = open {
                assert_eq!(writer.finish().await.unwrap_err().kind(), ErrorKind::Cancelled);
            }
            assert!(crashing.stat(&key("b/d")).await.is_err() && crashing.list("", None).await.is_err());
            assert!(crashing.delete(&[]).await.is_err() && crashing.put(&key("y"), &create()).await.is_err());
            assert_eq!(names(&memory).await, expected, "{effects}");
        }
    }
}
