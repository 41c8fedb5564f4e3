use crate::storage::subject::Subject;
use crate::suite::{broken, ensure};
use backup_core::{Key, Result};
use tokio::task::JoinSet;

/// Puts objects of one byte each, some at once.
pub(super) async fn fill(subject: &Subject, names: impl IntoIterator<Item = String>) -> Result<()> {
    let mut tasks = JoinSet::new();
    let mut names = names.into_iter();
    loop {
        while tasks.len() < 32
            && let Some(name) = names.next()
        {
            let subject = subject.clone();
            tasks.spawn(async move { subject.put(&name, "x").await });
        }
        match tasks.join_next().await {
            Some(done) => done.map_err(|e| broken("a put panicked".to_owned()).source(e))??,
            None => return Ok(()),
        };
    }
}

async fn expect_names(subject: &Subject, prefix: &str, after: Option<Key>, wanted: &[&str]) -> Result<()> {
    let what = format!("listing {prefix} after {after:?}");
    let listed = subject.pages(prefix, after).await?;
    let names = listed.iter().map(|(key, _)| subject.name(key)).collect::<Result<Vec<_>>>()?;
    ensure!(names == wanted, "{what} gives {names:?} instead of {wanted:?}");
    Ok(())
}

pub(super) async fn listing_is_paged(subject: &Subject) -> Result<()> {
    // Some in folders and some beside them, so that pages end in both.
    let name = |n: usize| if n.is_multiple_of(2) { format!("{:02}/{n}", n % 14) } else { format!("{:02}-{n}", n % 15) };
    fill(subject, (0..2500).map(name)).await?;
    let mut wanted: Vec<String> = (0..2500).map(name).collect();
    wanted.sort_unstable();
    let names = subject.names().await?;
    let different = names.iter().zip(&wanted).find(|(listed, wanted)| listed != wanted);
    ensure!(different.is_none(), "a listing has, instead of the expected, {different:?}");
    ensure!(names.len() == 2500, "a listing of 2500 objects has {}", names.len());
    let sizes = subject.pages(&subject.prefix, None).await?;
    ensure!(sizes.iter().all(|(_, meta)| meta.size_bytes == 1), "a listing gives a wrong size");
    Ok(())
}

pub(super) async fn listing_of_any_prefix(subject: &Subject) -> Result<()> {
    let names = ["Ab", "a", "ab-1", "ab/c", "ab/cd/e", "abc/d", "b/a", "b/ab"];
    fill(subject, names.map(str::to_owned)).await?;
    subject.settle().await;
    for prefix in ["", "a", "A", "ab", "ab-", "ab/", "ab/c", "ab/cd", "ab/cd/", "ab/cd/e", "abc", "b", "b/a", "b/ab"] {
        let wanted: Vec<&str> = names.into_iter().filter(|name| name.starts_with(prefix)).collect();
        expect_names(subject, &format!("{}{prefix}", subject.prefix), None, &wanted).await?;
    }
    let without_slash = subject.prefix.trim_end_matches('/');
    expect_names(subject, without_slash, None, &names).await
}

pub(super) async fn listing_in_order_of_bytes(subject: &Subject) -> Result<()> {
    let names =
        ["a b", "a!/x", "a-b/c", "a.b", "a/-", "a/b-c", "a/b/c", "a/bc", "a/z", "a0", "aB", "ab", "b", "é", "日"];
    let mut last_first = names.map(str::to_owned);
    last_first.reverse();
    fill(subject, last_first).await?;
    subject.settle().await;
    expect_names(subject, &subject.prefix, None, &names).await
}

pub(super) async fn listing_after(subject: &Subject) -> Result<()> {
    let names = ["a", "b-1", "b/1", "b/2/x", "b/2/y", "b/3", "b0", "c/1"];
    fill(subject, names.map(str::to_owned)).await?;
    subject.settle().await;
    let between = ["0", "a/x", "b", "b-", "b-0", "b/1x", "b/2", "b/2/x/y", "b/20", "b/4", "bb", "c", "c/1/2", "d"];
    for after in names.into_iter().chain(between) {
        let key = Some(subject.key(after)?);
        let wanted: Vec<&str> = names.into_iter().filter(|name| *name > after).collect();
        expect_names(subject, &subject.prefix, key.clone(), &wanted).await?;
        let wanted: Vec<&str> = wanted.into_iter().filter(|name| name.starts_with("b/")).collect();
        expect_names(subject, &format!("{}b/", subject.prefix), key, &wanted).await?;
    }
    // Before and behind everything with this prefix.
    expect_names(subject, &subject.prefix, Some(Key::new("!")?), &names).await?;
    expect_names(subject, &subject.prefix, Some(Key::new("\u{10FFFF}")?), &[]).await
}

pub(super) async fn listing_of_nothing(subject: &Subject) -> Result<()> {
    subject.put("a/b", "x").await?;
    subject.settle().await;
    for prefix in ["b", "a/b/", "a/b/c/", "a/c", "aa/", "a//", "./", "../", "a/../", "a/./b", "/", "\u{10FFFF}"] {
        expect_names(subject, &format!("{}{prefix}", subject.prefix), None, &[]).await?;
    }
    expect_names(subject, &format!("/{}", subject.prefix), None, &[]).await
}
