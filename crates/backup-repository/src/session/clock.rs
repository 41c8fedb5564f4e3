use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment by a clock that goes on while the machine sleeps: a lease does, too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awake(Duration);

impl Awake {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Awake(Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0)))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Awake::now().0.saturating_sub(self.0)
    }
}
