use crate::storage::subject::{Subject, pattern};
use crate::suite::{broken, ensure};
use backup_core::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

pub(super) async fn empty_object(subject: &Subject) -> Result<()> {
    let meta = subject.open("no part").await?.finish().await?;
    ensure!(meta.size_bytes == 0, "an object without parts has {} bytes", meta.size_bytes);
    subject.expect("no part", b"").await?;
    subject.put("empty part", Bytes::new()).await?;
    subject.expect("empty part", b"").await?;
    let names = subject.names().await?;
    ensure!(names == ["empty part", "no part"], "of two empty objects these are listed: {names:?}");
    Ok(())
}

pub(super) async fn many_tiny_parts(subject: &Subject) -> Result<()> {
    let content = pattern(1, 100_000);
    let mut writer = subject.open("tiny").await?;
    let mut rest = content.clone();
    for length in (1..=13).cycle() {
        if rest.is_empty() {
            break;
        }
        writer.write(rest.split_to(length.min(rest.len()))).await?;
    }
    let meta = writer.finish().await?;
    ensure!(meta.size_bytes == 100_000, "finish gives {} bytes for 100,000", meta.size_bytes);
    subject.expect("tiny", &content).await
}

/// Storages gather short parts and pass long ones on.
pub(super) async fn parts_of_all_lengths(subject: &Subject) -> Result<()> {
    let lengths = [1, 70_000, 300_000, 5, 900_000, 1 << 20, 70_000, 3 << 20, 200_000, 200_000, (1 << 20) - 1, 40_000];
    let content = pattern(2, lengths.iter().sum());
    let mut writer = subject.open("mixed").await?;
    let mut rest = content.clone();
    for length in lengths {
        writer.write(rest.split_to(length)).await?;
    }
    writer.finish().await?;
    subject.expect("mixed", &content).await?;

    let mut writer = subject.open("alike").await?;
    for part in content.chunks(70_000) {
        writer.write(content.slice_ref(part)).await?;
    }
    writer.finish().await?;
    subject.expect("alike", &content).await
}

pub(super) async fn empty_parts(subject: &Subject) -> Result<()> {
    let mut writer = subject.open("x").await?;
    for part in ["", "one", "", "", "two", ""] {
        writer.write(Bytes::from(part)).await?;
    }
    writer.finish().await?;
    subject.expect("x", b"onetwo").await
}

/// More than storages take in one request.
pub(super) async fn three_big_parts(subject: &Subject) -> Result<()> {
    let content = pattern(2, 3 * (6 << 20));
    let mut writer = subject.open("big").await?;
    for part in 0..3 {
        writer.write(content.slice(part * (6 << 20)..(part + 1) * (6 << 20))).await?;
    }
    let meta = writer.finish().await?;
    ensure!(meta.size_bytes == content.len() as u64, "finish gives {} bytes for 18 MiB", meta.size_bytes);
    subject.expect("big", &content).await
}

/// Parts of many objects arrive in turns.
pub(super) async fn concurrent_puts(subject: &Subject) -> Result<()> {
    let mut tasks = JoinSet::new();
    for n in 0..64_u64 {
        let subject = subject.clone();
        tasks.spawn(async move {
            let content = pattern(n, 10_000 + usize::try_from(n).unwrap_or(0));
            let mut writer = subject.open(&format!("{n}")).await?;
            for at in (0..content.len()).step_by(4096) {
                writer.write(content.slice(at..content.len().min(at + 4096))).await?;
                tokio::task::yield_now().await;
            }
            writer.finish().await?;
            Ok::<_, backup_core::Error>((n, content))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (n, content) = done.map_err(|e| broken("a put panicked".to_owned()).source(e))??;
        subject.expect(&format!("{n}"), &content).await?;
    }
    let names = subject.names().await?;
    ensure!(names.len() == 64, "after 64 puts at once {} objects are listed", names.len());
    Ok(())
}
