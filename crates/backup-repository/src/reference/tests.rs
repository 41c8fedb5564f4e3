use crate::WriterSpec;
use crate::crypto::SignerId;
use crate::format::ids::SessionId;
use crate::format::record::RecordKind;
use crate::format::snapshot::{snapshot_key, to_ms};
use crate::repository::{Repository, series};
use crate::session::{create_record, new_id};
use crate::tests::{Place, signer, snapshot_as};
use backup_core::*;
use backup_testkit::storage::{Counting, Method};
use std::sync::Arc;
use std::time::SystemTime;

/// A repository of whose owner all calls are counted.
struct Counted {
    storage: Arc<Counting>,
    owner: Repository,
    writer: Repository,
}

impl Counted {
    async fn new() -> Self {
        let place = Place::new().await;
        let writer = place.writer(&WriterSpec::default()).await;
        let storage = Arc::new(Counting::new(place.storage.clone()));
        let owner = place.over(storage.clone()).await.unwrap();
        Counted { storage, owner, writer }
    }

    async fn meant(&self, reference: &str) -> Result<String> {
        Ok(self.owner.names().await?.resolve(reference).await?.0)
    }

    /// What it means, and how many objects were read to know.
    async fn cost(&self, reference: &str) -> (String, u64) {
        let names = self.owner.names().await.unwrap();
        self.storage.reset();
        let meant = names.resolve(reference).await.unwrap().0;
        (meant, self.storage.tally(Method::Get).keys)
    }

    async fn refused(&self, reference: &str) -> Error {
        self.meant(reference).await.unwrap_err()
    }

    /// Damages a snapshot as a stranger would.
    async fn damage(&self, id: &SessionId) {
        let key = snapshot_key(id).unwrap();
        self.storage.delete(std::slice::from_ref(&key)).await.unwrap();
        self.storage.put_bytes(&key, vec![7; 600].into(), &PutOptions::default()).await.unwrap();
    }

    /// What the list of all snapshots says is the latest one of a name.
    async fn latest_listed(&self, name: &str) -> Option<String> {
        let snapshots = self.owner.list().await.unwrap();
        let latest = snapshots.iter().rfind(|one| one.name == name && one.status != Status::Incomplete);
        latest.map(|snapshot| snapshot.id.0.clone())
    }
}

/// A snapshot of nothing.
async fn put(by: &Repository, id: SessionId, name: &str, status: Status) -> SessionId {
    put_with(by, id, name, status, |_| {}).await
}

/// A snapshot of nothing, its head changed.
async fn put_with(
    by: &Repository,
    id: SessionId,
    name: &str,
    status: Status,
    change: impl FnOnce(&mut serde_json::Value),
) -> SessionId {
    let change = |head: &mut serde_json::Value| {
        (head["name"], head["time"], head["status"]) = (name.into(), id.time_ms().into(), status.as_str().into());
        change(head);
    };
    snapshot_as(by, &id, change).await;
    id
}

async fn pushed(by: &Repository, name: &str, status: Status) -> SessionId {
    put(by, new_id(&by.0, name).unwrap(), name, status).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_ones_are_found_by_a_few_heads() {
    let place = Counted::new().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(pushed(&place.owner, "n", Status::Complete).await.to_string());
    }
    let [older, newest] = [48, 49].map(|at| ids[at].clone());
    assert_eq!(place.cost("latest").await, (newest.clone(), 1));
    assert_eq!(place.cost("latest:n").await, (newest.clone(), 1));
    assert_eq!(place.cost(&older.to_ascii_uppercase()).await, (older.clone(), 0));
    let written = pushed(&place.writer, "n", Status::Partial).await.to_string();
    assert_eq!(place.cost("latest").await, (written.clone(), 2), "one for each who writes");
    assert_eq!(place.cost("latest:n").await, (written.clone(), 1));
    pushed(&place.owner, "other", Status::Complete).await;
    assert_eq!(place.cost("latest:n").await, (written.clone(), 1), "other names need not be read");
    let unclear = place.refused("latest").await;
    assert_eq!(unclear.kind(), ErrorKind::InvalidInput);
    assert!(unclear.to_string().contains("latest:n, latest:other"), "{unclear}");
    let unknown = place.refused("latest:x").await;
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains("n, other"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_count_is_passed_over() {
    let place = Counted::new().await;
    assert_eq!(place.refused("latest").await.kind(), ErrorKind::NotFound);
    assert_eq!(place.refused("latest:n").await.kind(), ErrorKind::NotFound);
    let mut ids = Vec::new();
    for name in ["other", "n", "n", "n", "n", "n"] {
        ids.push(pushed(&place.owner, name, Status::Complete).await);
    }
    pushed(&place.owner, "n", Status::Incomplete).await;
    let tombstone = new_id(&place.owner.0, "n").unwrap();
    let key = snapshot_key(&tombstone).unwrap();
    let payload = serde_json::to_vec(&serde_json::json!({ "by": null })).unwrap();
    create_record(&place.owner.0, RecordKind::Tombstone, &key, &payload).await.unwrap();
    for left in (1..=5).rev() {
        let latest = place.latest_listed("n").await.unwrap();
        assert_eq!(latest, ids[left].to_string());
        assert_eq!(place.meant("latest:n").await.unwrap(), latest);
        match left % 2 {
            0 => place.damage(&ids[left]).await,
            _ => {
                // Forgotten, and created once more by who had just lost its connection.
                let key = snapshot_key(&ids[left]).unwrap();
                let bytes = place.storage.get_bytes(&key, 1 << 20).await.unwrap();
                place.owner.forget(&BackupId(ids[left].to_string())).await.unwrap();
                place.storage.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
            }
        }
    }
    assert_eq!(place.latest_listed("n").await, None);
    assert_eq!(place.refused("latest:n").await.kind(), ErrorKind::NotFound);
    assert_eq!(place.meant("latest").await.unwrap(), ids[0].to_string(), "only one name is left");
    place.damage(&ids[0]).await;
    assert!(place.refused("latest").await.to_string().contains("can be read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_only_looks_like_one_of_a_series_hides_nothing() {
    let place = Counted::new().await;
    let honest = pushed(&place.owner, "n", Status::Complete).await;
    let mut id = new_id(&place.owner.0, "n").unwrap();
    assert_eq!(id.series(), honest.series());
    put(&place.writer, id, "evil", Status::Complete).await;
    assert_eq!(place.meant("latest:n").await.unwrap(), honest.to_string());
    let unclear = place.refused("latest").await;
    assert!(unclear.to_string().contains("latest:evil, latest:n"), "{unclear}");
    // Of the same name, and newer than all, though nobody's series: `latest` counts it, as the list does.
    id.0[..6].copy_from_slice(&(to_ms(SystemTime::now()) as u64 + 5000).to_be_bytes()[2..]);
    let nobody = series(&place.owner.0.keys.index, &SignerId([0; 16]), "n");
    id.0[6..10].copy_from_slice(&nobody);
    put(&place.writer, id, "n", Status::Complete).await;
    assert!(place.refused("latest").await.to_string().contains("latest:evil, latest:n"));
}

/// A writer may sign what no version reads yet, and has a series that looks like another's.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_is_in_the_way_of_its_own_name_alone() {
    let place = Counted::new().await;
    let honest = pushed(&place.owner, "db", Status::Complete).await.to_string();
    let looks_like = || {
        SessionId({
            let mut id = new_id(&place.writer.0, "w").unwrap();
            id.0[6..10].copy_from_slice(&series(&place.writer.0.keys.index, &signer(&place.writer), "db"));
            id.0
        })
    };
    let newer =
        put_with(&place.writer, looks_like(), "w", Status::Complete, |head| head["requires"] = ["x"].into()).await;
    put_with(&place.writer, looks_like(), "w", Status::Complete, |head| head["files"] = "many".into()).await;
    assert_eq!(place.meant("latest:db").await.unwrap(), honest);
    assert_eq!(place.refused("latest:w").await.kind(), ErrorKind::NotFound, "it is in none of its series");
    let unclear = place.refused("latest").await;
    assert!(unclear.to_string().contains("latest:db, latest:w"), "{unclear}");
    // Of the name that was asked it is told, where what is damaged is passed over.
    let id = new_id(&place.writer.0, "w").unwrap();
    let newest = put_with(&place.writer, id, "w", Status::Complete, |head| head["requires"] = ["x"].into()).await;
    let refused = place.refused("latest:w").await;
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains(&newest.to_string()), "{refused}");
    assert_eq!(place.meant(newer.to_string().get(..30).unwrap()).await.unwrap(), newer.to_string());
    assert_eq!(place.meant("latest:db").await.unwrap(), honest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_of_one_name_is_not_an_older_one_that_can_be_read() {
    let place = Counted::new().await;
    let older = pushed(&place.owner, "n", Status::Complete).await;
    let id = new_id(&place.owner.0, "n").unwrap();
    put_with(&place.owner, id, "n", Status::Complete, |head| head["files"] = "many".into()).await;
    assert_eq!(place.meant("latest").await.unwrap(), older.to_string(), "what is damaged is passed over");
    let id = new_id(&place.owner.0, "n").unwrap();
    put_with(&place.owner, id, "n", Status::Complete, |head| head["requires"] = ["x"].into()).await;
    for reference in ["latest", "latest:n"] {
        assert_eq!(place.refused(reference).await.kind(), ErrorKind::Unsupported, "{reference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_an_id_will_do_as_long_as_it_is_clear() {
    let place = Counted::new().await;
    let mut ids = Vec::new();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut id = new_id(&place.owner.0, name).unwrap();
        id.0[..3].copy_from_slice(&[1, 2, 3 + (at as u8 / 2)]);
        ids.push(put(&place.owner, id, name, Status::Incomplete).await);
    }
    assert_eq!(place.meant("010204").await.unwrap(), ids[2].to_string());
    let unclear = place.refused("010203").await;
    assert_eq!(unclear.kind(), ErrorKind::InvalidInput);
    for expected in [format!("{} (a)", ids[0]), format!("{} (b)", ids[1])] {
        assert!(unclear.to_string().contains(&expected), "{unclear}");
    }
    for none in ["", "02", "first", "010203040506070809"] {
        assert_eq!(place.refused(none).await.kind(), ErrorKind::NotFound, "{none}");
    }
    place.damage(&ids[0]).await;
    let unclear = place.refused("010203").await;
    assert_eq!(unclear.kind(), ErrorKind::InvalidInput, "what cannot be read may be the one that is meant");
    assert!(unclear.to_string().contains(&format!("{} (no snapshot that counts)", ids[0])), "{unclear}");
    assert_eq!(place.meant(&ids[0].to_string()).await.unwrap(), ids[0].to_string());
}
