//! Writers whose own programs do not refuse what their certificates do not cover.

use super::access::Access;
use crate::format::certificate::Terms;
use crate::format::ids::SessionId;
use crate::format::owner::OwnerIdentity;
use crate::format::record::RecordKind;
use crate::format::snapshot::{Head, snapshot_key, write_payload};
use crate::index::{IndexCache, PackRecord, Row, RunBuilder, RunParams, RunRows, RunSeal, SegmentRecord};
use crate::protocol::Object;
use crate::repository::{Inner, Repository};
use crate::session::{create_record, is_valid, key_of, new_id};
use crate::tests::memory::{self, MemoryCapture, Tree, file, path, push};
use crate::{ChunkId, Kind, PackName, RepositoryOptions, RunName, SessionObject, WriterSpec, new_identity};
use backup_core::*;
use backup_storage::Memory;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

struct Place {
    storage: Arc<Memory>,
    identity: OwnerIdentity,
}

impl Place {
    async fn new() -> Self {
        let (secret, recipient) = new_identity();
        let place = Place { storage: Arc::new(Memory::new()), identity: OwnerIdentity::Key(secret) };
        Repository::create(place.storage.clone(), &[recipient], RepositoryOptions::default()).await.unwrap();
        place
    }

    async fn owner(&self) -> Repository {
        Repository::open(self.storage.clone(), &self.identity, RepositoryOptions::default()).await.unwrap()
    }

    /// A writer with this certificate, whose program believes that it may do everything.
    async fn hostile(&self, spec: WriterSpec) -> Repository {
        let credential = self.owner().await.add_writer(&spec).await.unwrap();
        let storage = self.storage.clone();
        let writer = Repository::open_as_writer(storage, &credential, RepositoryOptions::default()).await.unwrap();
        let terms = Terms { names: vec!["*".into()], since: 0, until: None };
        let access = Arc::new(Access::Writer { id: credential.id().unwrap(), terms });
        Repository(Arc::new(Inner { access, ..Inner::clone(&writer.0) }))
    }

    async fn names(&self) -> Vec<String> {
        self.owner().await.list().await.unwrap().into_iter().map(|summary| summary.name).collect()
    }

    async fn findings(&self) -> Vec<Finding> {
        self.owner().await.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap().findings
    }
}

async fn push_file(to: &Repository, name: &str, content: &str) -> Committed {
    let tree = Tree::from([(path("f"), file(content, 1))]);
    push(to, name, MemoryCapture::new(&tree, 10)).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_under_a_name_outside_the_pattern_is_not_read() {
    let place = Place::new().await;
    let writer = place.hostile(WriterSpec::default().with_names(["web-*"])).await;
    push_file(&writer, "web-1", "x").await;
    let spoofed = push_file(&writer, "db", "y").await.summary.id;
    assert_eq!(place.names().await, ["web-1"]);
    assert_eq!(place.owner().await.open(&spoofed).await.unwrap_err().kind(), ErrorKind::Damaged);
    let findings = place.findings().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].object.contains(&spoofed.0) && findings[0].problem.contains("name"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_a_time_that_is_not_certified_is_not_read() {
    let place = Place::new().await;
    for (days, listed) in [(2, 0), (0, 1)] {
        let until = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        push_file(&place.hostile(WriterSpec::default().with_until(until)).await, "n", "x").await;
        assert_eq!(place.names().await.len(), listed, "{days}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_claims_another_domain_is_not_read() {
    let place = Place::new().await;
    let lab = place.hostile(WriterSpec::default().with_domain("lab")).await;
    let pushed = push_file(&lab, "n", "x").await.summary.id;
    let inner = &lab.0;
    let honest = inner.snapshot(&SessionId::from_hex(&pushed.0).unwrap()).await.unwrap();
    // With the keys of its own domain, and then with those of the other, as if it had them.
    for index in [inner.keys.index.clone(), place.owner().await.0.keys.index.clone()] {
        let id = new_id(inner, "n").unwrap();
        let (key, head) = (snapshot_key(&id).unwrap(), Head { domain: 0, ..honest.head.clone() });
        let payload = write_payload(&key, &index, &inner.config.recipient, &head, &[]).unwrap();
        create_record(inner, RecordKind::Snapshot, &key, &payload).await.unwrap();
        assert_eq!(place.names().await.len(), 1);
        let findings = place.findings().await;
        assert!(findings.iter().any(|finding| finding.object == key.as_str()), "{findings:?}");
    }
}

/// Publishes a run that says that a chunk is in a pack that is nowhere.
async fn lie(inner: &Inner, id: ChunkId, length: u32, replaces: Vec<RunName>) {
    let object = SessionObject { session: new_id(inner, "lie").unwrap(), number: 0 };
    let (name, pack) = (RunName(object), PackName(object));
    let rows = RunRows::new(
        vec![Row { id, segment: 0, offset: 0, length }],
        vec![SegmentRecord { pack: 0, offset: 80, sealed_len: length + 16, plain_len: length, number: 0, flags: 0 }],
        vec![PackRecord { name: pack, kind: Kind::Data, identity: 0, length: 200, hash: [0; 32], wrapped: [0; 64] }],
    );
    let seal = RunSeal::new(inner.config.repository, &inner.keys.index, name).unwrap();
    let params = RunParams { seal, kind: Kind::Data, domain: inner.domain, replaces, signer: inner.signing.clone() };
    let cache = IndexCache::new(inner.config.repository, None, None, 1 << 20, Arc::new(Silent));
    let mut builder = RunBuilder::new(params, rows.unwrap(), &cache).unwrap();
    let mut object = Vec::new();
    while let Some(part) = builder.next_part().unwrap() {
        object.extend_from_slice(&part);
    }
    inner.storage.put_bytes(&name.key().unwrap(), object.into(), &PutOptions::default()).await.unwrap();
}

/// What a member can do to others of its domain who have the same content later, and how it is found and mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_lying_member_voids_later_backups_until_it_is_revoked() {
    let place = Place::new().await;
    let liar = place.hostile(WriterSpec::default()).await;
    let content = "what others will have, too";
    lie(&liar.0, liar.0.keys.chunk.id(content.as_bytes()), content.len() as u32, Vec::new()).await;
    let voided = push_file(&place.owner().await, "n", content).await;
    assert_eq!(voided.stats.bytes_added, 0);
    let findings = place.findings().await;
    assert!(findings.iter().any(|finding| finding.affects.contains(&voided.summary.id)), "{findings:?}");

    // Another domain never asked it.
    let lab = place.hostile(WriterSpec::default().with_domain("lab")).await;
    assert_eq!(push_file(&lab, "n", content).await.stats.bytes_added, content.len() as u64);

    place.owner().await.revoke_writer(&liar.0.signing.verifying().unwrap().id()).await.unwrap();
    let mended = push_file(&place.owner().await, "n", content).await;
    assert_eq!(mended.stats.bytes_added, content.len() as u64);
    // Who asks for the chunk now finds the copy that is there, also for the snapshot from before.
    for id in [&voided.summary.id, &mended.summary.id] {
        let (pulled, _) = memory::pull(&place.owner().await, id, &Selection::default()).await.unwrap();
        assert_eq!(pulled[&path("f")].1.as_ref().unwrap(), content.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writers_run_replaces_no_other() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let stored = push_file(&owner, "n", "what the owner has stored").await;
    let victims = place.storage.list_all("index/").await.unwrap();
    let writer = place.hostile(WriterSpec::default()).await;
    let replaces = victims.iter().filter_map(|(key, _)| RunName::from_key(key)).collect();
    lie(&writer.0, ChunkId([1; 20]), 1, replaces).await;
    assert!(memory::pull(&place.owner().await, &stored.summary.id, &Selection::default()).await.unwrap().1.is_empty());
    let findings = place.findings().await;
    assert!(findings.len() == 1 && findings[0].problem.contains("replaces"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writers_run_is_of_its_own_domain_whatever_keys_it_has() {
    let place = Place::new().await;
    let (lab, owner) = (place.hostile(WriterSpec::default().with_domain("lab")).await, place.owner().await.0);
    let content = "what others will have, too";
    let known = owner.keys.chunk.id(content.as_bytes());
    // Among its own runs, and as one of the other domain, as if it had its keys.
    let inner = Inner { domain: 0, keys: owner.keys.clone(), ..Inner::clone(&lab.0) };
    for inner in [&inner, &lab.0] {
        lie(inner, known, content.len() as u32, Vec::new()).await;
    }
    assert_eq!(push_file(&place.owner().await, "n", content).await.stats.bytes_added, content.len() as u64);
    let findings = place.findings().await;
    assert!(findings.iter().any(|finding| finding.problem.contains("another domain than its writer")), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_was_kept_cannot_be_replaced() {
    let place = Place::new().await;
    let writer = place.hostile(WriterSpec::default()).await;
    let kept = push_file(&writer, "n", "as it was").await.summary.id;
    let inner = &writer.0;
    place.owner().await.revoke_writer(&inner.signing.verifying().unwrap().id()).await.unwrap();
    assert_eq!(place.names().await, ["n"]);
    // The thief signs another one for the same place, and the storage lets it overwrite.
    let id = SessionId::from_hex(&kept.0).unwrap();
    let (key, head) = (snapshot_key(&id).unwrap(), inner.snapshot(&id).await.unwrap().head);
    let payload = write_payload(&key, &inner.keys.index, &inner.config.recipient, &head, &[]).unwrap();
    place.storage.delete(std::slice::from_ref(&key)).await.unwrap();
    create_record(inner, RecordKind::Snapshot, &key, &payload).await.unwrap();
    assert_eq!(place.names().await, [""; 0]);
    let findings = place.findings().await;
    assert!(findings.len() == 1 && findings[0].problem.contains("revoked"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_ends_its_own_sessions_and_forgets_nothing() {
    let place = Place::new().await;
    let (ours, other) = (place.hostile(WriterSpec::default()).await, place.hostile(WriterSpec::default()).await);
    let session = new_id(&ours.0, "n").unwrap();
    let start = key_of(&Object::Start { session, adopts: Vec::new() }).unwrap();
    create_record(&ours.0, RecordKind::SessionStart, &start, b"").await.unwrap();
    let end = key_of(&Object::End(session)).unwrap();
    let owner = place.owner().await.0;
    for (by, valid) in [(&other.0, false), (&ours.0, true), (&owner, true)] {
        create_record(by, RecordKind::SessionEnd, &end, b"").await.unwrap();
        assert_eq!(is_valid(&owner, RecordKind::SessionEnd, &end).await.unwrap(), valid);
        place.storage.delete(std::slice::from_ref(&end)).await.unwrap();
    }
    let snapshot = push_file(&place.owner().await, "n", "x").await.summary.id;
    let forgotten = key_of(&Object::Forgotten(SessionId::from_hex(&snapshot.0).unwrap())).unwrap();
    create_record(&ours.0, RecordKind::Forgotten, &forgotten, b"").await.unwrap();
    assert_eq!(place.names().await, ["n"]);
}
