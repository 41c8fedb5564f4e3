//! Side effects outlive the process that caused them, and are undone by the next.

#![allow(clippy::unwrap_used, reason = "a test")]

use backup_core::{ActionSpec, ErrorKind, Execute, Journal, Pending, Registry, SecretRef, UndoRecord, undo_pending};
use backup_drivers::{FileJournal, Local, RunProgram};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

fn record(kind: &str) -> UndoRecord {
    let undo = ActionSpec::new(kind).with("a", "b\n\"ü\"").with_secret("password", SecretRef::Env("PW".into()));
    UndoRecord::new(vec!["local".into(), "ssh://ann@db1".into()], undo)
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn records_are_files_for_as_long_as_they_are_pending() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state/journal");
    let journal = FileJournal::new(&folder);
    assert!(journal.pending().await.unwrap().is_empty());
    let first = journal.record(record("first")).await.unwrap();
    let second = journal.record(record("second")).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    assert!(journal.pending().await.unwrap().is_empty(), "both runs are alive");
    second.done().await.unwrap();
    assert_eq!(files(&folder), 1);
    drop(first);
    let mut pending = FileJournal::new(&folder).pending().await.unwrap();
    assert!(journal.pending().await.unwrap().is_empty(), "one caller gets each");
    let Pending::Record(read, lease) = pending.remove(0) else { panic!("{pending:?}") };
    assert_eq!(read, record("first"));
    lease.done().await.unwrap();
    assert_eq!(files(&folder), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::new(folder.path());
    drop(journal.record(record("good")).await.unwrap());
    std::fs::write(folder.path().join("0-torn.json"), "{\"version\": 1, \"cha").unwrap();
    std::fs::write(
        folder.path().join("1-new.json"),
        "{\"version\": 2, \"chain\": [], \"undo\": {\"kind\": \"x\", \"options\": {}, \"secrets\": {}}}",
    )
    .unwrap();
    std::fs::write(folder.path().join("2-long.json"), vec![b' '; (1 << 20) + 1]).unwrap();
    std::fs::write(folder.path().join("unrelated.txt"), "mine").unwrap();
    std::fs::write(folder.path().join(".writing-abc"), "half").unwrap();
    let pending = journal.pending().await.unwrap();
    let kinds: Vec<_> = pending
        .iter()
        .map(|pending| match pending {
            Pending::Unreadable(error) => Err(error.kind()),
            Pending::Record(record, _) => Ok(record.undo.kind.as_str()),
        })
        .collect();
    use ErrorKind::{Damaged, Unsupported};
    assert_eq!(kinds, [Err(Damaged), Ok("good"), Err(Unsupported), Err(Damaged)]);
    assert!(folder.path().join("unrelated.txt").exists() && !folder.path().join(".writing-abc").exists());
    assert!(folder.path().join("0-torn.json").exists(), "a person must look");
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register_connection("local", |_| Ok(Arc::new(Local::new())));
    registry.register_action("command", |spec| Ok(Arc::new(RunProgram::from_spec(spec)?)));
    registry
}

fn touch(path: &Path) -> RunProgram {
    RunProgram::new(["touch", "--", path.to_str().unwrap()]).unwrap()
}

fn remove(path: &Path) -> RunProgram {
    RunProgram::new(["rm", "-f", "--", path.to_str().unwrap()]).unwrap()
}

#[tokio::test]
async fn a_freeze_is_undone_by_a_later_process() {
    let folder = tempfile::tempdir().unwrap();
    let frozen = folder.path().join("it's \"frozen\"\n");
    let journal = Arc::new(FileJournal::new(folder.path().join("journal")));
    let freeze = Arc::new(touch(&frozen).undone_by(remove(&frozen)));
    Execute::new().at(Local::new()).action(freeze).journal(journal.clone()).run().await.unwrap();
    assert!(frozen.exists());

    let later = FileJournal::new(folder.path().join("journal"));
    let report = undo_pending(&later, &registry()).await.unwrap();
    assert!(report.is_clean() && report.tried.len() == 1, "{report:?}");
    assert!(!frozen.exists());
    assert!(undo_pending(&later, &registry()).await.unwrap().tried.is_empty());
}

#[tokio::test]
async fn an_action_that_fails_halfway_is_undone_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let frozen = folder.path().join("frozen");
    let journal = Arc::new(FileJournal::new(folder.path().join("journal")));
    let script = ["sh", "-c", "touch \"$1\"; echo broke >&2; exit 1", "sh", frozen.to_str().unwrap()];
    let freeze = Arc::new(RunProgram::new(script).unwrap().undone_by(remove(&frozen)));
    let failed = Execute::new().action(freeze).at(Local::new()).journal(journal.clone()).run().await.unwrap_err();
    assert!(failed.error.to_string().contains("broke"));
    assert!(!frozen.exists());
    assert_eq!(files(&folder.path().join("journal")), 0);
}

#[tokio::test]
async fn what_a_program_prints_is_what_the_action_says() {
    let hook = Arc::new(RunProgram::new(["printf", "one\ntwo\n"]).unwrap());
    let report = Execute::new().at(Local::new()).action(hook).run().await.unwrap();
    assert_eq!(report.execution.result.unwrap(), ["one", "two"]);
    assert_eq!(report.execution.trace.to_string(), "S R[ S E C ] C");
}

#[test]
fn programs_come_back_from_their_records() {
    let program = RunProgram::new((0..12).map(|i| format!("w {i}"))).unwrap();
    let again = RunProgram::from_spec(&program.to_spec()).unwrap();
    assert_eq!(again.to_spec(), program.to_spec());
    let gap = ActionSpec::new("command").with("word.0", "a").with("word.2", "b");
    for wrong in [gap, ActionSpec::new("command"), ActionSpec::new("other").with("word.0", "a")] {
        assert_eq!(RunProgram::from_spec(&wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

/// A process that dies holds no lock: its record is pending at once.
#[tokio::test]
async fn a_record_of_a_killed_process_is_pending() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(inner) = std::env::var_os("JOURNAL_OF_A_KILLED_PROCESS") {
        std::mem::forget(FileJournal::new(inner).record(record("orphan")).await.unwrap());
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_record_of_a_killed_process_is_pending"])
        .env("JOURNAL_OF_A_KILLED_PROCESS", folder.path())
        .output()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.status), Some(9));
    let pending = FileJournal::new(folder.path()).pending().await.unwrap();
    assert!(matches!(pending.as_slice(), [Pending::Record(read, _)] if *read == record("orphan")), "{pending:?}");
}

#[tokio::test]
async fn any_bytes_in_a_file_are_a_record_or_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::new(folder.path());
    drop(journal.record(record("good")).await.unwrap());
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&path).unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % limit
    };
    let (mut read, mut told) = (0, 0);
    for _ in 0..if std::env::var_os("BACKUP_SLOW").is_some() { 100_000 } else { 2_000 } {
        let mut bytes = whole.clone();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] ^= 1 << below(8),
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.splice(at..at, *b"[[[[{\"x\":99999999999999999999999")),
                _ => drop(bytes.drain(at / 2..at)),
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let pending = FileJournal::new(folder.path()).pending().await.unwrap();
        assert_eq!(pending.len(), 1, "{}", String::from_utf8_lossy(&bytes));
        match &pending[0] {
            Pending::Record(..) => read += 1,
            _ => told += 1,
        }
    }
    assert!(read > 10 && told > 100, "{read} read, {told} told");
}
