use super::names::{PackId, RunId, SessionName};
use super::object::{Object, Outcome};
use super::stop::Stop;

/// The packs and runs that one session writes: any number of packs at once, one run at a time, and a run only of packs
/// that are stored.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Output<S> {
    session: S,
    next_pack: u32,
    next_run: u32,
    /// Numbers of packs begun and not stored.
    in_flight: Vec<u32>,
    /// Stored, in no run yet.
    stored: Vec<PackId<S>>,
    /// Whether a run is being written.
    run_in_flight: bool,
}

impl<S: SessionName> Output<S> {
    pub(super) fn new(session: S) -> Self {
        Output { session, next_pack: 0, next_run: 0, in_flight: Vec::new(), stored: Vec::new(), run_in_flight: false }
    }

    pub(super) fn begin_pack(&mut self) -> Result<PackId<S>, Stop> {
        let number = self.next_pack;
        self.next_pack = number.checked_add(1).ok_or(Stop::Misuse("too many packs in one session"))?;
        self.in_flight.push(number);
        Ok(PackId { session: self.session, number })
    }

    pub(super) fn pack_stored(&mut self, pack: PackId<S>, outcome: Outcome<S>) -> Result<(), Stop> {
        let begun = self.in_flight.iter().position(|number| *number == pack.number && pack.session == self.session);
        self.in_flight.swap_remove(begun.ok_or(Stop::Misuse("a pack that was not begun is stored"))?);
        self.in_flight.sort_unstable();
        match outcome {
            Outcome::Created => {
                self.own(pack);
                Ok(())
            }
            Outcome::Taken(_) => Err(Stop::Fenced),
        }
    }

    /// A stored pack that the next run is to list: of this session, or adopted.
    pub(super) fn own(&mut self, pack: PackId<S>) {
        if let Err(place) = self.stored.binary_search(&pack) {
            self.stored.insert(place, pack);
        }
    }

    /// The next run, listing all packs stored and in no run yet; none when there are none.
    pub(super) fn begin_run(&mut self) -> Result<Option<Object<S>>, Stop> {
        if self.run_in_flight {
            return Err(Stop::Misuse("a run is begun while another is being written"));
        }
        if self.stored.is_empty() {
            return Ok(None);
        }
        let packs = std::mem::take(&mut self.stored);
        self.run_in_flight = true;
        Ok(Some(Object::Run { run: self.next_run(), packs }))
    }

    /// The next run, listing exactly these of the packs that are stored and in no run yet.
    pub(super) fn begin_run_of(&mut self, packs: &[PackId<S>]) -> Result<RunId<S>, Stop> {
        if self.run_in_flight {
            return Err(Stop::Misuse("a run is begun while another is being written"));
        }
        if packs.is_empty() || packs.iter().any(|pack| self.stored.binary_search(pack).is_err()) {
            return Err(Stop::Misuse("a run of packs that are not stored, or stand in a run"));
        }
        self.stored.retain(|pack| !packs.contains(pack));
        self.run_in_flight = true;
        Ok(self.next_run())
    }

    /// A run made of others: it lists packs that stand in runs already.
    pub(super) fn begin_merged_run(&mut self) -> Result<RunId<S>, Stop> {
        if self.run_in_flight {
            return Err(Stop::Misuse("a run is begun while another is being written"));
        }
        self.run_in_flight = true;
        Ok(self.next_run())
    }

    fn next_run(&self) -> RunId<S> {
        RunId { session: self.session, number: self.next_run }
    }

    pub(super) fn run_stored(&mut self, outcome: Outcome<S>) -> Result<(), Stop> {
        if !std::mem::take(&mut self.run_in_flight) {
            return Err(Stop::Misuse("a run that was not begun is stored"));
        }
        match outcome {
            Outcome::Created => {
                self.next_run = self.next_run.checked_add(1).ok_or(Stop::Misuse("too many runs in one session"))?;
                Ok(())
            }
            Outcome::Taken(_) => Err(Stop::Fenced),
        }
    }

    /// Whether a run was begun and nobody has said what came of it.
    pub(super) fn is_writing_run(&self) -> bool {
        self.run_in_flight
    }

    /// Whether everything begun is stored and every stored pack stands in a run.
    pub(super) fn is_published(&self) -> bool {
        self.in_flight.is_empty() && self.stored.is_empty() && !self.run_in_flight
    }
}
