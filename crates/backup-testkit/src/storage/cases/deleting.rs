use super::listing::fill;
use crate::storage::subject::Subject;
use crate::suite::ensure;
use backup_core::{Key, Result};

pub(super) async fn delete_removes(subject: &Subject) -> Result<()> {
    fill(subject, ["a", "b/1", "b/2", "b/22", "c"].map(str::to_owned)).await?;
    subject.storage.delete(&[subject.key("a")?, subject.key("b/2")?]).await?;
    subject.expect_missing("a").await?;
    subject.expect_missing("b/2").await?;
    let names = subject.names().await?;
    ensure!(names == ["b/1", "b/22", "c"], "after a delete these are listed: {names:?}");
    Ok(())
}

pub(super) async fn delete_of_the_missing(subject: &Subject) -> Result<()> {
    subject.put("a", "x").await?;
    let missing = [subject.key("b")?, subject.key("no/such/folder")?, subject.key("a/below an object")?];
    subject.storage.delete(&missing).await?;
    subject.storage.delete(&[]).await?;
    subject.expect("a", b"x").await?;
    let twice = [subject.key("b")?, subject.key("a")?, subject.key("a")?, subject.key("c")?];
    subject.storage.delete(&twice).await?;
    subject.expect_missing("a").await?;
    subject.storage.delete(&twice).await
}

/// More than storages delete in one request.
pub(super) async fn delete_of_many(subject: &Subject) -> Result<()> {
    let name = |n: usize| format!("{}/{n}", n % 3);
    fill(subject, (0..1201).map(name)).await?;
    let keys: Vec<Key> = (0..1200).map(|n| subject.key(&name(n))).collect::<Result<_>>()?;
    subject.storage.delete(&keys).await?;
    let names = subject.names().await?;
    ensure!(names == [name(1200)], "of 1201 objects 1200 were deleted and {} are listed", names.len());
    Ok(())
}
