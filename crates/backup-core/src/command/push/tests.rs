use super::*;
use crate::doubles::*;
use crate::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const STREAM_BYTES: usize = 1_000_000;

struct Bench {
    log: Log,
    journal: MemoryJournal,
    source: TestSource,
    destinations: Vec<TestDestination>,
}

impl Bench {
    fn new(destinations: &[&'static str]) -> Self {
        let log = Log::new();
        let stream: Vec<u8> = (0..STREAM_BYTES).map(|i| (i % 251) as u8).collect();
        let contents = BTreeMap::from([
            ("a", b"one".to_vec()),
            ("b", vec![7; 10_000]),
            ("c", Vec::new()),
            ("s1", stream),
            ("s2", b"two".to_vec()),
        ]);
        let source = TestSource {
            name: "source",
            contents: Arc::new(contents),
            broken: Vec::new(),
            log: log.clone(),
            faults: Faults::new(),
        };
        let destination = |name: &&'static str| TestDestination {
            name,
            log: log.clone(),
            faults: Faults::new(),
            has: Vec::new(),
            visible: Arc::default(),
        };
        Bench {
            destinations: destinations.iter().map(destination).collect(),
            log,
            journal: MemoryJournal::new(),
            source,
        }
    }

    fn hop(&self, name: &'static str) -> Hop {
        Hop { name, log: self.log.clone(), faults: Faults::new() }
    }

    fn source(&self) -> Source {
        let chain = Chain::from(self.hop("outer")).then(Arc::new(self.hop("inner")));
        Source::new(Arc::new(self.source.clone()), chain)
    }

    fn freeze(&self) -> TestAction {
        let thaw = TestAction { name: "thaw", undo: None, log: self.log.clone(), faults: Faults::new() };
        TestAction { name: "freeze", undo: Some(Box::new(thaw.clone())), ..thaw }
    }

    fn push(&self) -> Push<Missing, Set, Set> {
        let push = Push::new().spec(Spec::new("n", "h")).journal(Arc::new(self.journal.clone()));
        let mut targets = self.destinations.iter().map(|d| Target::new(d.name, Arc::new(d.clone())));
        let push = push.to(targets.next().unwrap());
        targets.fold(push, Push::to)
    }

    fn stored(&self, destination: usize, component: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.destinations[destination].visible.lock().unwrap().as_ref().map(|stored| stored[component].clone())
    }

    fn expected(&self, without: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let contents = self.source.contents.iter().filter(|(name, _)| !without.contains(name));
        contents.map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect()
    }

    async fn nothing_is_pending(&self) -> bool {
        self.journal.pending().await.unwrap().is_empty()
    }
}

#[tokio::test]
async fn one_destination_gets_everything() {
    let bench = Bench::new(&["r"]);
    let report = bench.push().capture(bench.source()).run().await.unwrap();
    assert_eq!(bench.stored(0, "test").unwrap(), bench.expected(&[]));
    assert!(report.is_flawless());
    assert_eq!(report.components[0].traces[0].to_string(), "S R[ S R[ S P C ] P C ] P C");
    assert_eq!(report.destinations[0].trace.to_string(), "S P C");
    let log = bench.log.lines();
    let at = |line: &str| log.iter().position(|l| l == line).unwrap();
    assert!(at("source finish") < at("source capture dropped"));
    assert!(at("source capture dropped") < at("inner clean"));
    assert!(
        at("inner clean") < at("outer clean") && at("outer clean") < at("r accept") && at("r accept") < at("r commit")
    );
    assert_eq!(bench.log.count("r abort"), 0);
}

#[tokio::test]
async fn each_destination_takes_what_it_wants() {
    let mut bench = Bench::new(&["r", "s"]);
    bench.destinations[0].has = vec!["a", "s1"];
    bench.destinations[1].has = vec!["b", "s2"];
    assert!(bench.push().capture(bench.source()).run().await.unwrap().is_flawless());
    assert_eq!(bench.stored(0, "test").unwrap(), bench.expected(&["a", "s1"]));
    assert_eq!(bench.stored(1, "test").unwrap(), bench.expected(&["b", "s2"]));
}

#[tokio::test]
async fn a_destination_fails_alone() {
    for what in ["begin", "component", "want", "files", "stream", "stream midway", "accept", "commit"] {
        for fault in [Fault::Error, Fault::Panic] {
            let mut bench = Bench::new(&["r", "s", "t"]);
            bench.destinations[1].faults = Faults::from([(what, fault)]);
            let result = bench.push().capture(bench.source()).run().await;
            if fault == Fault::Panic && ["files", "stream", "stream midway"].contains(&what) {
                // It panicked inside the source's own call: nobody knows what state either of them is in.
                assert_eq!(result.unwrap_err().error.kind(), ErrorKind::Internal);
                assert_eq!(bench.stored(0, "test"), None);
                continue;
            }
            let report = result.unwrap();
            assert_eq!(report.failed().map(|(label, _)| label).collect::<Vec<_>>(), ["s"], "{what}");
            let kind = if fault == Fault::Error { ErrorKind::Unavailable } else { ErrorKind::Internal };
            assert_eq!(report.failed().next().unwrap().1.kind, kind);
            assert!(!report.is_flawless());
            for number in [0, 2] {
                assert_eq!(bench.stored(number, "test").unwrap(), bench.expected(&[]), "{what} {fault:?}");
            }
            assert_eq!(bench.stored(1, "test"), None);
            assert_eq!(bench.log.count("s abort"), usize::from(what != "begin" && what != "commit"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_destination_that_stops_reading_early_has_failed() {
    let mut bench = Bench::new(&["r", "s"]);
    bench.destinations[1].faults = Faults::from([("stream short", Fault::Error)]);
    let report = bench.push().capture(bench.source()).run().await.unwrap();
    assert_eq!(
        report.failed().map(|(label, failure)| (label, failure.kind)).collect::<Vec<_>>(),
        [("s", ErrorKind::Internal)]
    );
    assert_eq!(bench.stored(0, "test").unwrap(), bench.expected(&[]));
    assert_eq!(bench.stored(1, "test"), None);
}

#[tokio::test]
async fn the_destination_names_the_error_when_it_is_the_only_one() {
    for what in ["begin", "component", "want", "accept", "commit"] {
        let mut bench = Bench::new(&["r"]);
        bench.destinations[0].faults = Faults::from([(what, Fault::Error)]);
        let failed = bench.push().capture(bench.source()).run().await.unwrap_err();
        assert_eq!(failed.error.to_string(), format!("r {what} failed"));
        assert_eq!(bench.stored(0, "test"), None);
    }
}

#[tokio::test]
async fn a_failed_producer_never_becomes_a_backup() {
    for (what, fault) in
        ["capture", "list", "fetch", "finish"].into_iter().flat_map(|w| [(w, Fault::Error), (w, Fault::Panic)])
    {
        let mut bench = Bench::new(&["r", "s"]);
        bench.source.faults = Faults::from([(what, fault)]);
        let failed = bench.push().capture(bench.source()).run().await.unwrap_err();
        assert!(failed.report.components[0].failure.is_some(), "{what}");
        assert_eq!((bench.stored(0, "test"), bench.stored(1, "test")), (None, None), "{what}");
        assert_eq!((bench.log.count("r abort"), bench.log.count("r commit")), (1, 0), "{what}");
        assert_eq!((bench.log.count("inner clean"), bench.log.count("outer clean")), (1, 1), "{what}");
    }
}

#[tokio::test]
async fn a_failed_component_is_recorded_as_such_beside_the_others() {
    for optional in [false, true] {
        let mut bench = Bench::new(&["r"]);
        let good = bench.source().named("good");
        bench.source.faults = Faults::from([("finish", Fault::Error)]);
        let bad = bench.source().named("bad");
        let bad = if optional { bad.optional() } else { bad };
        let report = bench.push().capture(bad).capture(good).run().await.unwrap();
        assert_eq!(report.status(), Some(if optional { Status::Complete } else { Status::Incomplete }));
        assert!(!report.is_flawless());
        assert_eq!(bench.stored(0, "good").unwrap(), bench.expected(&[]));
        assert_eq!(bench.stored(0, "bad").unwrap(), BTreeMap::new());
        let recorded = &report.destinations[0].components[0];
        assert_eq!(recorded.outcome.fatal.as_deref(), Some("source finish failed"));
    }
}

#[tokio::test]
async fn a_broken_stream_is_lost_everywhere_and_the_rest_goes_on() {
    let mut bench = Bench::new(&["r", "s"]);
    bench.source.broken = vec!["s1"];
    bench.push().capture(bench.source()).run().await.unwrap();
    for number in [0, 1] {
        assert_eq!(bench.stored(number, "test").unwrap(), bench.expected(&["s1"]));
    }
}

#[tokio::test]
async fn an_application_is_frozen_only_for_the_second_pass() {
    let bench = Bench::new(&["r"]);
    let source = bench.source();
    let push = bench.push().capture(source.clone()).execute(bench.hop("app"), Arc::new(bench.freeze()));
    let push = push.capture(source).undo();
    let plan = push.plan().unwrap();
    assert_eq!(
        plan.to_string(),
        "push n from host h\n  1. capture test at outer → inner · S R[ S R[ S P C ] P C ] P C\n  \
         2. execute freeze at app · S R[ S E C ] C\n  3. capture test at outer → inner · S R[ S R[ S P C ] P C ] P C\n  \
         4. undo the latest side effect\n  => store r · S P C"
    );
    assert!(bench.log.lines().is_empty(), "a plan does nothing");
    let report = push.run().await.unwrap();
    assert!(report.is_flawless());
    let milestones = ["source finish", "freeze execute", "thaw execute", "r commit"];
    let log: Vec<_> = bench.log.lines().into_iter().filter(|line| milestones.contains(&line.as_str())).collect();
    assert_eq!(log, ["source finish", "freeze execute", "source finish", "thaw execute", "r commit"]);
    assert_eq!(report.executions[0].result, Ok(vec!["freeze done".into()]));
    assert!(bench.nothing_is_pending().await);
    assert_eq!(report.components[0].traces.len(), 2);
}

#[tokio::test]
async fn a_side_effect_is_undone_whatever_happens() {
    for (who, what) in
        [("source", "capture"), ("source", "finish"), ("freeze", "execute"), ("r", "want"), ("r", "commit")]
    {
        for fault in [Fault::Error, Fault::Panic] {
            let mut bench = Bench::new(&["r"]);
            let mut freeze = bench.freeze();
            let faults = Faults::from([(what, fault)]);
            match who {
                "source" => bench.source.faults = faults,
                "freeze" => freeze.faults = faults,
                _ => bench.destinations[0].faults = faults,
            }
            let push = bench.push().execute(bench.hop("app"), Arc::new(freeze)).capture(bench.source());
            push.run().await.unwrap_err();
            assert_eq!(bench.log.count("thaw execute"), 1, "{who} {what} {fault:?}");
            assert!(bench.nothing_is_pending().await);
            assert_eq!(bench.stored(0, "test"), None);
        }
    }
}

#[tokio::test]
async fn an_undo_that_fails_stays_in_the_journal() {
    let bench = Bench::new(&["r"]);
    let mut freeze = bench.freeze();
    freeze.undo.as_mut().unwrap().faults = Faults::from([("execute", Fault::Error)]);
    let push = bench.push().execute(bench.hop("app"), Arc::new(freeze)).capture(bench.source());
    let report = push.run().await.unwrap();
    assert!(!report.is_flawless() && report.executions[1].result.is_err());
    let pending = bench.journal.pending().await.unwrap();
    let [Pending::Record(record, _)] = pending.as_slice() else { panic!("{pending:?}") };
    assert_eq!(*record, UndoRecord::new(vec!["app".into()], ActionSpec::new("thaw")));
}

#[tokio::test]
async fn a_capture_behind_a_failed_action_counts_as_failed() {
    let bench = Bench::new(&["r"]);
    let mut freeze = bench.freeze();
    freeze.faults = Faults::from([("execute", Fault::Error)]);
    let (shop, rest) = (bench.source().named("shop"), bench.source().named("rest"));
    let push = bench.push().capture(shop.clone()).capture(rest);
    let report = push.execute(bench.hop("app"), Arc::new(freeze)).capture(shop).undo().run().await.unwrap();
    assert_eq!(report.status(), Some(Status::Incomplete));
    assert_eq!(bench.stored(0, "rest").unwrap(), bench.expected(&[]));
    assert_eq!(bench.stored(0, "shop").unwrap(), BTreeMap::new(), "the first pass must not stand for the second");
}

#[tokio::test]
async fn dropping_the_future_stops_and_cleans_up() {
    for (who, what) in [("source", "list"), ("source", "finish"), ("r", "want"), ("r", "stream")] {
        let mut bench = Bench::new(&["r", "s"]);
        let faults = Faults::from([(what, Fault::Hang)]);
        if who == "source" {
            bench.source.faults = faults
        } else {
            bench.destinations[0].faults = faults
        }
        let push = bench.push().execute(bench.hop("app"), Arc::new(bench.freeze())).capture(bench.source());
        let hangs = format!("{who} {what}");
        {
            let run = push.run();
            tokio::select! {
                _ = run => panic!("it hangs"),
                () = bench.log.seen(&hangs) => {}
            }
        }
        bench.log.seen("s abort").await;
        let log = bench.log.lines();
        let at = |line: &str| log.iter().position(|l| l == line).unwrap();
        assert!(at("source capture dropped") < at("inner clean") && at("inner clean") < at("outer clean"));
        assert!(at("outer clean") < at("thaw execute") && at("thaw execute") < at("r abort"));
        assert_eq!((bench.stored(0, "test"), bench.log.count("r commit")), (None, 0));
        assert!(bench.nothing_is_pending().await);
    }
}

#[tokio::test]
async fn a_stop_ends_the_run_as_cancelled() {
    let mut bench = Bench::new(&["r"]);
    bench.source.faults = Faults::from([("list", Fault::Hang)]);
    let stop = Stop::new();
    let push = bench.push().capture(bench.source()).stop(stop.clone());
    let (result, ()) = tokio::join!(push.run(), async {
        bench.log.seen("source list").await;
        stop.stop();
    });
    let failed = result.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Cancelled);
    assert_eq!(failed.report.components[0].traces[0].to_string(), "S R[ S R[ S P! C ] C ] C");
    assert_eq!(bench.log.count("r abort"), 1);
}

/// Most of the reading may happen there.
#[tokio::test]
async fn a_stop_does_not_wait_until_a_component_is_accepted() {
    let mut bench = Bench::new(&["r"]);
    bench.destinations[0].faults = Faults::from([("accept", Fault::Hang)]);
    let stop = Stop::new();
    let push = bench.push().capture(bench.source()).stop(stop.clone());
    let (result, ()) = tokio::join!(push.run(), async {
        bench.log.seen("r accept").await;
        stop.stop();
    });
    assert_eq!(result.unwrap_err().error.kind(), ErrorKind::Cancelled);
    assert_eq!((bench.log.count("r commit"), bench.log.count("r abort")), (0, 1));
}

#[tokio::test]
async fn what_cannot_be_cleaned_is_told_and_loses_nothing() {
    let bench = Bench::new(&["r"]);
    let hop = Hop { faults: Faults::from([("clean", Fault::Error)]), ..bench.hop("outer") };
    let report = bench.push().capture(Source::new(Arc::new(bench.source.clone()), hop)).run().await.unwrap();
    assert_eq!(report.components[0].left_behind[0].message, "outer clean failed");
    assert_eq!(bench.stored(0, "test").unwrap(), bench.expected(&[]));
    assert!(!report.is_flawless());
}

#[tokio::test]
async fn what_could_not_work_is_refused_before_it_begins() {
    let bench = Bench::new(&["r"]);
    let freeze: Arc<dyn Action> = Arc::new(bench.freeze());
    let same_name = bench.push().capture(bench.source()).capture(bench.source());
    let same_label = bench.push().capture(bench.source()).to(Target::new("r", Arc::new(bench.destinations[0].clone())));
    let nothing_to_undo = bench.push().capture(bench.source()).undo();
    let no_journal = Push::new().capture(bench.source()).execute(bench.hop("app"), freeze).spec(Spec::default());
    let no_journal = no_journal.to(Target::new("r", Arc::new(bench.destinations[0].clone())));
    for push in [same_name, same_label, nothing_to_undo, no_journal] {
        let planned = push.plan().unwrap_err();
        assert_eq!(planned.kind(), ErrorKind::InvalidInput);
        assert_eq!(push.run().await.unwrap_err().error.to_string(), planned.to_string());
    }
    assert!(bench.log.lines().is_empty());
}

#[derive(Debug)]
struct Opens(TestDestination);

#[async_trait::async_trait]
impl OpenDestination for Opens {
    async fn open(&self, _: Arc<dyn Session>) -> Result<Arc<dyn Destination>> {
        Ok(Arc::new(self.0.clone()))
    }
}

#[tokio::test]
async fn a_destination_at_the_end_of_a_chain_stays_open_for_the_whole_push() {
    let bench = Bench::new(&["r"]);
    let target = Target::at("far", bench.hop("far"), Arc::new(Opens(bench.destinations[0].clone())));
    let push = Push::new().capture(bench.source()).to(target).spec(Spec::new("n", "h"));
    let report = push.run().await.unwrap();
    assert_eq!(report.destinations[0].trace.to_string(), "S P R[ S P C ] C");
    let log = bench.log.lines();
    let at = |line: &str| log.iter().position(|l| l == line).unwrap();
    assert!(at("far setup") < at("outer setup") && at("r commit") < at("far clean"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever the lengths, and whoever fails midway, the others store exactly what the source gave.
    #[test]
    fn teeing_loses_nothing(lengths in prop::collection::vec(0usize..400_000, 1..4), failing in 0usize..4) {
        let mut bench = Bench::new(&["r", "s", "t"]);
        let names = ["s1", "s2", "s3"];
        let contents = names.into_iter().zip(&lengths);
        let contents = contents.map(|(name, n)| (name, (0..*n).map(|i| (i * 7 % 256) as u8).collect()));
        bench.source.contents = Arc::new(contents.collect());
        if let Some(destination) = bench.destinations.get_mut(failing) {
            destination.faults = Faults::from([("stream", Fault::Error)]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(bench.push().capture(bench.source()).run()).unwrap();
        for number in 0..3 {
            prop_assert_eq!(bench.stored(number, "test"), (number != failing).then(|| bench.expected(&[])));
        }
    }
}
