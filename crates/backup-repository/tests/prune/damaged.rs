//! What cannot be read stays where it is, and holds up nothing else.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Everything of which a copy is in the storage.
async fn packs(place: &Place) -> BTreeMap<Key, u64> {
    place.storage.list_all("packs/").await.unwrap().into_iter().map(|(key, meta)| (key, meta.size_bytes)).collect()
}

/// Flips a byte of a pack's content.
async fn flip(place: &Place, key: &Key) {
    let mut bytes = place.storage.get_bytes(key, 1 << 30).await.unwrap().to_vec();
    bytes[200] ^= 1;
    let options = PutOptions::default().with_mode(PutMode::Replace);
    place.storage.put_bytes(key, bytes.into(), &options).await.unwrap();
}

/// The snapshots that a check names.
async fn affected(repository: &Repository) -> BTreeSet<BackupId> {
    let report = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    report.findings.into_iter().flat_map(|finding| finding.affects).collect()
}

/// Two snapshots, of which the first is to be forgotten, and each pack of content holds some of both.
async fn two(place: &Place, repository: &Repository) -> (BackupId, BackupId, Tree, Vec<Key>) {
    let all = tree(0..300);
    let kept: Tree = all.iter().step_by(3).map(|(path, file)| (path.clone(), file.clone())).collect();
    let first = store(repository, &all).await;
    let content: Vec<Key> =
        packs(place).await.into_iter().filter(|(_, len)| *len > 90_000).map(|(key, _)| key).collect();
    assert!(content.len() >= 4, "{content:?}");
    let second = store(repository, &kept).await;
    (first, second, kept, content)
}

async fn lost(repository: &Repository, id: &BackupId, tree: &Tree) -> usize {
    let (pulled, _) = pull(repository, id, &Selection::default()).await.unwrap();
    tree.keys().filter(|path| !pulled.get(*path).is_some_and(|(_, bytes)| bytes.is_ok())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_with_a_damaged_chunk_is_left_and_the_others_are_rewritten() {
    let (place, repository) = Place::new().await;
    let (first, second, kept, content) = two(&place, &repository).await;
    flip(&place, &content[0]).await;
    let missing = lost(&repository, &second, &kept).await;
    assert!(missing > 0 && missing < kept.len(), "{missing} of {}", kept.len());
    repository.forget(&first).await.unwrap();

    let report = prune(&repository, &now()).await.unwrap();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    let name = content[0].as_str().rsplit('/').next().unwrap();
    assert!(report.damaged[0].contains(name), "{report:?}");
    assert!(report.is_finished() && report.packs_deleted as usize >= content.len() - 1, "{report:?}");
    let left = packs(&place).await;
    assert_eq!(content.iter().filter(|key| left.contains_key(*key)).collect::<Vec<_>>(), [&content[0]]);
    assert_eq!(lost(&repository, &second, &kept).await, missing, "no more than before");
    assert_eq!(affected(&repository).await, BTreeSet::from([second.clone()]));

    // The next one says the same, and does nothing again.
    let again = prune(&repository, &now()).await.unwrap();
    assert_eq!((again.damaged.len(), again.packs_condemned, again.packs_deleted), (1, 0, 0), "{again:?}");
    assert_eq!(packs(&place).await, left);
    // When it is right again, all is as if nothing had been.
    flip(&place, &content[0]).await;
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.damaged.is_empty() && report.is_finished() && report.packs_deleted > 0, "{report:?}");
    assert_whole(&repository, &second, &kept).await;
    assert_clean(&repository).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_cut_is_left_too() {
    let (place, repository) = Place::new().await;
    let (first, second, kept, content) = two(&place, &repository).await;
    let bytes = place.storage.get_bytes(&content[1], 1 << 30).await.unwrap();
    let options = PutOptions::default().with_mode(PutMode::Replace);
    place.storage.put_bytes(&content[1], bytes.slice(..bytes.len() - 9), &options).await.unwrap();
    repository.forget(&first).await.unwrap();
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.damaged.len() == 1 && report.is_finished(), "{report:?}");
    assert!(packs(&place).await.contains_key(&content[1]));
    assert_whole(&repository, &second, &kept).await;
}

/// A snapshot refers to chunks that only a condemned pack has, because its push was under way.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_copy_is_not_deleted_though_it_is_condemned_and_damaged() {
    let (place, repository) = Place::new().await;
    let all = tree(0..300);
    store(&repository, &tree(1000..1003)).await;
    let first = store(&repository, &all).await;
    let content: Vec<Key> =
        packs(&place).await.into_iter().filter(|(_, len)| *len > 90_000).map(|(key, _)| key).collect();
    let mut draft = repository.begin(Spec::new("other", "h"), Arc::new(Silent)).await.unwrap();
    repository.forget(&first).await.unwrap();
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.packs_condemned as usize >= content.len(), "{report:?}");
    let ingest = send(&mut *draft, &mut MemoryCapture::new(&all, 4096)).await.unwrap();
    draft.accept(ingest, Outcome::default()).await.unwrap();
    let second = draft.commit().await.unwrap().summary.id;

    // Garbage that this prune condemns, and a later pass of it deletes, whatever is held.
    let before = packs(&place).await;
    let third = store(&repository, &tree(2000..2300)).await;
    let garbage: Vec<Key> = packs(&place).await.into_keys().filter(|key| !before.contains_key(key)).collect();
    repository.forget(&third).await.unwrap();

    flip(&place, &content[2]).await;
    let missing = lost(&repository, &second, &all).await;
    let report = prune(&repository, &now().with_wait(true)).await.unwrap();
    assert!(report.damaged.len() == 1 && !report.is_finished(), "{report:?}");
    let left = packs(&place).await;
    assert_eq!(content.iter().filter(|key| left.contains_key(*key)).collect::<Vec<_>>(), [&content[2]]);
    assert!(!garbage.is_empty() && garbage.iter().all(|key| !left.contains_key(key)), "{report:?}");
    assert_eq!(lost(&repository, &second, &all).await, missing);
    // Once more the same, and once it is put right it is copied.
    assert_eq!(prune(&repository, &now()).await.unwrap().damaged.len(), 1);
    flip(&place, &content[2]).await;
    let report = prune(&repository, &now()).await.unwrap();
    assert!(report.damaged.is_empty() && report.is_finished(), "{report:?}");
    assert_whole(&repository, &second, &all).await;
    assert_clean(&repository).await;
}

/// Of two copies the one that can be read stays, be it condemned; where none can, both stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_can_be_read_never_goes_in_favour_of_one_that_cannot() {
    for both in [false, true] {
        let (place, repository) = Place::new().await;
        let all = tree(0..300);
        store(&repository, &tree(1000..1003)).await;
        let first = store(&repository, &all).await;
        let large = |packs: BTreeMap<Key, u64>| -> BTreeSet<Key> {
            packs.into_iter().filter(|(_, len)| *len > 90_000).map(|(key, _)| key).collect()
        };
        let old = large(packs(&place).await);
        repository.forget(&first).await.unwrap();
        prune(&repository, &PruneOptions::default()).await.unwrap();
        let second = store(&repository, &all).await;
        let new = &large(packs(&place).await) - &old;
        assert!(new.len() >= 4);
        for key in new.iter().chain(old.iter().filter(|_| both)) {
            flip(&place, key).await;
        }
        let report = prune(&repository, &now()).await.unwrap();
        let left = large(packs(&place).await);
        if both {
            assert_eq!(report.damaged.len(), old.len() + new.len(), "{report:?}");
            assert!(left.is_superset(&new) && left.is_superset(&old), "{report:?}");
        } else {
            assert_whole(&repository, &second, &all).await;
            assert_clean(&repository).await;
        }
    }
}
