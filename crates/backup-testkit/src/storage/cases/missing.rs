use crate::storage::subject::{Subject, expect_kind};
use crate::suite::ensure;
use backup_core::{ErrorKind, Result};

pub(super) async fn missing_is_not_found(subject: &Subject) -> Result<()> {
    subject.put("a", "x").await?;
    for name in ["b", "A", "aa", "no/such/folder", "a/below an object"] {
        subject.expect_missing(name).await?;
        let key = subject.key(name)?;
        let read = subject.read(&key, Some(0..10)).await;
        expect_kind(ErrorKind::NotFound, &format!("a range of the missing {key}"), read)?;
    }
    subject.storage.delete(&[subject.key("a")?]).await?;
    subject.expect_missing("a").await
}

/// The part of a key before a `/` is only a part of a key.
pub(super) async fn folders_are_no_objects(subject: &Subject) -> Result<()> {
    subject.put("a/b/c", "x").await?;
    subject.expect_missing("a").await?;
    subject.expect_missing("a/b").await?;
    subject.storage.delete(&[subject.key("a")?, subject.key("a/b")?]).await?;
    subject.expect("a/b/c", b"x").await?;
    let names = subject.names().await?;
    ensure!(names == ["a/b/c"], "beside one object these are listed: {names:?}");
    Ok(())
}
