use crate::connections::place::{Place, pattern, torn};
use crate::suite::{ensure, expect_kind};
use backup_core::{CommandSpec, ErrorKind, Result};
use std::io::Cursor;
use std::task::Poll;
use tokio::io::AsyncWriteExt;

pub(super) async fn files_go_both_ways(place: &Place) -> Result<()> {
    for length in [0, 1, 65_536, 3_000_001] {
        let content = pattern(length);
        place.session.push(&place.path("file"), Box::new(Cursor::new(content.clone()))).await?;
        ensure!(place.content("file").await? == content, "a file of {length} bytes came back changed");
    }
    ensure!(place.names().await? == b"file\n", "something else is left: {:?}", place.names().await?);
    Ok(())
}

pub(super) async fn odd_file_names(place: &Place) -> Result<()> {
    let names: [&[u8]; 7] = [b"-rf", b"two words", b"it's \"x\" $y", b"new\nline", b"\xff\xfe", b"*", &[b'n'; 255]];
    for name in names {
        place.session.push(&place.path(name), Box::new(name)).await?;
    }
    for name in names {
        ensure!(place.content(name).await? == name, "{:?} has another content", String::from_utf8_lossy(name));
    }
    let count = CommandSpec::new("sh").arg("-c").arg("cd -- \"$1\" && set -- -rf [!-]* && echo $#").arg("sh");
    let count = place.succeed(count.arg(place.folder.clone())).await?;
    ensure!(count == b"7\n", "there are {} files", String::from_utf8_lossy(&count));
    Ok(())
}

pub(super) async fn push_replaces(place: &Place) -> Result<()> {
    let path = place.path("file");
    place.session.push(&path, Box::new(&b"a longer old content"[..])).await?;
    place.session.push(&path, Box::new(&b"new"[..])).await?;
    ensure!(place.content("file").await? == b"new", "the old content is still there");
    Ok(())
}

pub(super) async fn torn_push_changes_nothing(place: &Place) -> Result<()> {
    let path = place.path("file");
    let pushed = place.session.push(&path, torn(pattern(2_000_000))).await;
    expect_kind(ErrorKind::Fenced, "a push whose content breaks off", pushed)?;
    ensure!(place.names().await?.is_empty(), "something is left: {:?}", place.names().await?);

    place.session.push(&path, Box::new(&b"old"[..])).await?;
    let pushed = place.session.push(&path, torn(pattern(2_000_000))).await;
    expect_kind(ErrorKind::Fenced, "a push whose content breaks off", pushed)?;
    ensure!(place.content("file").await? == b"old", "the old file is gone");
    ensure!(place.names().await? == b"file\n", "something is left: {:?}", place.names().await?);
    Ok(())
}

pub(super) async fn dropped_push_changes_nothing(place: &Place) -> Result<()> {
    let path = place.path("file");
    place.session.push(&path, Box::new(&b"old"[..])).await?;
    let (mut feed, content) = tokio::io::duplex(1000);
    {
        let push = place.session.push(&path, Box::new(content));
        tokio::pin!(push);
        // A million bytes went through the duplex, so the push is well under way; then nobody polls it again.
        let feeding = feed.write_all(&[7; 1_000_000]);
        tokio::pin!(feeding);
        let fed = std::future::poll_fn(|cx| match push.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result.map(|()| false)),
            Poll::Pending => feeding.as_mut().poll(cx).map(|_| Ok(true)),
        });
        ensure!(fed.await?, "a push ended before its content");
    }
    ensure!(place.content("file").await? == b"old", "the old file is gone");
    ensure!(place.names().await? == b"file\n", "something is left: {:?}", place.names().await?);
    Ok(())
}

pub(super) async fn racing_pushes_leave_one_whole_file(place: &Place) -> Result<()> {
    let path = place.path("file");
    let push = |byte: u8| place.session.push(&path, Box::new(Cursor::new(vec![byte; 1_000_000])));
    let (a, b, c) = tokio::join!(push(b'a'), push(b'b'), push(b'c'));
    a.and(b).and(c)?;
    let content = place.content("file").await?;
    let first = content.first().copied().unwrap_or(0);
    ensure!(content.len() == 1_000_000 && content.iter().all(|byte| *byte == first), "the file is a mixture");
    ensure!(place.names().await? == b"file\n", "something is left: {:?}", place.names().await?);
    Ok(())
}

pub(super) async fn missing_folder_is_not_found(place: &Place) -> Result<()> {
    let pushed = place.session.push(&place.path("no/file"), Box::new(&b"x"[..])).await;
    expect_kind(ErrorKind::NotFound, "a push into a missing folder", pushed)
}

pub(super) async fn missing_file_is_not_found(place: &Place) -> Result<()> {
    expect_kind(ErrorKind::NotFound, "a pull of a missing file", place.session.pull(&place.path("no")).await.map(drop))
}

pub(super) async fn folders_are_no_files(place: &Place) -> Result<()> {
    ensure!(place.content("..").await.is_err(), "a folder was read as a file");
    let fifo = place.path("fifo");
    place.succeed(CommandSpec::new("mkfifo").arg("--").arg(fifo.clone())).await?;
    ensure!(place.content("fifo").await.is_err(), "a pipe without a writer was read as an empty file");
    Ok(())
}
