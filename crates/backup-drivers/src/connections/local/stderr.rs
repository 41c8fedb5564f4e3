use super::group::Group;
use backup_core::{Error, Result};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much of a program's standard error is kept.
const TAIL_BYTES: usize = 8 * 1024;

/// Reads a program's standard error all the time, so that it never blocks on it, and keeps the end.
#[derive(Debug)]
pub(super) struct Stderr {
    reading: JoinHandle<()>,
    tail: watch::Receiver<Option<String>>,
}

impl Stderr {
    pub(super) fn drain(stderr: std::process::ChildStderr, group: &Group) -> Result<Self> {
        let pipe = ChildStderr::from_std(stderr);
        let mut pipe = pipe.map_err(|e| Error::io("cannot read a program's standard error", e))?;
        let (settled, tail) = watch::channel(None);
        // Only the status: holding the group here would keep it alive behind its owner's back.
        let exited = group.exited();
        let reading = tokio::spawn(async move {
            tokio::pin!(exited);
            let mut kept = Kept::default();
            let mut buffer = [0; 4096];
            let (mut running, mut open) = (true, true);
            while open || running {
                tokio::select! {
                    _ = &mut exited, if running => {
                        running = false;
                        // All that the program itself wrote is in the pipe by now. Its children may go on.
                        open = open && kept.take_what_is_there(&pipe);
                        settled.send_replace(Some(kept.text()));
                    }
                    read = pipe.read(&mut buffer), if open => open = kept.take(&buffer, read.unwrap_or(0)),
                }
            }
        });
        Ok(Stderr { reading, tail })
    }

    /// The tail, once the program has ended.
    pub(super) async fn tail(&self) -> String {
        let mut tail = self.tail.clone();
        tail.wait_for(Option::is_some).await.ok().and_then(|tail| tail.clone()).unwrap_or_default()
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The end of what was read so far.
#[derive(Default)]
struct Kept(VecDeque<u8>);

impl Kept {
    /// Keeps the bytes read; `false` when there were none, which is the end.
    fn take(&mut self, buffer: &[u8], read: usize) -> bool {
        self.0.extend(buffer.iter().take(read));
        self.0.drain(..self.0.len().saturating_sub(TAIL_BYTES));
        read > 0
    }

    /// Reads until the pipe has nothing more at this moment; `false` at its end.
    fn take_what_is_there(&mut self, pipe: &ChildStderr) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match rustix::io::read(pipe.as_fd(), &mut buffer) {
                Ok(read) if self.take(&buffer, read) => {}
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return true,
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// As text; where the beginning was cut off, it begins with a whole line if there is one.
    fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let whole_line = || bytes.iter().position(|b| *b == b'\n').map(|end| end + 1).filter(|cut| *cut < bytes.len());
        let cut = if bytes.len() < TAIL_BYTES { None } else { whole_line() }.unwrap_or(0);
        String::from_utf8_lossy(bytes.get(cut..).unwrap_or_default()).trim_end().to_owned()
    }
}
