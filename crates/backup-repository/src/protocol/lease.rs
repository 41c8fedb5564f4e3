use super::names::SessionName;
use super::object::{Object, Outcome};
use super::stop::Stop;
use crate::format::ids::SessionId;
use std::time::{Duration, SystemTime};

/// How long a silent session is left alone.
///
/// No safety rests on it: a session is fenced by taking its names, and a fence that comes too early costs its writer the
/// run and nobody a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// A writer renews this long after it last did.
    pub renew_every: Duration,
    /// A session may be fenced this long after its last sign of life.
    pub lapse_after: Duration,
}

impl Lease {
    /// Renewed hourly, lapsed after a day.
    pub const STANDARD: Lease =
        Lease { renew_every: Duration::from_secs(3600), lapse_after: Duration::from_secs(24 * 3600) };

    /// Whether a session has lapsed: `last_sign` is when the storage saw the newest object of its folder, `now` when it
    /// saw an object that the judge has just written. Both from objects put in one piece: a storage may date one put in
    /// parts by its beginning. A time that lies ahead of `now` has not lapsed.
    pub fn has_lapsed(&self, last_sign: SystemTime, now: SystemTime) -> bool {
        now.duration_since(last_sign).is_ok_and(|silence| silence >= self.lapse_after)
    }
}

/// Keeps a session's lease. Times are since its start, by a clock that goes on while the machine sleeps.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Renewal<S = SessionId> {
    lease: Lease,
    session: S,
    number: u32,
    renewed: Duration,
    /// When the renewal that is tried now was sent for the first time.
    tried: Option<Duration>,
}

/// What a renewal wants done.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RenewalTask<S = SessionId> {
    /// Nothing before this time.
    WaitUntil(Duration),
    /// Create it and say what came of it with [`Renewal::created`]. After an error ask again.
    Create(Object<S>),
    /// A whole lease passed without a renewal: the session may be fenced by now, and its writer stops.
    Stop,
}

impl<S: SessionName> Renewal<S> {
    /// Of a session whose start was sent at time zero.
    pub fn new(session: S, lease: Lease) -> Self {
        Renewal { lease, session, number: 1, renewed: Duration::ZERO, tried: None }
    }

    /// What to do at time `now`.
    pub fn next(&self, now: Duration) -> RenewalTask<S> {
        let silence = now.saturating_sub(self.renewed);
        if silence >= self.lease.lapse_after {
            RenewalTask::Stop
        } else if silence >= self.lease.renew_every {
            RenewalTask::Create(Object::Renewal { session: self.session, number: self.number })
        } else {
            RenewalTask::WaitUntil(self.renewed.saturating_add(self.lease.renew_every))
        }
    }

    /// The renewal that it asked for is sent at this time. Whatever becomes of that, it may have arrived.
    pub fn sent(&mut self, at: Duration) {
        self.tried.get_or_insert(at);
    }

    /// A try whose answer was lost had arrived: the renewal stands there. To others the lease counts from then, so it counts
    /// from the first try here.
    pub fn arrived_before(&mut self) {
        let first = self.tried.take().unwrap_or(self.renewed);
        self.number = self.number.saturating_add(1);
        self.renewed = self.renewed.max(first);
    }

    /// What came of the renewal that was sent at `sent`: the lease counts from there, not from the answer.
    ///
    /// # Errors
    /// [`Stop::Fenced`] when somebody else writes this session's renewals.
    pub fn created(&mut self, sent: Duration, outcome: Outcome<S>) -> Result<(), Stop> {
        match outcome {
            Outcome::Created => {
                self.number = self.number.saturating_add(1);
                self.renewed = self.renewed.max(sent);
                self.tried = None;
                Ok(())
            }
            Outcome::Taken(_) => Err(Stop::Fenced),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn lapses_by_the_storages_time_only() {
        let seen = SystemTime::UNIX_EPOCH + HOUR * 1000;
        assert!(!Lease::STANDARD.has_lapsed(seen, seen + HOUR * 23));
        assert!(Lease::STANDARD.has_lapsed(seen, seen + HOUR * 24));
        assert!(!Lease::STANDARD.has_lapsed(seen + HOUR * 100, seen));
    }

    #[test]
    fn renews_hourly_and_stops_after_a_silent_day() {
        let mut renewal = Renewal::new(7_u8, Lease::STANDARD);
        assert_eq!(renewal.next(HOUR / 2), RenewalTask::WaitUntil(HOUR));
        assert_eq!(renewal.next(HOUR), RenewalTask::Create(Object::Renewal { session: 7, number: 1 }));
        // The answer came late; what counts is when it was sent.
        renewal.created(HOUR, Outcome::Created).unwrap();
        assert_eq!(renewal.next(HOUR * 3 / 2), RenewalTask::WaitUntil(HOUR * 2));
        assert_eq!(renewal.next(HOUR * 24), RenewalTask::Create(Object::Renewal { session: 7, number: 2 }));
        assert_eq!(renewal.next(HOUR * 25), RenewalTask::Stop);
        let taken = renewal.created(HOUR * 2, Outcome::Taken(crate::protocol::Occupant::Other));
        assert_eq!(taken, Err(Stop::Fenced));
    }

    #[test]
    fn a_late_answer_keeps_nothing_alive() {
        let mut renewal = Renewal::new(7_u8, Lease::STANDARD);
        renewal.sent(HOUR);
        // It was stored then. The next try that reached the storage was this one, and found it.
        renewal.sent(HOUR * 23);
        renewal.arrived_before();
        assert_eq!(renewal.next(HOUR * 24), RenewalTask::Create(Object::Renewal { session: 7, number: 2 }));
        assert_eq!(renewal.next(HOUR * 25), RenewalTask::Stop);
        renewal.sent(HOUR * 24);
        renewal.created(HOUR * 24, Outcome::Created).unwrap();
        assert_eq!(renewal.next(HOUR * 24), RenewalTask::WaitUntil(HOUR * 25));
    }
}
