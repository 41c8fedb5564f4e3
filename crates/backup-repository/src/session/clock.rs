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

#[cfg(test)]
mod tests {
    use super::Awake;
    use std::process::Command;
    use std::time::Duration;

    const ASKED: &str = "BACKUP_TEST_ASKED_FOR_THE_TIME";
    const ASLEEP: u64 = 5_000_000;

    /// A machine that has slept is one whose boot clock is ahead of its monotonic one: a namespace of time shows that.
    #[test]
    fn a_lease_goes_on_while_the_machine_sleeps() {
        if std::env::var_os(ASKED).is_some() {
            println!("it is {} s", Awake::now().0.as_secs());
            return;
        }
        let ahead = ASLEEP.to_string();
        let asked = Command::new("unshare")
            .args(["--user", "--map-root-user", "--time", "--fork", "--boottime", &ahead])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "session::clock::tests::a_lease_goes_on_while_the_machine_sleeps", "--nocapture"])
            .env(ASKED, "1")
            .output();
        let said = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).into_owned()).unwrap_or_default();
        let Some(there) = said.split("it is ").nth(1).and_then(|rest| rest.split(' ').next()) else {
            println!("NOT RUN: no namespace of time can be made here");
            return;
        };
        let (here, there) = (Awake::now().0, Duration::from_secs(there.parse().unwrap()));
        let apart = there.abs_diff(here + Duration::from_secs(ASLEEP));
        assert!(apart < Duration::from_secs(60), "{here:?} here, {there:?} there");
    }
}
