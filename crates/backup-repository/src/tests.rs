//! What a newer version has written: it is told from what is damaged, and stops nobody for whom it means nothing.

mod names;
mod place;

pub(crate) use place::{Place, signer, snapshot_as};

use crate::crypto::SigningKey;
use crate::format::certificate::{certificate_key, revocation_key};
use crate::format::ids::SessionId;
use crate::format::record::{self, RecordKind, open_json, seal_json};
use crate::repository::{Inner, Repository};
use crate::session::new_id;
use crate::{PruneOptions, WriterSpec, new_identity};
use backup_core::*;
use backup_testkit::memory::{self, MemoryCapture, Tree, file, path};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

impl Place {
    async fn remove(&self, key: &str) {
        self.storage.delete(&[Key::new(key).unwrap()]).await.unwrap();
    }

    /// Puts a record that an owner has signed in the place of what stands there.
    async fn sign(&self, kind: RecordKind, key: &str, payload: impl AsRef<[u8]>) {
        self.sign_by(&self.owner().await, kind, key, payload).await;
    }

    /// The same, signed by whoever opened `by`.
    async fn sign_by(&self, by: &Repository, kind: RecordKind, key: &str, payload: impl AsRef<[u8]>) {
        let Inner { config, signing, .. } = &*by.0;
        let bytes = record::write(kind, &config.repository, key, signing, payload.as_ref()).unwrap();
        self.put(key, bytes).await;
    }

    /// Both copies of a config with this number: the first one, changed.
    async fn config(&self, n: u32, signer: &SigningKey, change: impl Fn(&mut Value)) {
        let bytes = self.get("config/0/a").await;
        let raw = record::RawRecord::parse(&bytes).unwrap();
        let mut json: Value = serde_json::from_slice(raw.payload).unwrap();
        change(&mut json);
        let repository = self.owner().await.id();
        let (key, json) = (format!("config/{n}"), serde_json::to_vec(&json).unwrap());
        let record = record::write(RecordKind::Config, &repository, &key, signer, &json).unwrap();
        for copy in ["a", "b"] {
            self.put(&format!("{key}/{copy}"), record.clone()).await;
        }
    }
}

/// A snapshot with this head, changed, and no component, signed by whoever opened `by`.
async fn snapshot(by: &Repository, change: impl FnOnce(&mut Value)) -> BackupId {
    let id = new_id(&by.0, "n").unwrap();
    snapshot_as(by, &id, change).await;
    BackupId(id.to_string())
}

async fn push(to: &Repository, name: &str) -> Result<BackupId> {
    let tree = Tree::from([(path("f"), file(name, 1))]);
    Ok(memory::push(to, name, MemoryCapture::new(&tree, 10)).await?.0.summary.id)
}

async fn prune(repository: &Repository) -> Result<()> {
    let options = PruneOptions::default().with_grace(Duration::ZERO);
    repository.prune(&options, Arc::new(Silent), &Stop::new()).await.map(drop)
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_config_that_owners_signed_counts_whether_or_not_it_is_understood() {
    let place = Place::new().await;
    let owners = place.owner().await.0.signing.clone();
    let credential = place.owner().await.add_writer(&WriterSpec::default()).await.unwrap();
    let opened = async || {
        let (owner, writer) = (place.open().await, place.open_writer(&credential).await);
        let (owner, writer) = (owner.map_err(|e| e.kind()), writer.map_err(|e| e.kind()));
        assert_eq!(owner.as_ref().err(), writer.as_ref().err());
        owner.map(|owner| owner.0.config.list_lag_ms)
    };
    // Nobody signed it who may: it says nothing.
    place.config(9, &SigningKey::generate().unwrap(), |json| json["requires"] = json!(["x"])).await;
    place.put("config/8/a", vec![7; 300]).await;
    assert_eq!(opened().await, Ok(0));
    place.config(3, &owners, |json| json["list_lag_ms"] = 3.into()).await;
    assert_eq!(opened().await, Ok(3));
    place.put("config/3/a", "rotten").await;
    assert_eq!(opened().await, Ok(3), "one valid copy suffices");
    let changes: [&(dyn Fn(&mut Value) + Sync); 6] = [
        &|json| json["signing"] = "00".repeat(32).into(),
        &|json| json["format"] = 77.into(),
        &|json| json["requires"] = json!(["x"]),
        &|json| json["chunk_min"] = json!({"in": "words"}),
        &|json| json["recipient"] = "another kind".into(),
        &|json| drop(json.as_object_mut().unwrap().remove("chunk_max")),
    ];
    for change in changes {
        place.config(4, &owners, change).await;
        assert_eq!(opened().await, Err(ErrorKind::Unsupported), "never passed over");
        place.remove("config/4/a").await;
        assert_eq!(opened().await, Err(ErrorKind::Unsupported), "one valid copy suffices");
        place.remove("config/4/b").await;
    }
    place.put("config/3/b", "rotten").await;
    assert_eq!(opened().await, Ok(0), "what nobody signed does not count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_may_ask_for_more_of_who_writes_and_of_who_deletes() {
    let place = Place::new().await;
    let id = push(&place.owner().await, "n").await.unwrap();
    let owners = place.owner().await.0.signing.clone();
    place.config(1, &owners, |json| json["requires_to_delete"] = json!(["x"])).await;
    let owner = place.owner().await;
    let repair = async |owner: &Repository| owner.repair_index(Duration::ZERO, Arc::new(Silent), &Stop::new()).await;
    push(&owner, "n").await.unwrap();
    for refused in [owner.forget(&id).await, prune(&owner).await, repair(&owner).await.map(drop)] {
        assert_eq!(kind(refused), ErrorKind::Unsupported);
    }
    place.config(2, &owners, |json| json["requires_to_write"] = json!(["x"])).await;
    let owner = place.owner().await;
    assert_eq!(owner.list().await.unwrap().len(), 2);
    owner.open(&id).await.unwrap();
    assert_eq!(kind(push(&owner, "n").await), ErrorKind::Unsupported);
    let (_, recipient) = new_identity();
    assert_eq!(kind(owner.add_owner(&recipient).await), ErrorKind::Unsupported);
    assert_eq!(kind(owner.rotate().await), ErrorKind::Unsupported);
    assert_eq!(kind(owner.change_note(&id, |note| note.comment = Some("x".into())).await), ErrorKind::Unsupported);
    for refused in [owner.forget(&id).await, prune(&owner).await, repair(&owner).await.map(drop)] {
        assert_eq!(kind(refused), ErrorKind::Unsupported);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_signing_key_of_the_owners_is_of_a_newer_version() {
    let place = Place::new().await;
    place.put("keys/signing/1", vec![1; 400]).await;
    place.owner().await;
    place.sign(RecordKind::Signing, "keys/signing/1", "anything").await;
    assert_eq!(kind(place.open().await), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payload_may_require_something() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let credential = owner.add_writer(&WriterSpec::default()).await.unwrap();
    let id = push(&owner, "n").await.unwrap();
    let writer = credential.id().unwrap();
    let newer = json!({"requires": ["x"]});
    let record = SessionId([0xee; 16]);
    for (name, wanted) in [
        (format!("condemned/{record}"), RecordKind::Condemned),
        (format!("condemned/{record}.waits"), RecordKind::Waits),
        (format!("condemned/{record}.gone"), RecordKind::Gone),
    ] {
        place.sign(wanted, &name, newer.to_string()).await;
        assert_eq!(kind(prune(&place.owner().await).await), ErrorKind::Unsupported, "{name}");
        assert_eq!(kind(push(&place.owner().await, "n").await), ErrorKind::Unsupported, "{name}");
        place.remove(&name).await;
    }
    // Nothing is said by an empty payload that is not empty.
    let end = format!("sessions/{record}/end");
    for (name, wanted) in [
        (end.as_str(), RecordKind::SessionEnd),
        (&format!("index/{record}.void"), RecordKind::Void),
        (&format!("index/{record}-0"), RecordKind::RunTombstone),
    ] {
        place.sign(wanted, name, "{}").await;
        assert_eq!(kind(prune(&place.owner().await).await), ErrorKind::Unsupported, "{name}");
        place.remove(name).await;
    }
    // A tombstone is one, whatever else it says.
    let tombstone = format!("snapshots/{record}");
    place.sign(RecordKind::Tombstone, &tombstone, newer.to_string()).await;
    assert_eq!(place.owner().await.list().await.unwrap().len(), 1);
    assert_eq!(kind(prune(&place.owner().await).await), ErrorKind::Unsupported);
    place.remove(&tombstone).await;
    prune(&place.owner().await).await.unwrap();

    // Whose word counts is not known: what it would delete could be wanted.
    let key = certificate_key(&writer).unwrap();
    let certificate = place.get(key.as_str()).await;
    let sealed = seal_json(&owner.0.keys.index, &key, &newer).unwrap();
    let public = credential.signing.verifying().unwrap();
    place.sign(RecordKind::Certificate, key.as_str(), [&[0; 4][..], &public.0, &sealed].concat()).await;
    assert_eq!(kind(place.open_writer(&credential).await), ErrorKind::AccessDenied);
    assert_eq!(kind(prune(&place.owner().await).await), ErrorKind::Unsupported);
    assert_eq!(kind(place.owner().await.forget(&id).await), ErrorKind::Unsupported);
    place.put(key.as_str(), certificate).await;
    place.open_writer(&credential).await.unwrap();
    let revocation = revocation_key(&writer).unwrap();
    place.sign(RecordKind::Revocation, revocation.as_str(), newer.to_string()).await;
    assert_eq!(kind(place.open_writer(&credential).await), ErrorKind::AccessDenied);
    assert_eq!(kind(prune(&place.owner().await).await), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_snapshot_concerns_itself_alone() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let ours = push(&owner, "n").await.unwrap();
    let writer = place.writer(&WriterSpec::default().with_names(["w"])).await;
    let requires = |json: &mut Value| {
        json["requires"] = json!(["x"]);
        drop(json.as_object_mut().unwrap().remove("entries"));
    };
    let newer = snapshot(&owner, requires).await;
    let theirs = snapshot(&writer, |json| {
        requires(json);
        json["name"] = "w".into();
    });
    let theirs = theirs.await;
    let spoofed = snapshot(&writer, requires).await;
    let word = snapshot(&owner, |json| json["status"] = "a new word".into()).await;

    let owner = place.owner().await;
    for by in [&owner, &writer] {
        let listing = by.listing().await.unwrap();
        let statuses: Vec<_> = listing.snapshots.iter().map(|one| (one.id.clone(), one.status)).collect();
        assert_eq!(statuses, [(word.clone(), Status::Incomplete), (ours.clone(), Status::Complete)]);
        assert_eq!(listing.newer.iter().map(|one| &one.id).collect::<Vec<_>>(), [&newer, &theirs], "oldest first");
        assert_eq!(listing.newer[1].name, "w");
    }
    assert_eq!(kind(owner.open(&newer).await), ErrorKind::Unsupported);
    assert_eq!(kind(owner.open(&spoofed).await), ErrorKind::Damaged, "it does not count, whatever it requires");
    push(&owner, "n").await.unwrap();
    owner.forget(&spoofed).await.unwrap();
    // What counts goes on counting when its writer is revoked.
    assert_eq!(owner.revoke_writer(&signer(&writer)).await.unwrap(), 1);
    for id in [&newer, &theirs] {
        let refused = prune(&place.owner().await).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(format!("{refused}").contains("snapshots/") && format!("{refused}").contains("whole id"), "{refused}");
        place.owner().await.forget(id).await.unwrap();
    }
    prune(&place.owner().await).await.unwrap();
    assert_eq!(place.owner().await.listing().await.unwrap().newer.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_writer_says_is_newer_stops_no_owner() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let ours = push(&owner, "n").await.unwrap();
    let writer = place.writer(&WriterSpec::default()).await;
    let ids: Vec<SessionId> = (0..5).map(|_| new_id(&writer.0, "n").unwrap()).collect();
    let newer = json!({"requires": ["x"]}).to_string();
    place.sign_by(&writer, RecordKind::SessionEnd, &format!("sessions/{}/end", ids[0]), "{}").await;
    place.sign_by(&writer, RecordKind::RunTombstone, &format!("index/{}-0", ids[1]), "{}").await;
    let tombstones = [("[]", ids[2]), (newer.as_str(), ids[3])];
    for (payload, id) in tombstones {
        place.sign_by(&writer, RecordKind::Tombstone, &format!("snapshots/{id}"), payload).await;
    }
    let run = crate::RunName(crate::SessionObject { session: ids[4], number: 0 });
    let said = crate::index::tests::that_says(&writer.0, run, &[&[1 << 3, 1][..], &[15 << 3 | 2, 1, b'x']].concat());
    place.put(run.key().unwrap().as_str(), said).await;

    let listed = |list: Vec<Summary>| list.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(listed(place.owner().await.list().await.unwrap()), std::slice::from_ref(&ours));
    push(&place.owner().await, "n").await.unwrap();
    let report = place.owner().await.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
    assert!(report.findings.iter().any(|one| format!("{one:?}").contains(&run.to_string())), "{report:?}");
    for (_, id) in tombstones {
        let refused = prune(&place.owner().await).await.unwrap_err();
        assert!(format!("{refused}").contains("snapshots/") && format!("{refused}").contains("forget"), "{refused}");
        place.owner().await.forget(&BackupId(id.to_string())).await.unwrap();
    }
    let refused = prune(&place.owner().await).await.unwrap_err();
    assert!(format!("{refused}").contains(&run.to_string()) && format!("{refused}").contains("revoke"), "{refused}");
    owner.revoke_writer(&signer(&writer)).await.unwrap();
    prune(&place.owner().await).await.unwrap();
    place.owner().await.repair_index(Duration::ZERO, Arc::new(Silent), &Stop::new()).await.unwrap();
    let nothing = BackupId("ab".repeat(16));
    assert_eq!(kind(place.owner().await.forget(&nothing).await), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_up_what_is_others_by_needing_it() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let ours = push(&owner, "n").await.unwrap();
    let writer = place.writer(&WriterSpec::default()).await;
    let older = snapshot(&writer, |json| json["needs"] = json!([ours.0])).await;
    let later = snapshot(&writer, |json| json["needs"] = json!([ours.0, older.0])).await;
    // As if the older one had known the later.
    let key = format!("snapshots/{}", older.0);
    place.remove(&key).await;
    snapshot_as(&writer, &SessionId::from_hex(&older.0).unwrap(), |json| json["needs"] = json!([later.0])).await;
    let owner = place.owner().await;
    owner.forget(&ours).await.unwrap();
    assert_eq!(kind(owner.forget(&older).await), ErrorKind::InvalidInput, "its own, and older");
    owner.forget(&later).await.unwrap();
    owner.forget(&older).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_snapshot_needs_is_not_forgotten() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let full = push(&owner, "n").await.unwrap();
    let step = snapshot(&owner, |json| json["needs"] = json!([full.0])).await;
    let newer = snapshot(&owner, |json| {
        json["needs"] = json!([step.0]);
        json["requires"] = json!(["x"]);
    });
    let newer = newer.await;
    // What does not count holds nothing up.
    place.put(&format!("snapshots/{}", "ee".repeat(16)), vec![7; 900]).await;
    for (id, by) in [(&full, &step), (&step, &newer)] {
        for owner in [&owner, &place.owner().await] {
            let refused = owner.forget(id).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            assert!(refused.to_string().contains(&by.0), "{refused}");
        }
    }
    for id in [&newer, &step, &full] {
        owner.forget(id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_the_next_number_takes_over_what_it_does_not_know() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let id = push(&owner, "n").await.unwrap();
    let key = |number: u32| Key::new(format!("notes/{id}/{number}")).unwrap();
    let index = &owner.0.keys.index;
    let note = json!({"tags": ["a"], "hold": null, "comment": "c", "until": {"year": 2030}, "requires": []});
    place.sign(RecordKind::Note, key(0).as_str(), seal_json(index, &key(0), &note).unwrap()).await;
    owner.change_note(&id, |note| note.tags.clear()).await.unwrap();
    let bytes = place.get(key(1).as_str()).await;
    let next: Value = open_json(index, &key(1), record::RawRecord::parse(&bytes).unwrap().payload).unwrap();
    assert_eq!((&next["until"], &next["tags"], &next["comment"]), (&json!({"year": 2030}), &json!([]), &json!("c")));
    // What is not understood may be a hold; and nobody writes over it.
    let newer = json!({"tags": [], "requires": ["x"]});
    place.sign(RecordKind::Note, key(2).as_str(), seal_json(index, &key(2), &newer).unwrap()).await;
    assert!(owner.list().await.unwrap()[0].held);
    assert_eq!(kind(owner.forget(&id).await), ErrorKind::Unsupported);
    assert_eq!(kind(owner.change_note(&id, |note| note.comment = None).await), ErrorKind::Unsupported);

    let receipts = json!({"snapshots": {"ee".repeat(16): 5}, "by": ["somebody"]});
    place.sign(RecordKind::Receipts, "receipts/0", receipts.to_string()).await;
    assert_eq!(owner.record_receipts().await.unwrap(), 1);
    let bytes = place.get("receipts/1").await;
    let next: Value = serde_json::from_slice(record::RawRecord::parse(&bytes).unwrap().payload).unwrap();
    assert_eq!((&next["by"], &next["snapshots"]["ee".repeat(16)]), (&json!(["somebody"]), &json!(5)));
    assert!(next["snapshots"][&id.0].is_i64());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_push_has_the_name_of_a_prune() {
    let place = Place::new().await;
    for name in ["prune", "repair"] {
        assert_eq!(kind(push(&place.owner().await, name).await), ErrorKind::InvalidInput);
    }
}
