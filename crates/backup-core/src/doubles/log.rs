use crate::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What happened, in order.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<watch::Sender<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Log(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.send_modify(|lines| lines.push(line.into()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|l| *l == line).count()
    }

    /// Returns once a line is there.
    pub(crate) async fn seen(&self, line: &str) {
        let found = |lines: &Vec<String>| lines.iter().any(|l| l == line);
        self.0.subscribe().wait_for(found).await.unwrap();
    }
}

/// How a call of a double goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Error,
    Panic,
    Hang,
}

/// Which calls go wrong.
pub(crate) type Faults = BTreeMap<&'static str, Fault>;

pub(super) async fn call(log: &Log, faults: &Faults, name: &str, what: &'static str) -> Result<()> {
    log.add(format!("{name} {what}"));
    match faults.get(what) {
        None => Ok(()),
        Some(Fault::Error) => Err(Error::new(ErrorKind::Unavailable, format!("{name} {what} failed"))),
        Some(Fault::Panic) => panic!("{name} {what} panicked"),
        Some(Fault::Hang) => std::future::pending().await,
    }
}
