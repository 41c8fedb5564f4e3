use backup_core::{Error, ErrorKind, ExitStatus, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::process::Child;
use std::sync::mpsc;
use tokio::sync::watch;

/// A process group and its leader. Dropping it kills what is left of the group.
///
/// The leader is not reaped before that: as long as it is a zombie its number belongs to the group, so that killing
/// the group can never hit somebody else's.
#[derive(Debug)]
pub(super) struct Group {
    leader: Pid,
    status: watch::Receiver<Option<ExitStatus>>,
    /// Dropped after the last kill, which lets the waiter reap.
    _reap: mpsc::Sender<()>,
}

impl Group {
    /// Takes over a child that was started as the leader of its own group.
    pub(super) fn new(mut child: Child) -> Result<Self> {
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let leader = leader.ok_or_else(|| Error::new(ErrorKind::Internal, "a program has no process number"))?;
        let (exited, status) = watch::channel(None);
        let (reap, reaping) = mpsc::channel::<()>();
        let waiter = std::thread::Builder::new().name("program".into()).spawn(move || {
            exited.send_replace(wait(leader));
            drop(exited);
            // Ends with the group, never with a message.
            let _ = reaping.recv();
            let _ = child.wait();
        });
        match waiter {
            Ok(_) => Ok(Group { leader, status, _reap: reap }),
            Err(e) => {
                // Without a waiter nobody would reap: the child went down with the closure, so its group must too.
                let _ = kill_process_group(leader, Signal::KILL);
                Err(Error::io("cannot watch over a program", e))
            }
        }
    }

    /// The leader's status, once it has ended. The future does not hold the group.
    pub(super) fn exited(&self) -> impl Future<Output = Result<ExitStatus>> + Send + use<> {
        let mut status = self.status.clone();
        async move {
            let ended = status.wait_for(Option::is_some).await.ok().and_then(|status| *status);
            ended.ok_or_else(|| Error::new(ErrorKind::Unavailable, "cannot learn how a program ended"))
        }
    }

    /// Kills every process of the group.
    pub(super) fn kill(&self) -> Result<()> {
        match kill_process_group(self.leader, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(Error::io("cannot end a program", e.into())),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Waits for the leader without reaping it.
fn wait(leader: Pid) -> Option<ExitStatus> {
    loop {
        match waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let signal = status.terminating_signal().map(ExitStatus::Signal);
                return signal.or_else(|| status.exit_status().map(ExitStatus::Code));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}
