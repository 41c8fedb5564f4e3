//! Programs' output through whole pushes and pulls on this host.

#![allow(clippy::unwrap_used, reason = "a test")]

use backup_core::{
    BackupId, Catalogue, CommandSpec, ErrorKind, Failed, Pull, PullReport, Push, PushReport, Secret, Source, Spec,
    Target,
};
use backup_drivers::{CommandOutput, Local, OutputTarget};
use backup_testkit::destination::MemoryDestination;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

fn script(text: &str) -> CommandSpec {
    CommandSpec::new("sh").arg("-c").arg(text).arg("sh")
}

async fn push(to: &MemoryDestination, program: CommandSpec) -> Result<PushReport, Failed<PushReport>> {
    let output = CommandOutput::capture("dump.sql", program).unwrap();
    let push = Push::new().capture(Source::new(Arc::new(output), Local::new()));
    push.to(Target::new("memory", Arc::new(to.clone()))).spec(Spec::new("shop", "host")).run().await
}

async fn pushed(program: CommandSpec) -> (MemoryDestination, BackupId) {
    let to = MemoryDestination::new();
    let report = push(&to, program).await.unwrap();
    assert!(report.is_flawless());
    let id = report.committed().next().unwrap().1.summary.id.clone();
    (to, id)
}

async fn pull(from: &MemoryDestination, id: &BackupId, into: OutputTarget) -> Result<PullReport, Failed<PullReport>> {
    let driver = Arc::new(CommandOutput::restore(into));
    Pull::new().from(Arc::new(from.clone()), id.clone()).with(driver, Local::new()).run().await
}

fn directory(path: &Path) -> OutputTarget {
    OutputTarget::Directory(path.as_os_str().as_bytes().to_vec())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

const LARGE: &str = "seq -f 'insert %.0f' 0 199999";

fn large() -> Vec<u8> {
    (0..200_000).flat_map(|i| format!("insert {i}\n").into_bytes()).collect()
}

#[tokio::test]
async fn output_comes_back_as_a_file() {
    let (memory, id) = pushed(script(LARGE)).await;
    let folder = tempfile::tempdir().unwrap();
    let report = pull(&memory, &id, directory(folder.path())).await.unwrap();
    assert!(report.is_flawless());
    assert_eq!(report.components[0].written_bytes, large().len() as u64);
    let file = folder.path().join("dump.sql");
    assert_eq!(std::fs::read(&file).unwrap(), large());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["dump.sql"]);
}

#[tokio::test]
async fn what_is_recorded_names_the_program_and_nothing_secret() {
    let program = CommandSpec::new("printf").arg("argument").env("PASSWORD", Secret::new("hunter2"));
    let (memory, id) = pushed(program).await;
    let backup = memory.open(&id).await.unwrap();
    let component = &backup.components()[0];
    assert_eq!(component.spec.source.options["program"], "printf");
    assert_eq!(component.spec.source.chain, ["local"]);
    assert_eq!(component.outcome.counts["bytes"], 8);
    let recorded = format!("{component:?}");
    assert!(!recorded.contains("argument") && !recorded.contains("hunter2"), "{recorded}");
}

#[tokio::test]
async fn a_program_that_fails_leaves_no_backup() {
    let ends = [
        ("exit 3", "exit status 3"),
        ("echo half of it; exit 1", "exit status 1"),
        ("head -c 3000000 /dev/zero; kill -9 $$", "signal 9"),
        ("exit 127", "exit status 127"),
    ];
    for (text, end) in ends {
        let memory = MemoryDestination::new();
        let failed = push(&memory, script(&format!("echo why it failed >&2; {text}"))).await.unwrap_err();
        assert_eq!(failed.error.kind(), ErrorKind::ProducerFailed, "{text}");
        let message = failed.error.to_string();
        assert!(message.contains(end) && message.contains("why it failed"), "{message}");
        assert!(memory.list().await.unwrap().is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_secret_that_a_program_repeats_is_struck_out() {
    let program = script("echo access denied with $PASSWORD >&2; exit 1").env("PASSWORD", Secret::new("hunter2"));
    let message = push(&MemoryDestination::new(), program).await.unwrap_err().error.to_string();
    assert!(message.contains("access denied with …") && !message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn a_missing_program_is_not_found() {
    let memory = MemoryDestination::new();
    let failed = push(&memory, CommandSpec::new("no-such-program-anywhere")).await.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::NotFound);
    let local: &dyn backup_core::Connection = &Local::new();
    let session = local.setup(None).await.unwrap();
    let driver: &dyn backup_core::SourceDriver =
        &CommandOutput::capture("x", CommandSpec::new("no-such-program-anywhere")).unwrap();
    assert_eq!(driver.probe(session.as_ref()).await.unwrap(), ["there is no program no-such-program-anywhere"]);
    let driver: &dyn backup_core::SourceDriver = &CommandOutput::capture("x", CommandSpec::new("sh")).unwrap();
    assert!(driver.probe(session.as_ref()).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_that_are_no_files_are_refused() {
    for name in ["", ".", "..", "a/b", "/a", "a\0", &"x".repeat(256)] {
        let refused = CommandOutput::capture(name, CommandSpec::new("true")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{name:?}");
    }
    assert!(CommandOutput::capture(b"\xff", CommandSpec::new("true")).is_ok());
}

#[tokio::test]
async fn a_file_that_is_there_is_only_replaced_on_request() {
    let (memory, id) = pushed(script("printf new")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.sql");
    std::fs::write(&file, "old").unwrap();
    let report = pull(&memory, &id, directory(folder.path())).await.unwrap();
    assert_eq!(report.entries_failed(), 1);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");

    let into = OutputTarget::DirectoryReplacing(folder.path().as_os_str().as_bytes().to_vec());
    assert!(pull(&memory, &id, into).await.unwrap().is_flawless());
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
}

#[tokio::test]
async fn output_streams_into_a_writer() {
    let (memory, id) = pushed(script(LARGE)).await;
    let (writer, mut reader) = tokio::io::duplex(1000);
    let mut received = Vec::new();
    let (pulled, read) =
        tokio::join!(pull(&memory, &id, OutputTarget::Writer(Box::new(writer))), reader.read_to_end(&mut received));
    read.unwrap();
    assert!(pulled.unwrap().is_flawless());
    assert_eq!(received, large());
}

#[tokio::test]
async fn output_streams_into_a_program() {
    let (memory, id) = pushed(script(LARGE)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    // It prints before and after it reads: nobody may wait for the other.
    let program = script("head -c 1000000 /dev/zero; cat > \"$1\"; head -c 1000000 /dev/zero");
    let report = pull(&memory, &id, OutputTarget::Program(program.arg(file.as_os_str().as_bytes()))).await.unwrap();
    assert!(report.is_flawless());
    assert_eq!(std::fs::read(&file).unwrap(), large());
}

#[tokio::test]
async fn a_program_that_does_not_take_everything_is_an_error() {
    let (memory, id) = pushed(script(LARGE)).await;
    let ends = [
        ("cat > /dev/null; echo why >&2; exit 4", "exit status 4"),
        ("head -c 1 > /dev/null", "before it had read everything"),
        ("exec 0<&-; kill -15 $$", "signal 15"),
    ];
    for (text, expected) in ends {
        let failed = pull(&memory, &id, OutputTarget::Program(script(text))).await.unwrap_err();
        assert_eq!(failed.error.kind(), ErrorKind::ProducerFailed);
        assert!(failed.error.to_string().contains(expected), "{text}: {}", failed.error);
    }
}

#[tokio::test]
async fn damage_reaches_no_file_and_no_program_as_a_whole() {
    let (memory, id) = pushed(script(LARGE)).await;
    memory.damage(b"/dump.sql");
    let folder = tempfile::tempdir().unwrap();
    let report = pull(&memory, &id, directory(folder.path())).await.unwrap();
    assert!(report.is_damaged());
    assert_eq!((report.entries_failed(), names(folder.path()).len()), (1, 0));

    let file = folder.path().join("out");
    let program = script("cat > /dev/null && : > \"$1\"").arg(file.as_os_str().as_bytes());
    let failed = pull(&memory, &id, OutputTarget::Program(program)).await.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Damaged);
    assert!(!file.exists(), "the program took half of the content for the whole");

    let failed = pull(&memory, &id, OutputTarget::Writer(Box::new(tokio::io::sink()))).await.unwrap_err();
    assert_eq!(failed.error.kind(), ErrorKind::Damaged);
}

#[tokio::test]
async fn dropping_a_push_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let program = script("exec 9> \"$1\"; echo started >&9; sleep 1000").arg(fifo.as_os_str().as_bytes());
    let memory = MemoryDestination::new();
    let mut reader = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let mut started = [0; 8];
    tokio::select! {
        _ = push(&memory, program) => panic!("it runs for long"),
        read = async {
            loop {
                // Until the program has opened its end there is nobody, and so nothing to read.
                reader.readable().await.unwrap();
                match reader.try_read(&mut started) {
                    Ok(0) => tokio::task::yield_now().await,
                    other => break other,
                }
            }
        } => assert_eq!(read.unwrap(), 8),
    }
    // The program and its child hold the other end: it closes when both are gone.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty() && memory.list().await.unwrap().is_empty());
}
