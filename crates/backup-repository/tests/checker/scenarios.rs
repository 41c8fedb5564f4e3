//! Who meets whom.

use crate::client::{Client, Late};
use crate::drain::Drains;
use crate::model::Scenario;
use crate::prune::{Habits, Merges, Pruner};
use crate::push::Push;
use crate::repair::Repairer;
use crate::store::{Chunks, Sid, Store};
use backup_repository::protocol::Rules;
use std::sync::atomic::AtomicBool;

/// One who takes part. Pushes and old snapshots are counted from 1.
#[derive(Clone, Debug)]
pub enum Part {
    /// A push of a snapshot of these chunks.
    Push(u8, Chunks),
    /// A push that puts each chunk into a pack and a run of its own.
    PushInParts(u8, Chunks),
    /// A push by the writer of earlier ones, which it resumes, the newest first, whether they are dead or not.
    Resume(u8, &'static [Sid], Chunks),
    /// A repair of the index, by an owner.
    Repair,
    /// The writer of a fenced session that does this create once more: it never got the answer.
    Repeat(Late),
    /// A prune of so many passes.
    Prune(u8),
    /// A prune that merges whatever runs it may, not only those that it must.
    MergingPrune(u8),
    /// The same, when all tombstones are a year old.
    LatePrune(u8),
    /// A prune that merges the first run that it may, and leaves the others.
    ChoosyPrune(u8),
    /// An owner who fences open sessions, so many, lapsed or not.
    Owner(u8),
    /// An owner who forgets this snapshot, once it is there.
    Forget(Sid),
}

impl Part {
    /// The passes of a prune; none for others.
    pub fn passes(&self) -> u8 {
        match self {
            Part::Prune(passes) | Part::MergingPrune(passes) | Part::LatePrune(passes) | Part::ChoosyPrune(passes) => {
                *passes
            }
            _ => 0,
        }
    }
}

/// What may go wrong besides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An answer to a create of a push is lost, and it creates once more.
    PushLosesAnswers,
    /// The same of a prune.
    PruneLosesAnswers,
    /// A listing takes time: what is put or deleted meanwhile may or may not show.
    TornListings,
    /// A prune dies in the middle of a pass; its next pass is another process.
    PruneDies,
    /// Every open session looks lapsed.
    AllLapsed,
}

impl Scenario {
    pub fn new(name: &'static str, store: Store, parts: &[Part]) -> Self {
        Scenario {
            name,
            store,
            parts: parts.to_vec(),
            faults: Vec::new(),
            rules: Rules::default(),
            drains: Some(Drains::default()),
            has_lost: AtomicBool::new(false),
        }
    }

    #[must_use]
    pub fn with(mut self, faults: &[Fault]) -> Self {
        self.faults.extend(faults);
        self
    }

    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    #[must_use]
    pub fn not_drained(mut self) -> Self {
        self.drains = None;
        self
    }

    pub fn clients(&self) -> Vec<Client> {
        let is_alone = self.parts.iter().filter(|part| part.passes() > 0).count() == 1;
        let mut prunes = 0;
        let mut client = |part: &Part| match part {
            Part::Push(number, want) => Client::Push(Push::new(Sid::push(*number), &[], *want, false, self.rules)),
            Part::PushInParts(number, want) => {
                Client::Push(Push::new(Sid::push(*number), &[], *want, true, self.rules))
            }
            Part::Resume(number, of, want) => {
                Client::Resume(Push::new(Sid::push(*number), of, *want, false, self.rules), of[0])
            }
            Part::Prune(passes) | Part::MergingPrune(passes) | Part::LatePrune(passes) | Part::ChoosyPrune(passes) => {
                let sessions: Vec<Sid> = (1..=*passes).map(|pass| Sid::prune(prunes > 0, pass)).collect();
                let habits = Habits {
                    rules: self.rules,
                    // Two that agree on the holder of a chunk would be too kind.
                    prefers_last: prunes > 0,
                    merges: match part {
                        Part::MergingPrune(_) | Part::LatePrune(_) => Merges::All,
                        Part::ChoosyPrune(_) => Merges::First,
                        _ => Merges::Needed,
                    },
                    is_a_year_later: matches!(part, Part::LatePrune(_)),
                    all_lapsed: self.faults.contains(&Fault::AllLapsed),
                    is_alone,
                };
                prunes += 1;
                Client::Prune(Pruner::new(&sessions, habits))
            }
            Part::Repair => Client::Repair(Repairer::new(self.rules)),
            Part::Repeat(late) => Client::Repeater(late.clone()),
            Part::Owner(fences) => Client::Owner(None, *fences),
            Part::Forget(snapshot) => Client::Forgetter(None, *snapshot, self.rules),
        };
        self.parts.iter().map(&mut client).collect()
    }
}
