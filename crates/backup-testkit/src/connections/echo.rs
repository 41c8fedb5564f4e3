use backup_core::{Error, Result};
use std::path::Path;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, JoinSet};

/// A server of this process that sends back what it gets. Ends when it is dropped.
pub(super) struct Echo(JoinHandle<()>);

impl Echo {
    /// On all interfaces; gives the port.
    pub(super) async fn tcp() -> Result<(Self, u16)> {
        let failed = |e| Error::io("cannot listen", e);
        let listener = TcpListener::bind(("0.0.0.0", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let serve = async move {
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                clients.spawn(echo(client));
            }
        };
        Ok((Echo(tokio::spawn(serve)), port))
    }

    pub(super) fn unix(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path).map_err(|e| Error::io("cannot listen", e))?;
        let serve = async move {
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                clients.spawn(echo(client));
            }
        };
        Ok(Echo(tokio::spawn(serve)))
    }
}

impl Echo {
    /// Ends it; nobody listens any more when this returns.
    pub(super) async fn end(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn echo(stream: impl AsyncRead + AsyncWrite) {
    let (mut from, mut to) = tokio::io::split(stream);
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut to).await;
}
