//! Several processes on one directory, killed ones, and a full disk. This program is also the other process: with
//! `CHILD` set it does what that says.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use backup_core::{ErrorKind, Key, PutOptions, Result, StorageDriver, StorageExt};
use backup_storage::Directory;
use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const CHILD: &str = "BACKUP_STORAGE_TEST_CHILD";
const ROOT: &str = "BACKUP_STORAGE_TEST_ROOT";

fn main() -> ExitCode {
    match std::env::var(CHILD).as_deref() {
        Ok("write") => in_runtime(child_writes()),
        Ok("fill") => in_runtime(child_fills()),
        Ok(other) => panic!("no such part: {other}"),
        Err(_) => {
            let trials = vec![
                trial("one_of_several_processes_creates", one_of_several_processes_creates),
                trial("a_killed_process_leaves_nothing_visible", a_killed_process_leaves_nothing_visible),
                trial("a_full_disk_is_reported_and_survived", a_full_disk_is_reported_and_survived),
            ];
            return libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
        }
    }
    ExitCode::SUCCESS
}

fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok::<_, Failed>(())
    })
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().build().expect("a runtime").block_on(work)
}

fn key(key: &str) -> Key {
    Key::new(key).expect("a key")
}

async fn root() -> Directory {
    Directory::open(std::env::var_os(ROOT).expect("a root")).await.expect("the root opens")
}

/// Writes an object, says so, waits for a line, finishes and says how it went.
async fn child_writes() {
    let storage = root().await;
    let mut writer = storage.put(&key("folder/object"), &PutOptions::default()).await.expect("a put starts");
    let content = format!("written by {}", std::process::id()).repeat(200_000);
    writer.write(Bytes::from(content)).await.expect("a part is written");
    println!("written");
    std::io::stdin().lock().read_line(&mut String::new()).expect("a line comes");
    match writer.finish().await {
        Ok(_) => println!("created"),
        Err(error) => println!("{:?}", error.kind()),
    }
}

/// Works on a disk of 4 MiB that was mounted at the root.
async fn child_fills() {
    let storage = root().await;
    let put = async |name: &str, length: usize| -> Result<()> {
        storage.put_bytes(&key(name), Bytes::from(vec![7; length]), &PutOptions::default()).await.map(drop)
    };
    put("small", 1 << 20).await.expect("a small object fits");
    let error = put("large", 8 << 20).await.expect_err("a large object does not fit");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    // The last small parts are written at the end only.
    let mut writer = storage.put(&key("many parts"), &PutOptions::default()).await.expect("a put starts");
    for part in 0..31 {
        writer.write(Bytes::from(vec![7; 100 << 10])).await.unwrap_or_else(|e| panic!("part {part}: {e:?}"));
    }
    let error = writer.finish().await.expect_err("all parts together do not fit");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
    let names: Vec<Key> = storage.list_all("").await.expect("a listing").into_iter().map(|object| object.0).collect();
    assert_eq!(names, [key("small")]);
    put("next", 2 << 20).await.expect("the failed put gave its space back");
    assert_eq!(storage.get_bytes(&key("small"), 4 << 20).await.expect("it is there"), vec![7; 1 << 20]);
}

struct Writer {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Writer {
    fn start(root: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .env(CHILD, "write")
            .env(ROOT, root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process starts");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut writer = Writer { process, lines };
        assert_eq!(writer.line(), "written");
        writer
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("text")
    }
}

fn one_of_several_processes_creates() {
    let folder = TempDir::new().expect("a folder");
    let mut writers: Vec<Writer> = (0..4).map(|_| Writer::start(folder.path())).collect();
    for writer in &mut writers {
        writer.process.stdin.as_mut().expect("its input").write_all(b"go\n").expect("it listens");
    }
    let mut answers: Vec<(String, u32)> = writers.iter_mut().map(|w| (w.line(), w.process.id())).collect();
    for writer in &mut writers {
        assert!(writer.process.wait().expect("it ends").success());
    }
    answers.sort();
    let kinds: Vec<&str> = answers.iter().map(|(answer, _)| answer.as_str()).collect();
    assert_eq!(kinds, ["AlreadyExists", "AlreadyExists", "AlreadyExists", "created"]);
    let winner = answers.last().expect("four answers").1;
    let content = std::fs::read_to_string(folder.path().join("folder/object")).expect("the object");
    assert_eq!(content, format!("written by {winner}").repeat(200_000));
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).expect("tmp").count(), 0);
}

fn a_killed_process_leaves_nothing_visible() {
    let folder = TempDir::new().expect("a folder");
    in_runtime(async {
        let storage = Directory::create(folder.path()).await.expect("it opens");
        let mut writer = Writer::start(folder.path());
        assert_eq!(storage.clean_temporary(Duration::ZERO).await.expect("cleaning"), 0, "its owner lives");
        writer.process.kill().expect("it is killed");
        writer.process.wait().expect("it ends");
        assert!(storage.list_all("").await.expect("a listing").is_empty());
        assert_eq!(storage.clean_temporary(Duration::from_secs(3600)).await.expect("cleaning"), 0, "it is young");
        assert_eq!(storage.clean_temporary(Duration::ZERO).await.expect("cleaning"), 1, "its owner is dead");
        storage.create(&key("folder/object"), Bytes::from("next")).await.expect("the key is free");
    });
}

/// The disk is a tmpfs in a mount namespace of the other process, so it vanishes with it.
fn a_full_disk_is_reported_and_survived() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let script = format!("mount -t tmpfs -o size=4m none \"${ROOT}\" && exec \"$0\"");
    let output = command
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().expect("this program"))
        .env(CHILD, "fill")
        .env(ROOT, folder.path())
        .output()
        .expect("unshare(1) of util-linux");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test has to mount a tmpfs (as root, or in a user namespace): {errors}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "the disk was not mounted");
}
