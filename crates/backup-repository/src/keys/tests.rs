//! Writers whose own programs do not refuse what their certificates do not cover.

use super::access::Access;
use crate::format::certificate::Terms;
use crate::format::ids::SessionId;
use crate::format::record::RecordKind;
use crate::format::snapshot::{Head, snapshot_key, write_payload};
use crate::index::{IndexCache, PackRecord, Row, RunBuilder, RunParams, RunRows, RunSeal, SegmentRecord};
use crate::locate::{Locator, next};
use crate::protocol::Object;
use crate::repository::{Inner, Repository};
use crate::session::{create_record, is_valid, key_of, new_id};
use crate::tests::{Place, signer};
use crate::{ChunkId, Kind, PackName, RunName, SessionObject, WriterSpec};
use backup_core::*;
use backup_testkit::memory::{MemoryCapture, Tree, file, noise, path, pull, push};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

impl Place {
    /// A writer with this certificate, whose program believes that it may do everything.
    async fn hostile(&self, spec: WriterSpec) -> Repository {
        let writer = self.writer(&spec).await;
        let terms = Terms { names: vec!["*".into()], since: 0, until: None };
        let access = Arc::new(Access::Writer { id: signer(&writer), terms });
        Repository(Arc::new(Inner { access, ..Inner::clone(&writer.0) }))
    }

    async fn names(&self) -> Vec<String> {
        self.owner().await.list().await.unwrap().into_iter().map(|summary| summary.name).collect()
    }

    async fn damage_first_block(&self, run: &Key) {
        let mut bytes = self.get(run.as_str()).await.to_vec();
        bytes[20] ^= 1;
        self.put(run.as_str(), bytes).await;
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
        let payload = write_payload(&key, &index, inner.recipient(), &head, &[]).unwrap();
        create_record(inner, RecordKind::Snapshot, &key, &payload).await.unwrap();
        assert_eq!(place.names().await.len(), 1);
        let findings = place.findings().await;
        assert!(findings.iter().any(|finding| finding.object == key.as_str()), "{findings:?}");
    }
}

/// Publishes a run that says that a chunk is in a pack that is nowhere.
async fn lie(inner: &Inner, id: ChunkId, length: u32, replaces: Vec<RunName>) {
    let object = SessionObject { session: new_id(inner, "lie").unwrap(), number: 0 };
    let said = Said {
        rows: vec![Row { id, segment: 0, offset: 0, length }],
        segments: vec![SegmentRecord {
            pack: 0,
            offset: 80,
            sealed_len: length + 16,
            plain_len: length,
            number: 0,
            flags: 0,
        }],
        packs: vec![PackRecord {
            name: PackName(object),
            kind: Kind::Data,
            identity: 0,
            length: 200,
            hash: [0; 32],
            wrapped: [0; 64],
        }],
    };
    say(inner, RunName(object), Kind::Data, said, replaces).await;
}

/// What a run says.
struct Said {
    rows: Vec<Row>,
    segments: Vec<SegmentRecord>,
    packs: Vec<PackRecord>,
}

/// Publishes a run, whatever it says.
async fn say(inner: &Inner, name: RunName, kind: Kind, said: Said, replaces: Vec<RunName>) {
    let rows = RunRows::new(said.rows, said.segments, said.packs);
    let seal = RunSeal::new(inner.config.repository, &inner.keys.index, name).unwrap();
    let params = RunParams { seal, kind, domain: inner.domain, replaces, signer: inner.signing.clone() };
    let cache = IndexCache::new(inner.config.repository, None, None, 1 << 20, Arc::new(Silent));
    let mut builder = RunBuilder::new(params, rows.unwrap(), &cache).unwrap();
    let mut object = Vec::new();
    while let Some(part) = builder.next_part().unwrap() {
        object.extend_from_slice(&part);
    }
    inner.storage.put_bytes(&name.key().unwrap(), object.into(), &PutOptions::default()).await.unwrap();
}

/// Publishes, for each run that an owner sees, one that sorts before it and says the same, but for what `lie` changes.
async fn contradict(liar: &Inner, owner: &Inner, lie: impl Fn(&mut Said)) {
    let locator = Locator::open(Arc::new(owner.clone()), Arc::new(Silent)).await.unwrap();
    let index = locator.index();
    for (place, run) in index.runs().iter().enumerate() {
        let mut said = Said { rows: Vec::new(), segments: Vec::new(), packs: Vec::new() };
        let mut rows = index.records::<Row>(place);
        while let Some(row) = next(&locator, &mut rows).await.unwrap() {
            said.rows.push(row);
        }
        let mut segments = index.records::<SegmentRecord>(place);
        while let Some(segment) = next(&locator, &mut segments).await.unwrap() {
            said.segments.push(segment);
        }
        let mut packs = index.packs(place);
        while let Some(pack) = next(&locator, &mut packs).await.unwrap() {
            said.packs.push(pack);
        }
        lie(&mut said);
        let first = RunName(SessionObject { session: SessionId([0; 16]), number: place as u32 });
        say(liar, first, run.kind(), said, Vec::new()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lies_of_chunks_keeps_nobody_from_their_whole_copies() {
    const NO_KEY: [u8; 64] = [9; 64];
    fn halve(rows: &mut Vec<Row>) {
        let mut number = 0;
        rows.retain(|_| {
            number += 1;
            number % 2 == 1
        });
    }
    let lies: [fn(&mut Said); 5] = [
        |said| said.packs.iter_mut().for_each(|pack| pack.wrapped = NO_KEY),
        |said| said.rows.iter_mut().for_each(|row| row.length -= 1),
        // Half of the rows: the others of the same segments have been found where these are not.
        |said| {
            said.packs.iter_mut().for_each(|pack| pack.wrapped = NO_KEY);
            halve(&mut said.rows);
        },
        // Across others, and beyond the end of the pack: nobody else is to be fetched with that.
        |said| {
            said.segments.iter_mut().for_each(|segment| segment.offset += 40);
            halve(&mut said.rows);
        },
        |said| {
            said.segments.iter_mut().for_each(|segment| segment.offset += 40_000);
            halve(&mut said.rows);
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let place = Place::new().await;
        let owner = place.owner().await;
        let mut tree = Tree::new();
        for i in 0..30 {
            let length = if i == 0 { 5_000_000 } else { 3000 };
            tree.insert(path(&format!("f{i}")), file(noise(i, length), 1));
        }
        let stored = push(&owner, "n", MemoryCapture::new(&tree, 10)).await.unwrap().0.summary.id;
        let liar = place.hostile(WriterSpec::default()).await;
        contradict(&liar.0, &owner.0, lie).await;
        for is_revoked in [false, true] {
            if is_revoked {
                place.owner().await.revoke_writer(&signer(&liar)).await.unwrap();
            }
            let reader = place.owner().await;
            let (pulled, lost) = pull(&reader, &stored, &Selection::default()).await.unwrap();
            assert!(lost.is_empty(), "{number} {is_revoked} {lost:?}");
            for (path, file) in &tree {
                assert!(*pulled[path].1.as_ref().unwrap() == file.bytes(), "{number} {is_revoked} {path}");
            }
            let backup = reader.open(&stored).await.unwrap();
            let mut entries = backup.entries(0, &Selection::default()).unwrap();
            while let Some(batch) = entries.next().await.unwrap() {
                for (at, entry) in batch.numbered() {
                    let bytes = read_entry(entries.supply(), at, 1 << 23).await.unwrap();
                    assert!(bytes == tree[&entry.path].bytes(), "{number} {is_revoked} {}", entry.path);
                }
            }
        }
        // What only it says comes last now.
        let locator = Locator::open(Arc::new(place.owner().await.0.as_ref().clone()), Arc::new(Silent)).await.unwrap();
        let id = owner.0.keys.chunk.id(&tree[&path("f7")].bytes());
        let copies = locator.locate(Kind::Data, &id).await.unwrap();
        assert!(copies[0].wrapped != NO_KEY && copies[0].length == 3000, "{number} {copies:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_of_a_run_keeps_nobody_from_what_others_say() {
    let place = Place::new().await;
    let owner = place.owner().await;
    let stored = push_file(&owner, "n", "what is listed twice").await.summary.id;
    let member = place.hostile(WriterSpec::default()).await;
    contradict(&member.0, &owner.0, |_| {}).await;
    let runs = place.storage.list_all("index/").await.unwrap();
    let (same, own): (Vec<_>, Vec<_>) =
        runs.into_iter().map(|(key, _)| key).partition(|key| RunName::from_key(key).unwrap().0.session.0 == [0; 16]);
    assert_eq!((same.len(), own.len()), (2, 2));
    let pulled = async || pull(&place.owner().await, &stored, &Selection::default()).await;
    for key in &same {
        place.damage_first_block(key).await;
        let (pulled, lost) = pulled().await.unwrap();
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(pulled[&path("f")].1.as_ref().unwrap(), b"what is listed twice");
    }
    // When nobody else says it, it is only what is in there that cannot be had.
    let cache = crate::locate::scratch_cache(&owner.0, Arc::new(Silent));
    let whole = crate::locate::load(&owner.0, &cache, false, &|_| true).await.unwrap();
    let data = whole.runs().iter().find(|run| run.kind() == Kind::Data && own.contains(&run.name().key().unwrap()));
    place.damage_first_block(&data.unwrap().name().key().unwrap()).await;
    let (pulled, _) = pulled().await.unwrap();
    let error = pulled[&path("f")].1.as_ref().unwrap_err();
    assert!(error.contains("index run"), "{error}");
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

    place.owner().await.revoke_writer(&signer(&liar)).await.unwrap();
    let mended = push_file(&place.owner().await, "n", content).await;
    assert_eq!(mended.stats.bytes_added, content.len() as u64);
    // Who asks for the chunk now finds the copy that is there, also for the snapshot from before.
    for id in [&voided.summary.id, &mended.summary.id] {
        let (pulled, _) = pull(&place.owner().await, id, &Selection::default()).await.unwrap();
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
    assert!(pull(&place.owner().await, &stored.summary.id, &Selection::default()).await.unwrap().1.is_empty());
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
    place.owner().await.revoke_writer(&signer(&writer)).await.unwrap();
    assert_eq!(place.names().await, ["n"]);
    // The thief signs another one for the same place, and the storage lets it overwrite.
    let id = SessionId::from_hex(&kept.0).unwrap();
    let (key, head) = (snapshot_key(&id).unwrap(), inner.snapshot(&id).await.unwrap().head);
    let payload = write_payload(&key, &inner.keys.index, inner.recipient(), &head, &[]).unwrap();
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
