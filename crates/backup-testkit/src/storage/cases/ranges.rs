use crate::storage::subject::{Subject, expect_kind, pattern};
use crate::suite::ensure;
use backup_core::{ErrorKind, Result, StorageExt};
use bytes::Bytes;
use std::ops::Range;

const LENGTH: u64 = 300_001;

async fn check(subject: &Subject, content: &Bytes, ranges: &[Range<u64>]) -> Result<()> {
    let key = subject.key("x")?;
    for range in ranges {
        let clamp = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let wanted = if range.is_empty() { Bytes::new() } else { content.slice(clamp(range.start)..clamp(range.end)) };
        let got = subject.read(&key, Some(range.clone())).await?;
        let length = content.len();
        ensure!(
            got.len() == wanted.len(),
            "{range:?} of {length} bytes gives {} instead of {}",
            got.len(),
            wanted.len()
        );
        ensure!(got == wanted, "{range:?} of {length} bytes gives other bytes");
        let stale = vec![7; wanted.len() / 2 + 3];
        let exactly = subject.storage.read_range(&key, range.clone(), stale).await;
        if wanted.len() as u64 == range.end.saturating_sub(range.start) {
            ensure!(exactly? == wanted, "{range:?} of {length} bytes, read into a buffer, gives other bytes");
        } else {
            expect_kind(ErrorKind::Damaged, &format!("exactly {range:?} of {length} bytes"), exactly)?;
        }
    }
    Ok(())
}

pub(super) async fn ranges_inside(subject: &Subject) -> Result<()> {
    let content = pattern(1, 300_001);
    subject.put("x", content.clone()).await?;
    let ranges = [0..1, 0..LENGTH, 1..2, 4095..4097, 100_000..200_000, LENGTH - 1..LENGTH, 1..LENGTH, 0..LENGTH - 1];
    check(subject, &content, &ranges).await
}

pub(super) async fn ranges_past_the_end(subject: &Subject) -> Result<()> {
    let content = pattern(2, 300_001);
    subject.put("x", content.clone()).await?;
    let ranges = [
        LENGTH - 5..LENGTH + 1,
        0..LENGTH + 1_000_000,
        0..u64::MAX,
        LENGTH..LENGTH + 1,
        LENGTH + 10..LENGTH + 20,
        u64::MAX - 1..u64::MAX,
    ];
    check(subject, &content, &ranges).await?;
    subject.replace("x", Bytes::new()).await?;
    check(subject, &Bytes::new(), &[0..1, 0..u64::MAX, 5..6]).await
}

pub(super) async fn ranges_empty(subject: &Subject) -> Result<()> {
    let content = pattern(3, 300_001);
    subject.put("x", content.clone()).await?;
    let backwards = Range { start: 10, end: 5 };
    check(subject, &content, &[0..0, 7..7, LENGTH..LENGTH, LENGTH + 5..LENGTH + 5, backwards]).await
}

/// Long ranges may be read in another way than short ones.
pub(super) async fn ranges_of_large_objects(subject: &Subject) -> Result<()> {
    let length: u64 = 20 << 20;
    let content = pattern(4, 20 << 20);
    subject.put("x", content.clone()).await?;
    let ranges = [
        0..length,
        1..length - 1,
        (8 << 20) - 1..(16 << 20) + 3,
        0..(8 << 20) + 1,
        3..length + 100,
        (19 << 20) + 7..(19 << 20) + 1000,
    ];
    check(subject, &content, &ranges).await
}
