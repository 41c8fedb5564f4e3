//! Each rule left out: the checker must notice.

use crate::client::Late;
use crate::docs;
use crate::model::{NOTHING_LOST, Scenario};
use crate::scenarios::Fault::{AllLapsed, PushLosesAnswers};
use crate::scenarios::Part::{
    ChoosyPrune, Forget, MergingPrune, Owner, Prune, Push, PushInParts, Repair, Repeat, Resume,
};
use crate::store::{Rows, Sid};
use crate::stores::{
    adopted_orphan_deleted, empty, garbage, garbage_and_more, garbage_of_a_fenced, orphan_deleted, two_holders,
};
use backup_repository::protocol::Rule::{self, *};
use backup_repository::protocol::{PackId, Rules, RunId};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// Explores a scenario without these rules until a chunk is lost, and holds the page to the trace. One thread, breadth
/// first: the trace is the shortest, and always the same.
fn loses(test: &str, scenario: Scenario, rules: &[Rule]) {
    let without = rules.iter().copied().fold(Rules::default(), Rules::without);
    let checker = scenario.under(without).not_drained().checker();
    let checker = checker.finish_when(HasDiscoveries::AnyOf([NOTHING_LOST].into())).spawn_bfs().join();
    let states = checker.unique_state_count();
    let path = checker.discovery(NOTHING_LOST);
    let path = path.unwrap_or_else(|| panic!("without {rules:?} nothing is lost in {states} states"));
    let trace = crate::trace::path(checker.model(), path);
    println!("without {rules:?}: {states} states\n{trace}");
    docs::hold_trace(test, &trace);
}

macro_rules! mutants {
    ($($test:ident: $rules:expr, $store:expr, $parts:expr, $faults:expr;)*) => {
        $(
            #[test]
            fn $test() {
                loses(stringify!($test), Scenario::new("a rule is left out", $store, &$parts).with(&$faults), &$rules);
            }
        )*

        #[test]
        fn the_page_has_these_traces_only() {
            let mut there = docs::traces();
            there.sort_unstable();
            let mut all = vec![$(stringify!($test)),*];
            all.sort_unstable();
            assert_eq!(there, all);
        }
    };
}

const OLD_PACK: PackId<Sid> = PackId { session: Sid::old(1), number: 0 };
const OLD_RUN: RunId<Sid> = RunId { session: Sid::old(1), number: 0 };
/// The newest of them ended by itself: no push resumes such.
const ENDED: [Sid; 2] = [Sid::old(3), Sid::old(1)];

mutants! {
    marking_before_the_sessions_are_over_loses:
        [OverBeforeMark], garbage(), [Push(1, 0b1), Prune(2)], [];
    skipping_the_second_mark_loses:
        [SecondMark], garbage(), [Push(1, 0b1), Prune(2)], [];
    sparing_instead_of_rescue_loses:
        [RescueByCopy], two_holders(), [Prune(2), Prune(2)], [];
    trusting_a_lapsed_lease_without_a_fence_loses:
        [FenceLapsed], garbage(), [Push(1, 0b1), Prune(2)], [AllLapsed];
    not_fencing_the_late_run_loses:
        [FenceIndex], empty(), [Push(1, 0b1), Push(2, 0b1), Prune(3), Owner(1)], [];
    listing_the_index_before_the_records_loses:
        [CondemnedBeforeIndex], garbage(), [Push(1, 0b1), Prune(4)], [];
    listing_the_sessions_before_the_record_loses:
        [RecordBeforeSessions], garbage(), [Push(1, 0b1), Prune(2)], [];
    removing_the_record_at_once_loses:
        [GoneSessionsOver, NoRowsLeft], garbage(), [Push(1, 0b1), Prune(3)], [];
    removing_the_record_at_once_with_a_merge_loses:
        [GoneSessionsOver, NoRowsLeft], garbage_and_more(), [Push(1, 0b1), MergingPrune(3)], [];
    a_prune_without_a_session_loses:
        [PruneSession], garbage_and_more(), [Push(1, 0b1), Prune(4), MergingPrune(1)], [];
    leaving_the_runs_of_a_fenced_session_valid_loses:
        [VoidRuns], garbage_of_a_fenced(),
        [Repeat(Late::Run(OLD_RUN, Rows::from([(OLD_PACK, 0b1)]))), Push(1, 0b1), Prune(4)], [];
    making_void_what_was_merged_in_part_loses:
        [VoidWhole], empty(), [PushInParts(1, 0b11), ChoosyPrune(2), Owner(1)], [];
    forgetting_without_a_note_loses:
        [NoteForgotten], garbage(), [Push(1, 0b1), Forget(Sid::push(1)), Prune(2), Owner(1)], [PushLosesAnswers];
    resuming_what_has_ended_loses:
        [], adopted_orphan_deleted(),
        [Repeat(Late::Pack(OLD_PACK, 0b1)), Resume(1, &ENDED, 0b1), Prune(1), Prune(1)], [];
    repairing_while_others_are_open_loses:
        [RepairWaits], orphan_deleted(),
        [Repeat(Late::Pack(OLD_PACK, 0b1)), Repair, Push(1, 0b1), Prune(1), Prune(1)], [];
}
