//! A machine with a cache remembers which repository it knows at a place, and what owners have signed there.

use super::*;
use std::fs;
use tempfile::TempDir;

struct Machine {
    place: Place,
    cache: TempDir,
}

impl Machine {
    async fn new() -> Machine {
        Machine { place: Place::new().await, cache: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> RepositoryOptions {
        options().with_cache_dir(self.cache.path())
    }

    async fn owner(&self) -> Result<Repository> {
        Repository::open(self.place.storage.clone(), &self.place.identity, self.options()).await
    }

    async fn writer(&self, credential: &WriterCredential) -> Result<Repository> {
        Repository::open_as_writer(self.place.storage.clone(), credential, self.options()).await
    }

    async fn drop_object(&self, key: &str) {
        self.place.storage.delete(&[Key::new(key).unwrap()]).await.unwrap();
    }

    async fn missing(&self) -> Vec<String> {
        self.owner().await.unwrap().missing_keys().iter().map(Key::to_string).collect()
    }

    /// The files of the cache whose names begin so.
    fn files(&self, begin: &str) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.cache.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name().to_str().unwrap().starts_with(begin) {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_in_a_known_place_is_refused() {
    let mut machine = Machine::new().await;
    let ours = machine.owner().await.unwrap().id();
    // The storage knows the owner's public key and makes a repository of its own for it.
    let OwnerIdentity::Key(secret) = &machine.place.identity else { panic!("an owner with a key") };
    let recipient = recipient_of(secret).unwrap();
    let theirs = Arc::new(Memory::new());
    let made = Repository::create(theirs.clone(), &[recipient], options()).await.unwrap();
    let credential = made.add_writer(&WriterSpec::default()).await.unwrap();
    let honest = std::mem::replace(&mut machine.place.storage, theirs);
    let files = machine.files("place-");
    for refused in [machine.owner().await.unwrap_err(), machine.writer(&credential).await.unwrap_err()] {
        assert_eq!(refused.kind(), ErrorKind::Damaged);
        for said in [ours.to_string(), made.id().to_string(), files[0].display().to_string()] {
            assert!(refused.to_string().contains(&said), "{refused}");
        }
    }
    // Who accepts it says so, and knows that one from then on.
    machine.place.storage = Arc::new(Memory::new());
    let other = recipient_of(secret).unwrap();
    Repository::create(machine.place.storage.clone(), &[other], options()).await.unwrap();
    assert_eq!(kind(machine.owner().await), ErrorKind::Damaged);
    fs::remove_file(&files[0]).unwrap();
    let accepted = machine.owner().await.unwrap().id();
    assert_eq!(machine.owner().await.unwrap().id(), accepted);
    machine.place.storage = honest;
    assert_eq!(kind(machine.owner().await), ErrorKind::Damaged);
    // Two that take turns, like disks, and a memory that is damaged.
    let known = fs::read_to_string(&files[0]).unwrap();
    fs::write(&files[0], known.replace(&accepted.to_string(), &format!("{accepted}\",\"{ours}"))).unwrap();
    assert_eq!(machine.owner().await.unwrap().id(), ours);
    fs::write(&files[0], "rubbish").unwrap();
    assert_eq!(machine.owner().await.unwrap().id(), ours);
    // One that this machine makes itself is the one that it knows.
    let anew: Arc<Memory> = Arc::new(Memory::new());
    let other = recipient_of(secret).unwrap();
    let made = Repository::create(anew.clone(), &[other], machine.options()).await.unwrap();
    machine.place.storage = anew;
    assert_eq!(machine.owner().await.unwrap().id(), made.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_and_a_rotation_that_were_seen_stay_in_force() {
    let machine = Machine::new().await;
    let credential = machine.place.certify(WriterSpec::default()).await;
    let kept = push_tree(&machine.writer(&credential).await.unwrap(), "before", &tree(1)).await.summary.id;
    let removed = machine.place.owner().await;
    let owner = machine.owner().await.unwrap();
    owner.revoke_writer(&credential.id().unwrap()).await.unwrap();
    owner.rotate().await.unwrap();
    assert_eq!(machine.missing().await, [] as [&str; 0], "all is there");

    let revocation = format!("keys/writers/{}.revoked", credential.id().unwrap());
    let bytes = machine.place.storage.get_bytes(&Key::new(&*revocation).unwrap(), 1 << 20).await.unwrap();
    machine.drop_object(&revocation).await;
    machine.drop_object("keys/identity/1").await;
    let later = push_tree(&machine.place.writer(&credential).await, "later", &tree(2)).await.summary.id;
    for _ in 0..2 {
        assert_eq!(machine.missing().await, ["keys/identity/1", &*revocation], "it does not get used to it");
    }
    let owner = machine.owner().await.unwrap();
    assert_eq!(names(&owner).await, ["before"]);
    assert_eq!(kind(owner.open(&later).await), ErrorKind::Damaged);
    assert!(owner.keys().await.unwrap().writers[0].revoked.is_some());
    assert_eq!(kind(machine.writer(&credential).await), ErrorKind::AccessDenied);
    assert_whole(&owner, &kept, &tree(1)).await;
    // What is written here is written to the identity that was seen, if nothing else stands in its place, and then it is
    // there again for those who have not seen it.
    let identity = Key::new("keys/identity/1").unwrap();
    let storage = machine.place.storage.clone();
    storage.put_bytes(&identity, vec![7; 300].into(), &PutOptions::default()).await.unwrap();
    let refused = push(&owner, "refused", MemoryCapture::new(&tree(3), 100)).await.err().unwrap();
    assert!(refused.kind() == ErrorKind::Damaged && refused.to_string().contains(identity.as_str()), "{refused}");
    machine.drop_object("keys/identity/1").await;
    let ours = push_tree(&owner, "ours", &tree(3)).await.summary.id;
    assert_eq!(kind(removed.open(&ours).await), ErrorKind::AccessDenied);
    assert_whole(&machine.place.owner().await, &ours, &tree(3)).await;
    assert_eq!(machine.missing().await, [&*revocation]);
    assert_eq!(
        names(&machine.place.owner().await).await,
        ["before", "later", "ours"],
        "who has not seen it cannot know"
    );

    // In another's place rubbish is no better; what is put back is there again.
    machine
        .place
        .storage
        .put_bytes(&Key::new(&*revocation).unwrap(), vec![7; 300].into(), &PutOptions::default())
        .await
        .unwrap();
    assert_eq!(names(&machine.owner().await.unwrap()).await, ["before", "ours"]);
    machine.drop_object(&revocation).await;
    machine.place.storage.put_bytes(&Key::new(&*revocation).unwrap(), bytes, &PutOptions::default()).await.unwrap();
    assert_eq!(machine.missing().await, [] as [&str; 0]);
    // A memory that is damaged is none.
    fs::write(&machine.files("keys-")[0], "rubbish").unwrap();
    assert_eq!(machine.missing().await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_gone_is_missed_once_unless_this_machine_removed_it() {
    let machine = Machine::new().await;
    let mut owners = Vec::new();
    for _ in 0..2 {
        let (_, recipient) = new_identity();
        owners.push(machine.owner().await.unwrap().add_owner(&recipient).await.unwrap());
    }
    assert_eq!(machine.missing().await, [] as [&str; 0]);
    machine.owner().await.unwrap().remove_owner(&owners[0]).await.unwrap();
    assert_eq!(machine.missing().await, [] as [&str; 0], "it was this machine");
    machine.place.owner().await.remove_owner(&owners[1]).await.unwrap();
    assert_eq!(machine.missing().await, [format!("keys/cards/{}", owners[1])]);
    assert_eq!(machine.missing().await, [] as [&str; 0]);
}
