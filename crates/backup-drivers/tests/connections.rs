//! The suite for connections notices each lie.

use backup_drivers::Local;
use backup_testkit::connections::{Lie, Lying, Subject, Verdict, cases};
use std::sync::Arc;

#[tokio::test]
async fn every_lie_is_noticed_where_it_should_be() {
    for lie in Lie::ALL {
        let expected: &[&str] = match lie {
            Lie::SwallowedStatus => &["exit_status_is_told", "kill_ends_grandchildren"],
            Lie::SignalAsCode => &["signals_are_no_exit_codes"],
            Lie::ShellWords => &["words_arrive_as_they_are", "program_names_are_no_shell_words"],
            Lie::TornPush => &["torn_push_changes_nothing", "dropped_push_changes_nothing"],
            Lie::EmptyForMissing => &["missing_file_is_not_found", "folders_are_no_files"],
            Lie::SilentError => &["error_output_never_blocks", "status_can_be_asked_twice"],
            Lie::IdleClean => &["closed_sessions_refuse"],
            other => panic!("no expectation for {other:?}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let lying = Arc::new(Lying::new(Arc::new(Local::new()), *lie));
        let subject = Subject::new(lying, folder.path().as_os_str().as_encoded_bytes()).on_this_host();
        for name in expected {
            let case = cases().iter().find(|case| case.name() == *name).unwrap();
            assert!(matches!(case.run(&subject).await, Verdict::Failed(_)), "{lie:?} went past {name}");
        }
    }
}

#[tokio::test]
async fn this_host_is_only_the_outermost_hop() {
    let local: Arc<dyn backup_core::Connection> = Arc::new(Local::new());
    let outer = local.setup(None).await.unwrap();
    assert_eq!(local.setup(Some(outer)).await.unwrap_err().kind(), backup_core::ErrorKind::InvalidInput);
}
