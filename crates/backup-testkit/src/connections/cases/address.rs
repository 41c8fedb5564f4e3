use crate::connections::echo::Echo;
use crate::connections::place::{Place, pattern};
use crate::suite::{ensure, expect_kind};
use backup_core::{Address, Error, ErrorKind, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

pub(super) async fn dial_reaches_a_port(place: &Place) -> Result<()> {
    let (_server, port) = Echo::tcp().await?;
    let to = Address::Tcp { host: place.way_back.clone(), port };
    for length in [1, 2_000_000] {
        comes_back(place.session.dial(&to).await?, pattern(length)).await?;
    }
    Ok(())
}

pub(super) async fn dial_reaches_a_socket(place: &Place) -> Result<()> {
    let path = place.path("s");
    let path = Path::new(OsStr::from_bytes(&path));
    let _server = Echo::unix(path)?;
    comes_back(place.session.dial(&Address::Unix(path.to_owned())).await?, pattern(100_000)).await
}

pub(super) async fn dial_of_nobody_is_unavailable(place: &Place) -> Result<()> {
    let port = free_port().await?;
    let to = Address::Tcp { host: place.way_back.clone(), port };
    expect_kind(ErrorKind::Unavailable, "a dial to nobody", place.session.dial(&to).await.map(drop))?;
    let to = Address::Unix("/no/such/socket".into());
    expect_kind(ErrorKind::Unavailable, "a dial to no socket", place.session.dial(&to).await.map(drop))
}

pub(super) async fn forward_serves_many_clients(place: &Place) -> Result<()> {
    let (_server, port) = Echo::tcp().await?;
    let forward = place.session.forward(&Address::Tcp { host: place.way_back.clone(), port }).await?;
    let socket = forward.socket();
    let client = |length| async move { comes_back(connect(socket).await?, pattern(length)).await };
    let (a, b, c) = tokio::join!(client(1), client(500_000), client(2_000_000));
    a.and(b).and(c)
}

pub(super) async fn forward_is_private_and_ends_with_its_owner(place: &Place) -> Result<()> {
    let (_server, port) = Echo::tcp().await?;
    let forward = place.session.forward(&Address::Tcp { host: place.way_back.clone(), port }).await?;
    let socket = forward.socket().to_owned();
    let stat = |path: &Path| std::fs::metadata(path).map_err(|e| Error::io("cannot look at the socket", e));
    ensure!(stat(&socket)?.file_type().is_socket(), "{} is no socket", socket.display());
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let mode = stat(folder)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o700, "the socket's folder has mode {mode:o}");
    let mut client = connect(&socket).await?;
    drop(forward);
    ensure!(!folder.exists(), "the socket's folder is still there");
    ensure!(matches!(client.read(&mut [0; 1]).await, Ok(0) | Err(_)), "a client is still served");
    Ok(())
}

pub(super) async fn forward_to_nobody_ends_the_clients_stream(place: &Place) -> Result<()> {
    let to = Address::Tcp { host: place.way_back.clone(), port: free_port().await? };
    let forward = place.session.forward(&to).await?;
    let mut client = connect(forward.socket()).await?;
    ensure!(matches!(client.read(&mut [0; 1]).await, Ok(0) | Err(_)), "nobody answered with a byte");
    Ok(())
}

async fn connect(socket: &Path) -> Result<UnixStream> {
    UnixStream::connect(socket).await.map_err(|e| Error::io("cannot connect to the socket", e))
}

/// A port on which nobody listens: taken for a moment, and given back.
async fn free_port() -> Result<u16> {
    let (server, port) = Echo::tcp().await?;
    server.end().await;
    Ok(port)
}

async fn comes_back(stream: impl AsyncRead + AsyncWrite + Unpin, sent: Vec<u8>) -> Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    let write = async {
        to.write_all(&sent).await?;
        to.shutdown().await
    };
    let mut received = Vec::new();
    let (written, read) = tokio::join!(write, from.read_to_end(&mut received));
    written.and(read.map(drop)).map_err(|e| Error::io("the stream broke", e))?;
    ensure!(received == sent, "{} of {} bytes came back, or others", received.len(), sent.len());
    Ok(())
}
