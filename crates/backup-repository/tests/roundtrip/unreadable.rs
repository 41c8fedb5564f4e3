//! Small files that are read together: one that fails takes nothing from the others.

use super::*;
use backup_testkit::Told;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::time::Duration;

/// Where a file fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    Opening,
    Midway,
    /// After all of its content was taken.
    Finishing,
    PanicMidway,
    PanicFinishing,
}

/// The files of a tree, some with a flaw.
struct Flawed {
    batch: Arc<Batch>,
    tree: Tree,
    flaws: BTreeMap<TreePath, Flaw>,
}

struct FlawedFile {
    content: Cursor<Vec<u8>>,
    flaw: Option<Flaw>,
}

fn gone() -> Error {
    Error::new(ErrorKind::NotFound, "it is gone")
}

impl FileOpener for Flawed {
    fn open(&self, entry: u64) -> Result<Box<dyn FileReader>> {
        let path = &self.batch.get(entry).unwrap().path;
        let flaw = self.flaws.get(path).copied();
        if flaw == Some(Flaw::Opening) {
            return Err(gone());
        }
        Ok(Box::new(FlawedFile { content: Cursor::new(self.tree[path].content.clone()), flaw }))
    }
}

impl FileReader for FlawedFile {
    fn opened(&mut self, listed: &Entry) -> Entry {
        listed.clone()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.flaw {
            Some(Flaw::Midway) if self.content.position() > 0 => Err(gone()),
            Some(Flaw::PanicMidway) if self.content.position() > 0 => panic!("a defect of the source"),
            _ => Ok(self.content.by_ref().take(1000).read(buffer).unwrap()),
        }
    }

    fn finish(self: Box<Self>, listed: &Entry, _: u64) -> Result<Entry> {
        match self.flaw {
            Some(Flaw::Finishing) => Err(gone()),
            Some(Flaw::PanicFinishing) => panic!("a defect of the source"),
            _ => Ok(listed.clone()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_group_only_what_fails_is_missing_and_read_again() {
    let (_place, repository) = Place::new().await;
    // Every other one has a flaw, and the content of the good one behind it.
    let tree: Tree = (0..10).map(|i| (path(&i.to_string()), file(noise(i / 2, 3000), 1))).collect();
    let flaws = [Flaw::Opening, Flaw::Midway, Flaw::Finishing, Flaw::PanicMidway, Flaw::PanicFinishing];
    let flaws: BTreeMap<_, _> = tree.keys().step_by(2).cloned().zip(flaws).collect();
    let bad: Vec<_> = flaws.keys().cloned().collect();

    let told = Arc::new(Told::default());
    let mut draft = repository.begin(Spec::new("n", "host"), told.clone()).await.unwrap();
    let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await.unwrap();
    let batch = MemoryCapture::new(&tree, MAX_BATCH).list().await.unwrap().unwrap();
    let wanted = ingest.want(batch.clone()).await.unwrap();
    let files = Flawed { batch, tree: tree.clone(), flaws: flaws.clone() };
    ingest.contents().files(Arc::new(files), &wanted.0).await.unwrap();
    let component = draft.accept(ingest, Outcome::default()).await.unwrap();
    let id = draft.commit().await.unwrap().summary.id;

    assert_eq!(component.status, Status::Partial);
    for (failure, (path, flaw)) in component.outcome.failures.iter().zip(&flaws) {
        let reason = if format!("{flaw:?}").starts_with("Panic") { "panicked" } else { "it is gone" };
        assert!(failure.path == *path && failure.reason.contains(reason), "{flaw:?}: {failure:?}");
    }
    let failed = |event| if let Event::Failed { path, .. } = event { Some(path) } else { None };
    assert_eq!(told.events().into_iter().filter_map(failed).collect::<Vec<_>>(), bad);
    let good = tree.iter().filter(|(path, _)| !bad.contains(path)).map(|(path, node)| (path.clone(), node.clone()));
    assert_whole(&repository, &id, &good.collect()).await;
    let report = repository.check(CheckOptions::default().with_read(ReadData::All), Arc::new(Silent)).await.unwrap();
    assert!(report.is_clean(), "{report:?}");

    let (second, _, fetched) = push(&repository, "n", MemoryCapture::new(&tree, MAX_BATCH)).await.unwrap();
    assert_eq!(fetched, bad);
    assert_whole(&repository, &second.summary.id, &tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_an_entry_that_nobody_wants_fails_and_the_next_does_not() {
    let (_place, repository) = Place::new().await;
    let mut tree: Tree = (0..4).map(|i| (path(&i.to_string()), file(noise(i, 3000), 1))).collect();
    let mut draft = repository.begin(Spec::new("n", "host"), Arc::new(Silent)).await.unwrap();
    let mut ingest = draft.component(ComponentSpec::new("files", SourceDescription::new("memory"))).await.unwrap();
    let batch = MemoryCapture::new(&tree, MAX_BATCH).list().await.unwrap().unwrap();
    ingest.want(batch.clone()).await.unwrap();
    let files = Arc::new(Flawed { batch, tree: tree.clone(), flaws: BTreeMap::new() });
    let refused = ingest.contents().files(files.clone(), &[0, 1, 1, 2]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    ingest.contents().files(files, &[2, 3]).await.unwrap();
    // Nobody waits for what was refused.
    let accepted = tokio::time::timeout(Duration::from_secs(60), draft.accept(ingest, Outcome::default()));
    let component = accepted.await.expect("it hangs").unwrap();
    let failures: Vec<_> = component.outcome.failures.into_iter().map(|failure| failure.path).collect();
    assert_eq!(failures, [path("0"), path("1")]);
    let id = draft.commit().await.unwrap().summary.id;
    tree.retain(|path, _| !failures.contains(path));
    assert_whole(&repository, &id, &tree).await;
}
