use super::{Screen, bar, lines};
use backup_core::{Event, Observer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How a long run shows how it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Bar,
    Lines,
    Nothing,
}

/// What is known of a run so far. Written by any thread.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) started: Instant,
    stage: Mutex<&'static str>,
    pub(super) files_found: AtomicU64,
    pub(super) bytes_found: AtomicU64,
    /// Whether nothing more will be found.
    pub(super) all_found: AtomicBool,
    pub(super) files_done: AtomicU64,
    pub(super) bytes_done: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Counts {
    fn new() -> Self {
        Counts {
            started: Instant::now(),
            stage: Mutex::new(""),
            files_found: AtomicU64::new(0),
            bytes_found: AtomicU64::new(0),
            all_found: AtomicBool::new(false),
            files_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(super) fn stage(&self) -> &'static str {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears how a long run goes and shows it until it is [ended](Progress::end) or dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    screen: Screen,
    counts: Arc<Counts>,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows the counts from a task of the current runtime: events are too many to be shown one by one.
    pub(super) fn start(screen: Screen, shows: Shows) -> Arc<Self> {
        let counts = Arc::new(Counts::new());
        let ticker = match shows {
            Shows::Bar => {
                bar::show(&screen.bar);
                let (bar, counts) = (screen.bar.clone(), counts.clone());
                Some(every(bar::PERIOD, move || bar::draw(&bar, &counts)))
            }
            Shows::Lines => {
                let (screen, counts) = (screen.clone(), counts.clone());
                Some(every(lines::PERIOD, move || screen.err_line(&lines::line(&counts))))
            }
            Shows::Nothing => None,
        };
        Arc::new(Progress { screen, counts, ticker })
    }

    /// Takes the bar away; nothing more is shown.
    pub(crate) fn end(&self) {
        if let Some(ticker) = &self.ticker {
            ticker.abort();
            self.screen.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

fn every(period: Duration, mut show: impl FnMut() + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The first tick comes at once, when there is nothing to tell.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            show();
        }
    })
}

impl Observer for Progress {
    fn event(&self, event: Event) {
        let counts = &self.counts;
        match event {
            Event::Stage(stage) => *counts.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage,
            Event::Found { files, bytes, done } => {
                counts.files_found.store(files, Relaxed);
                counts.bytes_found.store(bytes, Relaxed);
                counts.all_found.store(done, Relaxed);
            }
            Event::Progress { files, bytes } => {
                counts.files_done.fetch_add(files, Relaxed);
                counts.bytes_done.fetch_add(bytes, Relaxed);
            }
            // The report at the end names every one, once.
            Event::Failed { .. } => drop(counts.failed.fetch_add(1, Relaxed)),
            Event::Warning(text) => self.screen.warn(text),
            _ => {}
        }
    }
}
