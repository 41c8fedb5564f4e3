//! Prune beside writers, domains, and what was revoked.

use super::*;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn prune(place: &Place) -> PruneReport {
    let options = PruneOptions::default().with_grace(Duration::ZERO);
    place.owner().await.prune(&options, Arc::new(Silent), &Stop::new()).await.unwrap()
}

async fn assert_clean(place: &Place) {
    let report = place.check().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writers_of_several_domains_stored_is_freed_and_kept_domain_by_domain() {
    let place = Place::new().await;
    let here = place.writer(&place.certify(WriterSpec::default()).await).await;
    let there = place.writer(&place.certify(WriterSpec::default().with_domain("other")).await).await;
    let old = push_tree(&here, "a", &tree(1)).await;
    let kept_here = push_tree(&here, "a", &tree(2)).await;
    let gone = push_tree(&there, "b", &tree(1)).await;
    let kept_there = push_tree(&there, "b", &tree(3)).await;
    for id in [&old.summary.id, &gone.summary.id] {
        place.owner().await.forget(id).await.unwrap();
    }
    let report = prune(&place).await;
    assert!(report.is_finished() && report.packs_deleted >= 4, "{report:?}");
    assert_whole(&place.owner().await, &kept_here.summary.id, &tree(2)).await;
    assert_whole(&place.owner().await, &kept_there.summary.id, &tree(3)).await;
    assert_clean(&place).await;
    // A year later nothing of their sessions holds anything up.
    place.storage.advance(DAY * 400);
    assert!(prune(&place).await.is_finished());
    assert!(prune(&place).await.is_finished());
    assert_clean(&place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_cannot_prune() {
    let place = Place::new().await;
    let writer = place.writer(&place.certify(WriterSpec::default()).await).await;
    let refused = writer.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::new()).await;
    assert_eq!(kind(refused), ErrorKind::AccessDenied);
    let refused = writer.repair_index(Duration::ZERO, Arc::new(Silent), &Stop::new()).await;
    assert_eq!(kind(refused), ErrorKind::AccessDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_who_was_revoked_stay_while_others_need_them_and_its_word_is_not_taken_over() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    let (thief, other) =
        (place.writer(&credential).await, place.writer(&place.certify(WriterSpec::default()).await).await);
    push_tree(&thief, "thief", &tree(1)).await;
    let shared = push_tree(&other, "shared", &tree(1)).await;
    assert_eq!(shared.stats.bytes_added, 0);
    place.owner().await.revoke_writer(&credential.id().unwrap()).await.unwrap();
    // What it stores afterwards is nobody's.
    push_tree(&thief, "late", &tree(5)).await;
    let late: Vec<Key> = place.keys("snapshots/").await;
    let known: Vec<String> = place.owner().await.list().await.unwrap().into_iter().map(|s| s.id.0).collect();
    let late = late.iter().find(|key| !known.iter().any(|id| key.as_str().ends_with(id))).unwrap();
    let late = BackupId(late.as_str().strip_prefix("snapshots/").unwrap().into());
    place.owner().await.forget(&late).await.unwrap();
    // Enough runs of others, so that all are merged.
    for seed in 10..20 {
        push_tree(&other, "more", &tree(seed)).await;
    }
    let report = prune(&place).await;
    assert!(report.is_finished() && report.runs_merged > 8, "{report:?}");
    assert_whole(&place.owner().await, &shared.summary.id, &tree(1)).await;
    assert_clean(&place).await;
    // What was needed and read is known from now on; what only the revoked one said is not.
    let again = push_tree(&place.owner().await, "again", &tree(1)).await;
    assert_eq!(again.stats.bytes_added, 0);
    let late = push_tree(&place.owner().await, "again", &tree(5)).await;
    assert!(late.stats.bytes_added >= 90_000, "{:?}", late.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_is_named_and_an_owner_gets_rid_of_it() {
    let place = Place::new().await;
    let pushed = push_tree(&place.owner().await, "n", &tree(1)).await;
    let session = "ab".repeat(16);
    for key in [format!("snapshots/{session}"), format!("sessions/{session}/end"), format!("index/{session}-0")] {
        let rubbish = Key::new(key).unwrap();
        place.storage.put_bytes(&rubbish, noise(1, 700).into(), &PutOptions::default()).await.unwrap();
    }
    let options = PruneOptions::default().with_grace(Duration::ZERO);
    let error = place.owner().await.prune(&options, Arc::new(Silent), &Stop::new()).await.unwrap_err();
    assert!(error.to_string().contains(&session), "{error}");
    place.owner().await.forget(&BackupId(session)).await.unwrap();
    prune(&place).await;
    assert_whole(&place.owner().await, &pushed.summary.id, &tree(1)).await;
}
