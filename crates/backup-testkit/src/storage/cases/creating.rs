use crate::storage::subject::{Subject, expect_kind, pattern};
use crate::suite::{broken, ensure};
use backup_core::{Error, ErrorKind, Result};
use bytes::Bytes;
use tokio::task::JoinSet;

pub(super) async fn create_refuses_a_taken_key(subject: &Subject) -> Result<()> {
    let first = subject.put("x", "first").await?;
    expect_kind(ErrorKind::AlreadyExists, "a second create", subject.put("x", "the second").await)?;
    expect_kind(ErrorKind::AlreadyExists, "the same create again", subject.put("x", "first").await)?;
    subject.expect("x", b"first").await?;
    let now = subject.storage.stat(&subject.key("x")?).await?;
    ensure!(now == first, "a refused create changed {first:?} to {now:?}");
    Ok(())
}

pub(super) async fn create_has_one_winner(subject: &Subject) -> Result<()> {
    for round in 0..8 {
        race(subject, &format!("{round}"), 16, 1000).await?;
    }
    Ok(())
}

/// Objects that are sent in several requests have another last step.
pub(super) async fn large_create_has_one_winner(subject: &Subject) -> Result<()> {
    race(subject, "x", 3, 12 << 20).await
}

/// All have written everything before the first finishes.
async fn race(subject: &Subject, name: &str, racers: usize, length: usize) -> Result<()> {
    let content = |n: usize| pattern(n as u64, length + n);
    let mut writers = Vec::new();
    for n in 0..racers {
        let mut writer = subject.open(name).await?;
        writer.write(content(n)).await?;
        writers.push(writer);
    }
    let mut tasks = JoinSet::new();
    for (n, writer) in writers.into_iter().enumerate() {
        tasks.spawn(async move { (n, writer.finish().await) });
    }
    let mut winner = None;
    while let Some(done) = tasks.join_next().await {
        match done.map_err(|e| broken("a racer panicked".to_owned()).source(e))? {
            (n, Ok(_)) => {
                let other: Option<usize> = winner.replace(n);
                ensure!(other.is_none(), "racers {other:?} and {n} both created {name}");
            }
            (_, Err(lost)) => expect_kind(ErrorKind::AlreadyExists, "the finish of a loser", Err::<(), Error>(lost))?,
        }
    }
    let winner = winner.ok_or_else(|| broken(format!("none of {racers} racers created {name}")))?;
    subject.expect(name, &content(winner)).await
}

pub(super) async fn create_after_delete(subject: &Subject) -> Result<()> {
    for content in ["first", "the second", "3"] {
        subject.put("x", content).await?;
        subject.expect("x", content.as_bytes()).await?;
        subject.storage.delete(&[subject.key("x")?]).await?;
    }
    subject.expect_missing("x").await
}

pub(super) async fn replace_creates(subject: &Subject) -> Result<()> {
    subject.replace("x", "new").await?;
    subject.expect("x", b"new").await
}

pub(super) async fn replace_replaces(subject: &Subject) -> Result<()> {
    subject.put("x", "a rather long first one").await?;
    for content in ["short", "", "and a long one once more"] {
        let meta = subject.replace("x", Bytes::from(content)).await?;
        ensure!(meta.size_bytes == content.len() as u64, "replace gives {} bytes for {content:?}", meta.size_bytes);
        subject.expect("x", content.as_bytes()).await?;
    }
    let names = subject.names().await?;
    ensure!(names == ["x"], "after replacing one object these are listed: {names:?}");
    Ok(())
}
