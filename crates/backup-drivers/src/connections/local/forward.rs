use super::session::dial;
use backup_core::{Address, Error, Forward, Result};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// An address of this host as a Unix socket in a folder of mode 0700. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct LocalForward {
    socket: PathBuf,
    accepting: JoinHandle<()>,
    /// Removed with the socket in it.
    _folder: TempDir,
}

impl LocalForward {
    pub(super) fn open(to: Address) -> Result<Self> {
        let failed = |e| Error::io("cannot make a socket to forward from", e);
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("backup-").permissions(private).tempdir().map_err(failed)?;
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        let accepting = tokio::spawn(accept(listener, to));
        Ok(LocalForward { socket, accepting, _folder: folder })
    }

    /// Ends it from elsewhere.
    pub(super) fn end(&self) -> AbortHandle {
        self.accepting.abort_handle()
    }
}

impl Forward for LocalForward {
    fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for LocalForward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connects each client to the address. A client for which nobody answers there sees its stream end. The clients'
/// tasks end with this one.
async fn accept(listener: UnixListener, to: Address) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((mut client, _)) => {
                    let to = to.clone();
                    clients.spawn(async move {
                        if let Ok(mut server) = dial(&to).await {
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        }
                    });
                }
                // Out of file descriptors: when a client ends there is one again.
                Err(_) => if clients.join_next().await.is_none() { return },
            },
            Some(_) = clients.join_next() => {}
        }
    }
}
