//! The suite for sources notices each lie.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "files/fixture.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod fixture;

use backup_core::SourceDriver;
use backup_drivers::{Files, FilesTarget, Local};
use backup_testkit::sources::{Lie, Lying, Subject, Target, Verdict, run_all};
use fixture::{Folder, tree_path};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A source that lies when captured and when restored.
fn subject(
    folder: Arc<Folder>,
    root: &Path,
    lie: impl Fn(Files) -> Arc<dyn SourceDriver> + Send + Sync + 'static,
) -> Subject {
    let from = tree_path(root);
    let source = lie(Files::new([root]).unwrap());
    Subject::new(Arc::new(Local::new()), source).with_target(move || {
        let place = folder.place();
        let target = FilesTarget::new(&place).with_strip_components(from.depth());
        let restore = lie(Files::into_target(target));
        Ok(Target { restore, capture: Arc::new(Files::new([&place])?), from: from.clone(), to: tree_path(&place) })
    })
}

/// The cases that fail.
async fn caught(subject: &Subject) -> BTreeSet<&'static str> {
    let verdicts = run_all(subject).await;
    verdicts.into_iter().filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_))).map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_noticed_where_it_should_be() {
    let folder = Arc::new(Folder::new());
    let root = folder.place();
    fixture::everything(&root);
    let honest = subject(folder.clone(), &root, |files| Arc::new(files));
    assert_eq!(caught(&honest).await, BTreeSet::new());
    for lie in Lie::ALL.iter().copied() {
        let expected: &[&str] = match lie {
            Lie::Unordered => &["order_is_canonical"],
            Lie::Misnumbered => &["batches_are_bounded_and_numbered"],
            Lie::HoleBehindEnd => &["entries_are_well_formed"],
            Lie::Unanswered => &["every_wanted_entry_is_answered_once"],
            Lie::Overzealous => &["only_wanted_entries_are_answered"],
            Lie::Demanding => &["nothing_need_be_wanted"],
            Lie::CutShort => &["sizes_are_those_of_the_content"],
            Lie::EmptySuccess => &["early_finish_is_no_backup"],
            Lie::Lingering => &["drop_midway_ends_everything"],
            Lie::ForgetsLast => &["pull_after_push_is_the_identity"],
            Lie::TakesDamaged => &["damaged_content_is_reported_and_left_out"],
            other => panic!("no expectation for {other:?}"),
        };
        let lying = subject(folder.clone(), &root, move |files| Arc::new(Lying::new(Arc::new(files), lie)));
        let caught = caught(&lying).await;
        for name in expected {
            assert!(caught.contains(name), "{lie:?} went past {name}; noticed by {caught:?}");
        }
    }
}
