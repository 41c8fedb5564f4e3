use crate::storage::subject::{Subject, pattern};
use crate::suite::ensure;
use backup_core::{Result, StorageExt};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Enough that every storage has sent some of it.
const LARGE_BYTES: usize = 12 << 20;

pub(super) async fn unfinished_is_invisible(subject: &Subject) -> Result<()> {
    let content = pattern(1, LARGE_BYTES);
    let mut writer = subject.open("x").await?;
    subject.expect_missing("x").await?;
    writer.write(content.slice(..LARGE_BYTES - 1)).await?;
    subject.expect_missing("x").await?;
    writer.write(content.slice(LARGE_BYTES - 1..)).await?;
    subject.expect_missing("x").await?;
    writer.finish().await?;
    subject.expect("x", &content).await
}

pub(super) async fn dropped_leaves_nothing(subject: &Subject) -> Result<()> {
    for length in [0, 1, LARGE_BYTES] {
        let mut writer = subject.open("x").await?;
        writer.write(pattern(2, length)).await?;
        drop(writer);
        subject.expect_missing("x").await?;
    }
    subject.put("x", "the next").await?;
    subject.expect("x", b"the next").await
}

pub(super) async fn aborted_leaves_nothing(subject: &Subject) -> Result<()> {
    for length in [0, 1, LARGE_BYTES] {
        let mut writer = subject.open("x").await?;
        writer.write(pattern(3, length)).await?;
        writer.abort().await?;
        subject.expect_missing("x").await?;
    }
    subject.put("x", "the next").await?;
    subject.expect("x", b"the next").await
}

/// A finish whose future is dropped has happened or has not.
pub(super) async fn dropped_finish_is_all_or_nothing(subject: &Subject) -> Result<()> {
    let content = pattern(4, LARGE_BYTES);
    for round in 0..4 {
        let name = format!("{round}");
        let mut writer = subject.open(&name).await?;
        writer.write(content.clone()).await?;
        {
            let mut finish = pin!(writer.finish());
            for _ in 0..=round {
                if let Poll::Ready(finished) = finish.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    finished?;
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // It may become visible between these calls, but what is seen is whole.
        let key = subject.key(&name)?;
        if let Ok(seen) = subject.read(&key, None).await {
            ensure!(seen == content, "after a dropped finish {} bytes of {} are there", seen.len(), content.len());
        }
        subject.storage.create(&key, content.clone()).await?;
        subject.expect(&name, &content).await?;
    }
    Ok(())
}

pub(super) async fn finished_is_listed(subject: &Subject) -> Result<()> {
    for count in 1..=20 {
        subject.put(&format!("{count:02}"), "x").await?;
        let listed = subject.names().await?.len();
        ensure!(listed == count, "a listing after {count} finished puts shows {listed}");
    }
    Ok(())
}
