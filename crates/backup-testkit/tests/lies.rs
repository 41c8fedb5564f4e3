//! The suite finds each broken rule, and every case of it can fail.

use backup_core::StorageDriver;
use backup_storage::Memory;
use backup_testkit::storage::{Lie, Lying, Subject, Verdict, cases, run_all};
use std::collections::BTreeSet;
use std::sync::Arc;

const SECRET: &str = "canary-5f1e9c";

/// The case that must find each lie.
const FOUND_BY: &[(Lie, &str)] = &[
    (Lie::SkipsEmptyObjects, "empty_object"),
    (Lie::LosesLateParts, "many_tiny_parts"),
    (Lie::ReordersParts, "parts_of_all_lengths"),
    (Lie::EndsAtEmptyParts, "empty_parts"),
    (Lie::CutsLargeObjects, "three_big_parts"),
    (Lie::MixesWriters, "concurrent_puts"),
    (Lie::TornWrite, "unfinished_is_invisible"),
    (Lie::KeepsDropped, "dropped_leaves_nothing"),
    (Lie::KeepsAborted, "aborted_leaves_nothing"),
    (Lie::TornFinish, "dropped_finish_is_all_or_nothing"),
    (Lie::ListingLags, "finished_is_listed"),
    (Lie::CreateReplaces, "create_refuses_a_taken_key"),
    (Lie::TwoWinners, "create_has_one_winner"),
    (Lie::TwoLargeWinners, "large_create_has_one_winner"),
    (Lie::DeletedKeysStayTaken, "create_after_delete"),
    (Lie::ReplaceNeedsObject, "replace_creates"),
    (Lie::ReplaceCreates, "replace_replaces"),
    (Lie::RangeOffByOne, "ranges_inside"),
    (Lie::RangePastTheEndFails, "ranges_past_the_end"),
    (Lie::EmptyRangeIsAll, "ranges_empty"),
    (Lie::CutsLargeRanges, "ranges_of_large_objects"),
    (Lie::ListingForgets, "listing_is_paged"),
    (Lie::ListingRepeats, "listing_is_paged"),
    (Lie::ListingEndsEarly, "listing_is_paged"),
    (Lie::ListingByFolder, "listing_of_any_prefix"),
    (Lie::ListingByComponent, "listing_in_order_of_bytes"),
    (Lie::ListingAfterMissingStartsOver, "listing_after"),
    (Lie::ListingOfDotsFails, "listing_of_nothing"),
    (Lie::DeletesTheFirst, "delete_removes"),
    (Lie::DeleteOfMissingFails, "delete_of_the_missing"),
    (Lie::DeletesAThousand, "delete_of_many"),
    (Lie::DecodesPercents, "odd_keys"),
    (Lie::FoldsCase, "odd_keys"),
    (Lie::CutsLongKeys, "long_keys"),
    (Lie::MissingIsEmpty, "missing_is_not_found"),
    (Lie::FoldersAreObjects, "folders_are_no_objects"),
    (Lie::TimeOfStatDiffers, "times_agree"),
    (Lie::TimeRunsBackwards, "time_does_not_run_backwards"),
    (Lie::ShowsSecret(SECRET), "secrets_stay_hidden"),
];

fn subject(storage: impl StorageDriver + 'static) -> Subject {
    Subject::new(Arc::new(storage)).with_canary(SECRET)
}

#[tokio::test]
async fn an_honest_storage_passes_every_case() {
    let verdicts = run_all(&subject(Memory::new())).await;
    assert_eq!(verdicts.len(), cases().len());
    for (name, verdict) in verdicts {
        assert!(matches!(verdict, Verdict::Passed), "{name}: {verdict:?}");
    }
}

#[tokio::test]
async fn each_lie_is_found_by_its_case() {
    for (lie, case) in FOUND_BY {
        let case = cases().iter().find(|known| known.name() == *case).unwrap_or_else(|| panic!("no case {case}"));
        let lying = Lying::new(Arc::new(Memory::new()), *lie);
        let verdict = case.run(&subject(lying)).await;
        assert!(matches!(verdict, Verdict::Failed(_)), "{lie:?} is not found by {}: {verdict:?}", case.name());
        println!("{lie:?}: {verdict:?}");
    }
}

#[test]
fn every_case_can_fail() {
    let names: BTreeSet<&str> = cases().iter().map(|case| case.name()).collect();
    let proven: BTreeSet<&str> = FOUND_BY.iter().map(|(_, case)| *case).collect();
    assert_eq!(names.len(), cases().len(), "two cases have one name");
    assert_eq!(names, proven);
}
