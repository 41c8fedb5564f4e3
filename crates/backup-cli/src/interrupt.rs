use crate::exit::Exit;
use crate::screen::Screen;
use backup_core::Stop;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::signal::unix::{SignalKind, signal};

/// SIGINT and SIGTERM. Work that cleans up is asked to stop, and a second signal ends the process at once; all other
/// work has nothing to clean up and ends with the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    stop: Stop,
    cleans_up: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches from a task of the current runtime.
    ///
    /// # Errors
    /// When the signals cannot be watched; they then end the process as they always do.
    pub(crate) fn watch(screen: Screen) -> io::Result<Self> {
        let interrupt = Interrupt::default();
        let (mut interrupts, mut terminations) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // A question for a passphrase turns the echo off.
        let terminal = tcgetattr(io::stdin()).ok();
        let watched = interrupt.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => {}
                    _ = terminations.recv() => {}
                }
                if !watched.cleans_up.load(SeqCst) || watched.stop.is_stopped() {
                    end_at_once(terminal.as_ref());
                }
                watched.stop.stop();
                screen.note("stopping; once more ends at once");
            }
        });
        Ok(interrupt)
    }

    /// The handle to give to work that cleans up. From now on the first signal only asks.
    pub(crate) fn stop(&self) -> Stop {
        self.cleans_up.store(true, SeqCst);
        self.stop.clone()
    }
}

fn end_at_once(terminal: Option<&Termios>) {
    if let Some(terminal) = terminal {
        tcsetattr(io::stdin(), OptionalActions::Now, terminal).ok();
    }
    std::process::exit(Exit::Interrupted.code().into());
}
