//! A merged run is divided by ranges of ids. One of the parts is lost.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Gone,
    Cut,
}

fn divided() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2).with_pack_bytes(100_000).with_run_rows(20).with_merged_rows(100)
}

/// The same on a machine that remembers nothing, over a copy of the storage.
async fn fork(place: &Place, part: &Key, loss: Loss) -> (Arc<Memory>, Repository) {
    let storage = Arc::new(place.storage.fork());
    match loss {
        Loss::Gone => storage.delete(std::slice::from_ref(part)).await.unwrap(),
        Loss::Cut => {
            let bytes = storage.get_bytes(part, 1 << 30).await.unwrap();
            let options = PutOptions::default().with_mode(PutMode::Replace);
            storage.put_bytes(part, bytes.slice(..bytes.len() / 2), &options).await.unwrap();
        }
    }
    let repository = Repository::open(storage.clone(), &place.identity, divided()).await.unwrap();
    (storage, repository)
}

async fn keys(storage: &Memory, prefix: &str) -> Vec<Key> {
    storage.list_all(prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_part_of_a_divided_run_is_noticed_by_all_and_made_again_by_a_repair() {
    let (place, _) = Place::new().await;
    let repository = place.open(divided()).await;
    let (all, other) = (tree(0..400), tree(1000..1020));
    // A run for each forty files.
    for files in (40..400).step_by(40) {
        let id = store(&repository, "a", &tree(0..files)).await;
        repository.forget(&id).await.unwrap();
    }
    let id = store(&repository, "a", &all).await;
    let doomed = store(&repository, "b", &other).await;
    assert!(prune(&repository).await.unwrap().runs_merged > 8);
    let parts = keys(&place.storage, "index/").await;
    assert!((4..15).contains(&parts.len()), "400 rows in parts of 100, and metadata: {parts:?}");
    repository.forget(&doomed).await.unwrap();

    let mut noticed = 0;
    for part in &parts {
        for loss in [Loss::Gone, Loss::Cut] {
            let case = format!("{part} {loss:?}");
            let (storage, reader) = fork(&place, part, loss).await;
            // A pull gives what it can, and says of the rest that it is lost.
            let whole = match pull(&reader, &id, &Selection::default()).await {
                Ok((pulled, lost)) => {
                    let came = pulled.iter().filter_map(|(path, (_, bytes))| Some((path, bytes.as_ref().ok()?)));
                    let came: Vec<_> = came.collect();
                    assert!(came.iter().all(|(path, bytes)| **bytes == all[*path].bytes()), "{case}");
                    came.len() == all.len() && lost.is_empty()
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Damaged, "{case}: {error}");
                    false
                }
            };
            let report = reader.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
            assert!(whole || !report.is_clean(), "{case}: {report:?}");
            assert!(
                loss == Loss::Gone || report.findings.iter().any(|f| f.object == part.as_str()),
                "{case}: {report:?}"
            );
            if whole {
                // Only what nobody needs was in it.
                continue;
            }
            let affected = report.findings.iter().flat_map(|finding| &finding.affects);
            assert!(
                affected.clone().count() > 0 && affected.clone().all(|affected| *affected == id),
                "{case}: {report:?}"
            );

            noticed += 1;

            // A prune frees nothing, and says how to go on.
            let packs = keys(&storage, "packs/").await;
            let error = prune(&reader).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{case}: {error}");
            assert!(error.to_string().contains("repair index"), "{case}: {error}");
            assert_eq!((keys(&storage, "packs/").await, keys(&storage, "condemned/").await), (packs, vec![]), "{case}");

            // A push stores what is listed nowhere, and that helps the older snapshot, too.
            let (_, writer) = fork(&place, part, loss).await;
            let again = store(&writer, "a", &all).await;
            assert_whole(&writer, &again, &all).await;
            assert_whole(&writer, &id, &all).await;

            // A repair lists again what is in the packs; then all goes on as if nothing had been.
            let repaired = repair(&reader).await.unwrap();
            assert!(repaired.packs_listed > 0, "{case}: {repaired:?}");
            assert_eq!(repaired.runs_unreadable.len(), usize::from(loss == Loss::Cut), "{case}");
            assert_whole(&reader, &id, &all).await;
            let report = prune(&reader).await.unwrap();
            assert!(report.is_finished() && report.packs_deleted > 0, "{case}: {report:?}");
            assert!(is_clean(&reader).await, "{case}");
            assert_whole(&reader, &id, &all).await;
        }
    }
    assert!(noticed >= 8, "{noticed} losses of a part that is needed");
}
