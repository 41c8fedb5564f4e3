use super::Source;
use super::lane::Lane;
use super::tee::Tee;
use crate::chain::{ChainRun, Closed, Direction, Hop, no_session};
use crate::{Batch, Capture, ComponentSpec, Error, ErrorKind, Observer, Outcome, Result, Session, Stop, Wanted};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::sync::Arc;

/// Captures one component into every live lane. What it gives has passed every check on the way: the driver's, and
/// that of each hop.
pub(super) async fn capture(
    source: &Source,
    spec: &ComponentSpec,
    lanes: &mut [Lane],
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> (Option<Outcome>, Closed) {
    let mut run = ChainRun::open(source.chain.hops(), Direction::Outward, stop.clone()).await;
    let mut hop = CaptureHop { source, spec, lanes, observer, capture: None, outcome: None };
    run.innermost(&mut hop).await;
    let closed = run.close().await;
    let sound = closed.error.is_none();
    (hop.outcome.filter(|_| sound), closed)
}

struct CaptureHop<'a> {
    source: &'a Source,
    spec: &'a ComponentSpec,
    lanes: &'a mut [Lane],
    observer: Arc<dyn Observer>,
    capture: Option<Box<dyn Capture>>,
    outcome: Option<Outcome>,
}

#[async_trait]
impl Hop for CaptureHop<'_> {
    fn name(&self) -> String {
        self.spec.name.clone()
    }

    async fn setup(&mut self, outer: Option<Arc<dyn Session>>) -> Result<Option<Arc<dyn Session>>> {
        let at = outer.ok_or_else(no_session)?;
        self.capture = Some(self.source.driver.capture(at, self.observer.clone()).await?);
        Ok(None)
    }

    async fn pass(&mut self) -> Result<()> {
        join_all(self.lanes.iter_mut().map(|lane| lane.start(self.spec))).await;
        let mut capture = self.capture.take().ok_or_else(no_session)?;
        while let Some(batch) = capture.list().await? {
            match &mut *self.lanes {
                [only] => one(capture.as_mut(), batch, only).await?,
                several => tee(capture.as_mut(), batch, several).await?,
            }
        }
        let outcome = capture.finish().await?;
        if let Some(reason) = &outcome.fatal {
            return Err(Error::new(ErrorKind::ProducerFailed, reason.clone()));
        }
        self.outcome = Some(outcome);
        Ok(())
    }

    /// The capture itself ended with P, which owned it, or ends here if P never began.
    async fn clean(&mut self) -> Result<()> {
        self.capture = None;
        Ok(())
    }
}

/// One destination: its own `Contents`, nothing in between.
async fn one(capture: &mut dyn Capture, batch: Arc<Batch>, lane: &mut Lane) -> Result<()> {
    let wanted = lane.want(batch).await.ok_or_else(no_destination)?;
    if wanted.is_empty() {
        return Ok(());
    }
    capture.fetch(wanted, lane.contents().ok_or_else(no_destination)?).await
}

/// Several destinations: the source delivers what any of them wants, and each takes what it wants.
async fn tee(capture: &mut dyn Capture, batch: Arc<Batch>, lanes: &mut [Lane]) -> Result<()> {
    let wants = join_all(lanes.iter_mut().map(|lane| lane.want(batch.clone()))).await;
    let mut any: Vec<u64> = wants.iter().flatten().flat_map(|wanted| wanted.0.iter().copied()).collect();
    any.sort_unstable();
    any.dedup();
    let takers = lanes.iter().zip(wants).enumerate();
    let tee = Tee::new(takers.filter_map(|(number, (lane, wanted))| Some((number, lane.contents()?, wanted?.0))));
    if tee.is_empty() {
        return Err(no_destination());
    }
    let fetched = if any.is_empty() { Ok(()) } else { capture.fetch(Wanted(any), &tee).await };
    for (number, error) in tee.into_errors() {
        if let Some(lane) = lanes.get_mut(number) {
            lane.fail(error);
        }
    }
    fetched
}

/// Ends a capture that nobody takes any more; what happened to the destinations is in their own reports.
pub(super) fn no_destination() -> Error {
    Error::new(ErrorKind::Cancelled, "no destination is left to take the content")
}
