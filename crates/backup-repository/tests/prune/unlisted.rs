//! No snapshot in the listing, and what speaks for some; rubbish in a snapshot's place.

use super::*;

async fn elsewhere(place: &Place) -> Repository {
    place.open(options()).await
}

async fn remove(place: &Place, prefix: &str) {
    place.storage.delete(&place.keys(prefix).await).await.unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    Machine,
    Receipts,
    Session,
    Nobody,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_listing_is_believed_when_all_that_is_known_of_was_forgotten() {
    for witness in [Witness::Machine, Witness::Receipts, Witness::Session, Witness::Nobody] {
        let (place, repository) = Place::new().await;
        let first = store(&repository, &tree(0..5)).await;
        let second = store(&repository, &tree(5..10)).await;
        repository.record_receipts().await.unwrap();
        repository.forget(&first).await.unwrap();
        // The rest of what there was is lost.
        remove(&place, "snapshots/").await;
        if witness != Witness::Receipts {
            remove(&place, "receipts/").await;
        }
        if witness != Witness::Session {
            remove(&place, &format!("sessions/{second}/")).await;
        }
        let own = if witness == Witness::Machine { repository.clone() } else { elsewhere(&place).await };
        let packs = place.count("packs/").await;
        if witness != Witness::Nobody {
            let error = prune(&own, &now()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{witness:?}: {error}");
            assert!(
                error.to_string().contains(&second.0) && !error.to_string().contains(&first.0),
                "{witness:?}: {error}"
            );
            assert_eq!((place.count("condemned/").await, place.count("packs/").await), (0, packs));
            assert_eq!(prune(&own, &now().with_dry_run(true)).await.unwrap_err().kind(), ErrorKind::Damaged);
        }
        match witness {
            // An owner says that it is gone for good, or that all of it may go.
            Witness::Machine | Witness::Session => own.forget_missing(&second).await.unwrap(),
            Witness::Receipts => {
                let report = prune(&own, &now().with_believe_empty(true)).await.unwrap();
                assert!(report.packs_deleted > 0, "{report:?}");
                continue;
            }
            Witness::Nobody => {}
        }
        let report = prune(&own, &now()).await.unwrap();
        assert!(report.packs_deleted > 0, "{witness:?}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_was_ended_by_others_is_no_reason_to_expect_a_snapshot() {
    let (place, repository) = Place::new().await;
    let first = store(&repository, &tree(0..5)).await;
    repository.forget(&first).await.unwrap();
    drop(repository.begin(Spec::new("dead", "h"), Arc::new(Silent)).await.unwrap());
    place.storage.advance(2 * DAY);
    let report = prune(&elsewhere(&place).await, &now()).await.unwrap();
    assert_eq!((report.sessions_ended.len(), place.count("packs/").await), (1, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_session_with_rubbish_in_its_snapshots_place_is_ended() {
    // Short, long, and longer than any record.
    for length in [3, 700, 65 << 20] {
        let (place, repository) = Place::new().await;
        let kept = store(&repository, &tree(0..5)).await;
        drop(repository.begin(Spec::new("dead", "h"), Arc::new(Silent)).await.unwrap());
        let sessions = place.storage.list_all("sessions/").await.unwrap();
        let of = |key: &Key| key.as_str().split('/').nth(1).unwrap().to_owned();
        let has_ended = |id: &str| sessions.iter().any(|(key, _)| key.as_str() == format!("sessions/{id}/end"));
        let session = sessions.iter().map(|(key, _)| of(key)).find(|id| !has_ended(id)).unwrap();
        let key = Key::new(format!("snapshots/{session}")).unwrap();
        place.storage.put_bytes(&key, vec![7; length].into(), &PutOptions::default()).await.unwrap();
        place.storage.advance(2 * DAY);

        // It may be a snapshot that was damaged: nothing is freed until an owner says what it is.
        let owner = elsewhere(&place).await;
        let error = prune(&owner, &now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{length}: {error:?}");
        assert!(error.to_string().contains(&session) && error.to_string().contains("forget it"), "{error}");
        assert_eq!(place.count(&format!("sessions/{session}/end")).await, 1, "but nobody waits for it");
        owner.repair_index(Duration::ZERO, Arc::new(Silent), &Stop::new()).await.unwrap();
        owner.forget(&BackupId(session)).await.unwrap();
        assert!(prune(&owner, &now()).await.unwrap().is_finished());
        assert_whole(&owner, &kept, &tree(0..5)).await;
        assert_clean(&owner).await;
    }
}
