use super::content::{NAMES, tree};
use backup_core::*;
use backup_repository::*;
use backup_storage::{Directory, Memory};
use backup_testkit::memory::{MemoryCapture, Tree, file, path, push, send};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
pub const PASSPHRASE: &str = "correct horse battery staple";
/// Of nobody.
pub const SSH: &str = include_str!("ssh.key");
const SSH_PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMrtStG1tmGx8eS9MSlRV36NXG4h9I/cFh7AWMVPlRdV golden";

/// A push writes a run for so many chunks.
fn options(rows: usize) -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2).with_pack_bytes(60_000).with_run_rows(rows)
}

async fn store(to: &Repository, name: &str, tree: &Tree) -> BackupId {
    push(to, name, MemoryCapture::new(tree, 4096)).await.unwrap().0.summary.id
}

fn noise(seed: u64) -> Tree {
    let content = |number: u64| (0..200_000u64).map(move |i| (i.wrapping_mul(seed * 977 + number + 3) >> 3) as u8);
    (0..20).map(|number| (path(&number.to_string()), file(content(number).collect::<Vec<u8>>(), number))).collect()
}

/// A push that has stored something and does not end.
async fn unfinished(to: &Repository, storage: &Memory, name: &str, tree: &Tree) -> Box<dyn Draft> {
    let before = storage.list_all("index/").await.unwrap().len();
    let mut draft = to.begin(Spec::new(name, "host"), Arc::new(Silent)).await.unwrap();
    let _ingest = send(&mut *draft, &mut MemoryCapture::new(tree, 4096)).await.unwrap();
    while storage.list_all("index/").await.unwrap().len() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    draft
}

/// Makes a repository with every kind of object, and what opens it: `repository/`, `owner.txt`, `web.key`, `lab.key`.
pub async fn repository(at: &Path) {
    let storage = Arc::new(Memory::new());
    let (identity, recipient) = new_identity();
    let passphrase = OwnerRecipient::Passphrase(Secret::new(PASSPHRASE));
    let owner = Repository::create(storage.clone(), &[recipient, passphrase], options(400)).await.unwrap();
    owner.add_owner(&OwnerRecipient::PublicKey(SSH_PUBLIC.to_owned())).await.unwrap();
    fs::create_dir_all(at).unwrap();
    fs::write(at.join("owner.txt"), identity.expose()).unwrap();
    let identity = OwnerIdentity::Key(identity);
    let reopened = async |rows| Repository::open(storage.clone(), &identity, options(rows)).await.unwrap();

    let first = store(&owner, NAMES[0], &tree(NAMES[0])).await;
    let gone = store(&owner, "gone", &noise(1)).await;
    owner.forget(&gone).await.unwrap();
    owner.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::default()).await.unwrap();
    for (name, domain) in [("web", "default"), ("lab", "lab")] {
        let spec = WriterSpec::default().with_names([format!("{name}*")]).with_domain(domain);
        let credential = reopened(400).await.add_writer(&spec).await.unwrap();
        fs::write(at.join(format!("{name}.key")), credential.to_text().unwrap().expose()).unwrap();
        let writer = Repository::open_as_writer(storage.clone(), &credential, options(400)).await.unwrap();
        let name = NAMES.into_iter().find(|known| known.starts_with(name)).unwrap();
        store(&writer, name, &tree(name)).await;
    }
    reopened(400).await.rotate().await.unwrap();
    let owner = reopened(400).await;
    let second = store(&owner, NAMES[1], &tree(NAMES[1])).await;
    store(&owner, NAMES[4], &tree(NAMES[4])).await;
    let gone = store(&owner, "gone", &noise(2)).await;
    let web = owner.keys().await.unwrap().writers.into_iter().find(|writer| writer.domain == "default").unwrap();
    owner.revoke_writer(&web.id).await.unwrap();
    for tag in ["one", "two"] {
        owner.change_note(&first, |note| note.tags.push(tag.to_owned())).await.unwrap();
    }
    owner.change_note(&second, |note| note.hold = Some("the audit".to_owned())).await.unwrap();
    // What is condemned may go now, a session has died, another is under way.
    let lapsed = unfinished(&reopened(5).await, &storage, "lapsed", &noise(4)).await;
    storage.advance(2 * DAY);
    let open = unfinished(&reopened(5).await, &storage, "open", &noise(3)).await;
    owner.forget(&gone).await.unwrap();
    owner.prune(&PruneOptions::default(), Arc::new(Silent), &Stop::default()).await.unwrap();
    drop((lapsed, open));

    fs::create_dir_all(at.join("repository")).unwrap();
    let kept = Directory::open(at.join("repository")).await.unwrap();
    for (key, _) in storage.list_all("").await.unwrap() {
        let bytes = storage.get_bytes(&key, 1 << 30).await.unwrap();
        kept.put_bytes(&key, bytes, &PutOptions::default()).await.unwrap();
    }
}
