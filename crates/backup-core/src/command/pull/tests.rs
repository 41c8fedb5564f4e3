use crate::doubles::*;
use crate::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

fn component(name: &str, status: Status) -> Component {
    let spec = ComponentSpec::new(name, SourceDescription::new("test"));
    Component::new(spec, status, Outcome::default(), Totals::default())
}

fn backup(names: &[&'static str]) -> TestBackup {
    let summary = Summary::new(BackupId("7".into()), "n", "h", SystemTime::UNIX_EPOCH);
    let contents = Arc::new(names.iter().map(|name| (*name, vec![1; 1000])).collect());
    TestBackup { summary, components: vec![component("one", Status::Complete)], contents }
}

fn driver(log: &Log) -> TestSource {
    let contents = Arc::new(BTreeMap::new());
    TestSource { name: "driver", contents, broken: Vec::new(), log: log.clone(), faults: Faults::new() }
}

fn hop(log: &Log) -> Hop {
    Hop { name: "place", log: log.clone(), faults: Faults::new() }
}

fn pull(backup: TestBackup, log: &Log) -> Pull<Set, Set> {
    let id = backup.summary.id.clone();
    Pull::new().from(Arc::new(backup), id).with(Arc::new(driver(log)), hop(log))
}

#[tokio::test]
async fn everything_reaches_the_driver_inward() {
    let log = Log::new();
    let pull = pull(backup(&["a", "f1", "f2"]), &log);
    assert_eq!(
        pull.plan().await.unwrap().to_string(),
        "pull 7 of n from host h\n  1. restore one (test) at place · S P R[ S P C ] C"
    );
    assert!(log.lines().is_empty());
    let report = pull.run().await.unwrap();
    assert!(report.is_flawless());
    let one = &report.components[0];
    assert_eq!(one.trace.to_string(), "S P R[ S P C ] C");
    assert_eq!((one.totals, one.written_bytes), (Totals { entries: 3, files: 3, size_bytes: 3000 }, 3000));
    assert_eq!((log.count("wrote a 1000"), log.count("sink 1000"), log.count("place clean")), (1, 2, 1));
}

#[tokio::test]
async fn damage_is_told_apart_and_the_rest_comes_back() {
    for (damaged, entries, parts) in [("damaged", 1, 0), ("f damaged", 1, 0), ("hole", 0, 1)] {
        let log = Log::new();
        let report = pull(backup(&["a", damaged, "z"]), &log).run().await.unwrap();
        assert!(report.is_damaged() && !report.is_flawless());
        let one = &report.components[0];
        assert_eq!((one.entries_damaged, one.damage.len()), (entries, parts));
        assert_eq!((log.count("wrote a 1000"), log.count("wrote z 1000")), (1, 1));
    }
}

#[tokio::test]
async fn components_fail_alone_and_an_incomplete_one_is_not_restored() {
    let log = Log::new();
    let mut backup = backup(&["a"]);
    backup.components = vec![
        component("gone", Status::Incomplete),
        component("odd", Status::Complete),
        component("good", Status::Partial),
    ];
    let files = Arc::new(driver(&log));
    let choose = move |component: &Component| -> Result<Arc<dyn SourceDriver>> {
        if component.spec.name == "odd" { Err(Error::new(ErrorKind::Unsupported, "odd")) } else { Ok(files.clone()) }
    };
    let pull = Pull::new().from_backup(Arc::new(backup)).with_each(hop(&log), choose);
    let report = pull.run().await.unwrap();
    let failed: Vec<_> = report.failed().map(|(name, failure)| (name, failure.kind)).collect();
    assert_eq!(failed, [("gone", ErrorKind::ProducerFailed), ("odd", ErrorKind::Unsupported)]);
    assert_eq!(log.count("driver restores good"), 1);
    assert_eq!(log.count("driver restores gone"), 0);
}

#[tokio::test]
async fn selections_reach_the_backup() {
    let log = Log::new();
    let mut backup = backup(&["a", "b"]);
    backup.components = vec![component("one", Status::Complete), component("two", Status::Complete)];
    let selection = Selection { paths: vec![path("b")] };
    let report = pull(backup.clone(), &log).select(selection).components(["two".to_owned()]).run().await.unwrap();
    assert_eq!(report.components.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!((log.count("wrote a 1000"), log.count("wrote b 1000")), (0, 1));

    let unknown = pull(backup, &log).components(["three".to_owned()]).run().await.unwrap_err();
    assert_eq!(unknown.error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_failed_restore_is_an_error_and_the_hops_are_closed() {
    for what in ["restore", "put", "finish"] {
        for fault in [Fault::Error, Fault::Panic] {
            let log = Log::new();
            let mut driver = driver(&log);
            driver.faults = Faults::from([(what, fault)]);
            let pull = Pull::new().from_backup(Arc::new(backup(&["a"]))).with(Arc::new(driver), hop(&log));
            let failed = pull.run().await.unwrap_err();
            let kind = if fault == Fault::Error { ErrorKind::Unavailable } else { ErrorKind::Internal };
            assert_eq!(failed.error.kind(), kind);
            assert_eq!(log.count("place clean"), 1);
        }
    }
}

#[tokio::test]
async fn dropping_the_future_closes_the_hops() {
    let log = Log::new();
    let mut driver = driver(&log);
    driver.faults = Faults::from([("put", Fault::Hang)]);
    {
        let run = Pull::new().from_backup(Arc::new(backup(&["a"]))).with(Arc::new(driver), hop(&log)).run();
        tokio::select! {
            _ = run => panic!("it hangs"),
            () = log.seen("driver put") => {}
        }
    }
    log.seen("place clean").await;
    assert_eq!(log.count("driver finish"), 0);
}
