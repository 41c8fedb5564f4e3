//! Any sequence of pushes, forgets, prunes and dead sessions keeps every snapshot that was not forgotten.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Push the files of a range of seeds.
    Push(u8, u8),
    /// Forget one of the snapshots.
    Forget(u8),
    /// Prune without a grace, or with one.
    Prune(bool),
    /// A push that dies in the middle.
    Die(u8),
    /// A day and an hour pass.
    Wait,
    /// The cache is lost.
    LoseCache,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..30, 1u8..12).prop_map(|(from, count)| Step::Push(from, count)),
        3 => any::<u8>().prop_map(Step::Forget),
        3 => any::<bool>().prop_map(Step::Prune),
        1 => (0u8..30).prop_map(Step::Die),
        2 => Just(Step::Wait),
        1 => Just(Step::LoseCache),
    ]
}

async fn run(steps: Vec<Step>) {
    let (place, mut repository) = Place::new().await;
    let mut shadow: Vec<(BackupId, Tree)> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        place.storage.advance(Duration::from_secs(60));
        match step {
            Step::Push(from, count) => {
                let tree = tree((from..from + count).map(u64::from));
                shadow.push((store(&repository, &tree).await, tree));
            }
            Step::Forget(which) if !shadow.is_empty() => {
                let (id, _) = shadow.remove(usize::from(which) % shadow.len());
                repository.forget(&id).await.unwrap();
            }
            Step::Forget(_) => {}
            Step::Prune(at_once) => {
                let options = if at_once { now() } else { PruneOptions::default() };
                match prune(&repository, &options).await {
                    Ok(_) => {}
                    // Only a push that died has been here.
                    Err(error) => assert!(shadow.is_empty() && error.kind() == ErrorKind::Damaged, "{error:?}"),
                }
            }
            Step::Die(from) => {
                let mut draft = repository.begin(Spec::new("n", "h"), Arc::new(Silent)).await.unwrap();
                let tree = tree((from..from + 8).map(u64::from));
                send(&mut *draft, &mut MemoryCapture::new(&tree, 4096)).await.unwrap();
            }
            Step::Wait => place.storage.advance(DAY + Duration::from_secs(3600)),
            Step::LoseCache => {
                let options = place.options().with_cache_dir(place.cache.path().join(number.to_string()));
                repository = place.open(options).await;
            }
        }
    }
    for (id, tree) in &shadow {
        assert_whole(&repository, id, tree).await;
    }
    assert_clean(&repository).await;
    // A year later nothing but what is referred to is left.
    if !shadow.is_empty() {
        for days in [2, 400, 2, 2] {
            place.storage.advance(DAY * days);
            prune(&repository, &now()).await.unwrap();
        }
        assert_eq!(place.count("condemned/").await, 0);
        assert!(place.count("index/").await <= 2 * 9, "{:?}", place.storage.list_all("index/").await);
        assert!(place.count("sessions/").await <= 2 * (place.count("packs/").await + 1));
        for (id, tree) in &shadow {
            assert_whole(&repository, id, tree).await;
        }
        assert_clean(&repository).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_what_was_not_forgotten(steps in proptest::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
