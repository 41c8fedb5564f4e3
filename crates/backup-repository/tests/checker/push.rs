//! A client that pushes: it drives a [`Writer`] as the engine does, one operation on the storage at a step.

use crate::store::{Chunks, Rows, Sid, SnapshotObject, Store};
use crate::trace;
use backup_repository::protocol::{Object, Outcome, PackId, Rules, RunId, Stop, Writer, WriterTask};

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Push {
    machine: Writer<Sid>,
    /// The chunks of its snapshot.
    want: Chunks,
    /// Whether each chunk gets a pack and a run of its own.
    in_parts: bool,
    /// Those of them that need not be sent.
    have: Chunks,
    /// What the listed runs say, until the first pack.
    rows: Rows,
    /// Packs stored by this session or adopted, in no run yet.
    own: Rows,
    /// The pack to be stored next.
    pack: Option<(PackId<Sid>, Chunks)>,
    /// The run to be stored next.
    run: Option<(RunId<Sid>, Rows)>,
}

impl Push {
    pub fn new(session: Sid, resumes: &[Sid], want: Chunks, in_parts: bool, rules: Rules) -> Self {
        Push {
            machine: Writer::with(session, resumes.to_vec(), rules),
            want,
            in_parts,
            have: 0,
            rows: Rows::new(),
            own: Rows::new(),
            pack: None,
            run: None,
        }
    }

    pub fn session(&self) -> Sid {
        self.machine.session()
    }

    pub fn task(&self) -> Result<WriterTask<Sid>, Stop> {
        self.machine.next()
    }

    /// Does the next operation. With `is_lost` it is done, but its answer never comes.
    pub fn step(&mut self, store: &mut Store, listing: Option<&Store>, is_lost: bool) -> Result<(), Stop> {
        let outcome = match self.machine.next()? {
            WriterTask::Create(Object::Commit(session)) => {
                Some(store.create_snapshot(session, SnapshotObject::Commit(self.want)))
            }
            WriterTask::Create(object) => Some(store.create(&object)),
            WriterTask::Write => Some(self.write(store)),
            _ => None,
        };
        if is_lost {
            return Ok(());
        }
        let view = listing.unwrap_or(store);
        match (self.machine.next()?, outcome) {
            (WriterTask::Create(_), Some(outcome)) => self.machine.created(outcome)?,
            (WriterTask::Write, Some(outcome)) => self.written(outcome)?,
            (WriterTask::ListRuns(session), _) => self.machine.adopted_runs(view.index_names(session))?,
            (WriterTask::ListCondemned, _) => self.machine.condemned(&view.list_records())?,
            (WriterTask::ListIndex, _) => {
                let runs = view.list_runs();
                self.machine.indexed(view.void.iter().copied())?;
                let of_use = runs.into_iter().filter(|(run, _)| self.machine.is_run_of_use(*run));
                self.rows = of_use.flat_map(|(_, rows)| rows).collect();
            }
            (WriterTask::ListPacks(owned), _) => {
                let listed = |pack: &PackId<Sid>| owned.contains(&pack.session) && !self.rows.contains_key(pack);
                let orphans: Vec<_> = view.packs.keys().filter(|pack| listed(pack)).copied().collect();
                for pack in self.machine.adopted_packs(orphans)? {
                    self.own.insert(pack, view.packs[&pack]);
                    self.have |= view.packs[&pack];
                }
            }
            _ => return Err(Stop::Misuse("the model lost its place")),
        }
        self.settle()
    }

    fn write(&self, store: &mut Store) -> Outcome<Sid> {
        match (&self.pack, &self.run) {
            (Some((pack, chunks)), _) => store.create_pack(*pack, *chunks),
            (None, Some((run, rows))) => store.create_run(*run, rows.clone()),
            (None, None) => panic!("a push writes nothing"),
        }
    }

    fn written(&mut self, outcome: Outcome<Sid>) -> Result<(), Stop> {
        if let Some((pack, chunks)) = self.pack.take() {
            self.machine.pack_stored(pack, outcome)?;
            self.own.insert(pack, chunks);
            self.have |= chunks;
        } else {
            self.run = None;
            self.machine.run_stored(outcome)?;
        }
        Ok(())
    }

    /// Decides what to write next, which needs no storage.
    fn settle(&mut self) -> Result<(), Stop> {
        if self.machine.next()? != WriterTask::Write {
            return Ok(());
        }
        for (pack, chunks) in std::mem::take(&mut self.rows) {
            if self.machine.is_present([pack]) {
                self.have |= chunks;
            }
        }
        let missing = self.want & !self.have;
        let part = if self.in_parts { missing & missing.wrapping_neg() } else { missing };
        if part != 0 && (self.own.is_empty() || !self.in_parts) {
            self.pack = Some((self.machine.begin_pack()?, part));
        } else if let Some(Object::Run { run, packs }) = self.machine.begin_run()? {
            let rows = std::mem::take(&mut self.own);
            assert!(packs.iter().eq(rows.keys()), "a run of other packs than were stored");
            self.run = Some((run, rows));
        } else {
            self.machine.commit()?;
        }
        Ok(())
    }

    /// What the next step does, for people.
    pub fn describe(&self) -> String {
        match self.machine.next() {
            Ok(WriterTask::Write) => match (&self.pack, &self.run) {
                (Some((pack, chunks)), _) => trace::pack(pack, *chunks),
                (None, Some((run, rows))) => trace::run(*run, rows.keys()),
                (None, None) => "nothing".to_owned(),
            },
            Ok(WriterTask::Create(object)) => trace::object(Some(self.session()), &object),
            Ok(task) => listing(&task),
            Err(stop) => stop.to_string(),
        }
    }
}

/// A listing of a writer, for people.
pub fn listing(task: &WriterTask<Sid>) -> String {
    match task {
        WriterTask::ListRuns(session) => trace::list_runs(*session),
        WriterTask::ListCondemned => "list condemned".to_owned(),
        WriterTask::ListIndex => "list index".to_owned(),
        WriterTask::ListPacks(_) | WriterTask::ListAllPacks => "list packs".to_owned(),
        task => format!("{task:?}"),
    }
}
