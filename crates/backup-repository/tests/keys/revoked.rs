//! Revocation.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_signed_before_stays_and_nothing_later_counts() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    let other = place.certify(WriterSpec::default()).await;
    let (writer, other) = (place.writer(&credential).await, place.writer(&other).await);
    let before = push_tree(&writer, "before", &tree(1)).await;
    // A snapshot of somebody else that needs what the writer has stored.
    let shared = push_tree(&other, "shared", &tree(1)).await;
    assert_eq!(shared.stats.bytes_added, 0);

    let id = credential.id().unwrap();
    assert_eq!(place.owner().await.revoke_writer(&id).await.unwrap(), 1);
    assert_eq!(kind(place.owner().await.revoke_writer(&id).await), ErrorKind::AlreadyExists);
    assert_eq!(kind(place.owner().await.revoke_writer(&SignerId([1; 16])).await), ErrorKind::NotFound);
    let refused = Repository::open_as_writer(place.storage.clone(), &credential, options()).await;
    assert_eq!(kind(refused), ErrorKind::AccessDenied);

    // It has the repository open, and goes on as if nothing were.
    let after = push_tree(&writer, "after", &tree(2)).await;
    assert_eq!(names(&writer).await, ["after", "before", "shared"], "it does not know yet");
    let owner = place.owner().await;
    assert_eq!(names(&owner).await, ["before", "shared"]);
    assert_eq!(kind(owner.open(&after.summary.id).await), ErrorKind::Damaged);
    assert_whole(&owner, &before.summary.id, &tree(1)).await;
    assert_whole(&owner, &shared.summary.id, &tree(1)).await;
    let report = place.check().await;
    let named: Vec<_> = report.findings.iter().map(|finding| finding.object.as_str()).collect();
    assert_eq!(named, [format!("snapshots/{}", after.summary.id)], "{report:?}");

    // What only the revoked one says is stored is stored again; after that it is known from somebody else.
    for (seed, added) in [(1, true), (2, true), (1, false), (2, false)] {
        let stats = push_tree(&place.owner().await, "again", &tree(seed)).await.stats;
        assert_eq!(stats.bytes_added >= 90_000, added, "{seed} {stats:?}");
    }
    for writer in place.owner().await.keys().await.unwrap().writers {
        assert_eq!(writer.revoked.is_some(), writer.id == id);
    }
}
