//! A storage that looks, and a storage that forgets.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_sees_no_content_and_no_name() {
    let place = Place::new().await;
    let spec = WriterSpec::default().with_names(["payroll-*"]).with_domain("laboratory");
    let mut tree = tree(1);
    tree.insert(path("dir/invoices.txt"), file("confidential ".repeat(1000), 1));
    for credential in [place.certify(spec).await, place.certify(WriterSpec::default()).await] {
        push_tree(&place.writer(&credential).await, "payroll-2026", &tree).await;
    }
    place.owner().await.rotate().await.unwrap();
    let secrets = ["payroll", "laboratory", "invoices", "confidential", "AGE-SECRET-KEY", "default"];
    let mut objects = 0;
    for key in place.keys("").await {
        let bytes = place.storage.get_bytes(&key, 1 << 30).await.unwrap();
        for secret in secrets {
            let seen = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!seen && !key.as_str().contains(secret), "{secret} in {key}");
        }
        objects += 1;
    }
    assert!(objects > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_forgets_brings_back_what_was_before() {
    let place = Place::new().await;
    let credential = place.certify(WriterSpec::default()).await;
    // Who was an owner once, and has kept what it had.
    let removed = place.owner().await;
    place.owner().await.revoke_writer(&credential.id().unwrap()).await.unwrap();
    place.owner().await.rotate().await.unwrap();

    // Who has no cache does not remember that there was more; docs/threat-model.md says so.
    for key in [format!("keys/writers/{}.revoked", credential.id().unwrap()), "keys/identity/1".into()] {
        place.storage.delete(&[Key::new(key).unwrap()]).await.unwrap();
    }
    let written = push_tree(&place.writer(&credential).await, "n", &tree(1)).await.summary.id;
    assert_eq!(names(&place.owner().await).await, ["n"], "the revocation is gone");
    assert_whole(&removed, &written, &tree(1)).await;

    // A credential that was made after the rotation has the new recipient in it.
    place.owner().await.rotate().await.unwrap();
    let later = place.certify(WriterSpec::default()).await;
    let hidden = Key::new("keys/identity/1").unwrap();
    let kept = place.storage.get_bytes(&hidden, 1 << 20).await.unwrap();
    place.storage.delete(std::slice::from_ref(&hidden)).await.unwrap();
    let written = push_tree(&place.writer(&later).await, "n", &tree(2)).await.summary.id;
    assert_eq!(kind(removed.open(&written).await), ErrorKind::Damaged, "it does not know the writer");
    let ignorant = place.owner().await;
    assert_eq!(kind(ignorant.open(&written).await), ErrorKind::AccessDenied);
    place.storage.put_bytes(&hidden, kept, &PutOptions::default()).await.unwrap();
    assert_whole(&place.owner().await, &written, &tree(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_in_its_place_is_noticed_by_writers_and_not_by_public_keys() {
    let (secret, recipient) = new_identity();
    let place = Place { storage: Arc::new(Memory::new()), identity: OwnerIdentity::Key(secret) };
    let ours = Repository::create(place.storage.clone(), std::slice::from_ref(&recipient), options()).await.unwrap();
    let credential = place.certify(WriterSpec::default()).await;
    // The storage knows the owner's public key and makes a repository of its own for it, under the same name.
    let theirs = Arc::new(Memory::new());
    Repository::create(theirs.clone(), &[recipient], options()).await.unwrap();
    let writer = Repository::open_as_writer(theirs.clone(), &credential, options()).await;
    assert_eq!(kind(writer), ErrorKind::Damaged);
    let opened = open(&theirs, &place.identity).await.unwrap();
    assert_ne!(opened.id(), ours.id(), "its id is all that tells the two apart");
}
