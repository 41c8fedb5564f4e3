//! Repositories of every format that was ever declared are kept in this folder, and read, checked and gone on with for
//! ever. `BACKUP_GOLDEN=FOLDER cargo test -p backup-repository --test golden new` leaves a new one there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "these are tests"
)]

mod content;
mod make;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../roundtrip/memory.rs"]
mod memory;
mod read;

use std::fs;
use std::path::Path;

/// What a new repository looks like today is read by the same code as those that are kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_one_reads_like_those_that_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = std::env::var_os("BACKUP_GOLDEN").map_or_else(|| folder.path().join("new"), Into::into);
    make::repository(&at).await;
    read::whole(&at).await;
    read::every_kind_of_object(&at);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_declared_format_is_read_checked_and_gone_on_with() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for format in 1..=backup_repository::FORMAT {
        let golden = kept.join(format!("format-{format}"));
        read::whole(&golden).await;
        read::every_kind_of_object(&golden);
        let folder = tempfile::tempdir().unwrap();
        copy(&golden, folder.path());
        read::goes_on(folder.path()).await;
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}
