use super::content::{NAMES, tree};
use super::make::{PASSPHRASE, SSH};
use backup_core::*;
use backup_repository::*;
use backup_storage::Directory;
use backup_testkit::memory::{MemoryCapture, assert_whole, push};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn options() -> RepositoryOptions {
    RepositoryOptions::default().with_threads(2)
}

async fn storage(at: &Path) -> Arc<Directory> {
    Arc::new(Directory::open(at.join("repository")).await.unwrap())
}

async fn open(at: &Path, identity: &OwnerIdentity) -> Repository {
    Repository::open(storage(at).await, identity, options()).await.unwrap()
}

async fn store(to: &Repository, name: &str) -> Committed {
    push(to, name, MemoryCapture::new(&tree(name), 4096)).await.unwrap().0
}

fn identity(at: &Path) -> OwnerIdentity {
    OwnerIdentity::Key(Secret::new(fs::read_to_string(at.join("owner.txt")).unwrap()))
}

/// Everything comes back, to every owner.
pub async fn whole(at: &Path) {
    let repository = open(at, &identity(at)).await;
    let listed = repository.list().await.unwrap();
    let names: Vec<&str> = listed.iter().map(|summary| summary.name.as_str()).collect();
    assert_eq!(names, ["files", "web-1", "lab", "files, later", "huge"]);
    for summary in &listed {
        assert_listed(&repository, summary).await;
    }
    assert_eq!(repository.note(&listed[0].id).await.unwrap().tags, ["one", "two"]);
    assert_eq!(repository.note(&listed[3].id).await.unwrap().hold.as_deref(), Some("the audit"));
    let report = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    for owner in [OwnerIdentity::Key(Secret::new(SSH)), OwnerIdentity::Passphrase(Secret::new(PASSPHRASE))] {
        // Of another domain, before a rotation, and after it.
        for number in [1, 2, 3] {
            assert_listed(&open(at, &owner).await, &listed[number]).await;
        }
    }
}

/// A snapshot has the tree of its name.
async fn assert_listed(repository: &Repository, summary: &Summary) {
    assert_whole(repository, &summary.id, &tree(&summary.name)).await;
}

/// It is worked with as if it were new.
pub async fn goes_on(at: &Path) {
    let repository = open(at, &identity(at)).await;
    let again = store(&repository, NAMES[0]).await;
    assert_eq!(again.stats.bytes_stored, 0, "all of it is known");
    for (key, name, is_certified) in [("web", NAMES[2], false), ("lab", NAMES[3], true)] {
        let text = Secret::new(fs::read_to_string(at.join(format!("{key}.key"))).unwrap());
        let writer =
            Repository::open_as_writer(storage(at).await, &WriterCredential::parse(&text).unwrap(), options()).await;
        match writer {
            Ok(writer) if is_certified => assert_eq!(store(&writer, name).await.summary.name, name),
            Err(error) if !is_certified => assert_eq!(error.kind(), ErrorKind::AccessDenied),
            other => panic!("{key}: {other:?}"),
        }
    }
    let listed = repository.list().await.unwrap();
    repository.forget(&listed[1].id).await.unwrap();
    let now = PruneOptions::default().with_grace(Duration::ZERO);
    let report = repository.prune(&now, Arc::new(Silent), &Stop::default()).await.unwrap();
    assert!(report.packs_condemned > 0 && !report.is_finished(), "a session is open: {report:?}");
    let rest = repository.list().await.unwrap();
    assert_eq!(rest.len(), 6);
    for summary in &rest {
        assert_listed(&repository, summary).await;
    }
    let report = repository.check(CheckOptions::default(), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

/// Each line of the table of objects in docs/format.md has an object here.
pub fn every_kind_of_object(at: &Path) {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md")).unwrap();
    let table = page.lines().skip_while(|line| *line != "| key | what | written by |").skip(2);
    let cells = table.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(1).unwrap());
    let patterns: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(patterns.len() > 20, "{patterns:?}");
    let mut keys = Vec::new();
    names(&at.join("repository"), "", &mut keys);
    // The pass of prune that makes a session's runs void removes them and the record, unless it is killed in between;
    // nothing makes other signing keys.
    let never = ["tmp/", "index/<s>.void", "keys/signing/<n>"];
    for pattern in patterns.into_iter().filter(|pattern| !never.contains(pattern)) {
        assert!(keys.iter().any(|key| fits(pattern, key)), "no object is like {pattern}: {keys:#?}");
    }
}

fn names(folder: &Path, prefix: &str, keys: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => names(&entry.path(), &format!("{name}/"), keys),
            false => keys.push(name),
        }
    }
}

/// Whether a key is like a pattern of the page: `<s>` and `<id>` stand for hexadecimal digits, `xx` for two of them,
/// `<n>` and `<k>` for a decimal number.
fn fits(pattern: &str, key: &str) -> bool {
    let (digits, pattern) = match pattern {
        "" => return key.is_empty(),
        _ if pattern.starts_with("<id>") => (hex(key), &pattern[4..]),
        _ if pattern.starts_with("<s>") => (hex(key).filter(|len| *len == 32), &pattern[3..]),
        _ if pattern.starts_with("<n>") || pattern.starts_with("<k>") => (decimal(key), &pattern[3..]),
        _ if pattern.starts_with("xx") => (Some(2), &pattern[2..]),
        _ => (key.starts_with(&pattern[..1]).then_some(1), &pattern[1..]),
    };
    digits.is_some_and(|len| fits(pattern, &key[len..]))
}

fn run_of(key: &str, is_in: impl Fn(char) -> bool) -> Option<usize> {
    Some(key.find(|c| !is_in(c)).unwrap_or(key.len())).filter(|len| *len > 0)
}

fn hex(key: &str) -> Option<usize> {
    run_of(key, |c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn decimal(key: &str) -> Option<usize> {
    run_of(key, |c| c.is_ascii_digit())
}
