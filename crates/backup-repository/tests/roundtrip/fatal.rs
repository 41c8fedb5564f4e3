//! A capture that failed leaves nothing that could be taken for data.

use super::{Place, sample};
use backup_core::*;
use backup_testkit::memory::*;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_component_holds_nothing() {
    let (_place, repository) = Place::new().await;
    let mut draft = repository.begin(Spec::new("n", "h"), Arc::new(Silent)).await.unwrap();
    let mut accepted = Vec::new();
    for (name, fatal) in [("whole", None), ("half", Some("the dump ended early".to_owned()))] {
        let mut spec = ComponentSpec::new(name, SourceDescription::new("memory"));
        spec.required = false;
        let mut ingest = draft.component(spec).await.unwrap();
        let mut capture = MemoryCapture::new(&sample(), 4096);
        let batch = capture.list().await.unwrap().unwrap();
        let wanted = ingest.want(batch).await.unwrap();
        capture.fetch(wanted, ingest.contents()).await.unwrap();
        let mut outcome = Outcome::default();
        outcome.fatal = fatal;
        accepted.push(draft.accept(ingest, outcome).await.unwrap());
    }
    let committed = draft.commit().await.unwrap();
    assert_eq!(accepted.iter().map(|c| c.status).collect::<Vec<_>>(), [Status::Complete, Status::Incomplete]);
    assert_eq!(accepted[1].totals, Totals::default());
    assert_eq!(committed.summary.status, Status::Partial);
    let backup = repository.open(&committed.summary.id).await.unwrap();
    let mut entries = backup.entries(1, &Selection::default()).unwrap();
    assert!(entries.next().await.unwrap().is_none());
}
