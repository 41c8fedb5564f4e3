//! Runs programs and measures them: wall time, CPU time, and the largest resident set of any process of theirs.
//!
//! The kernel gives these numbers for all finished children of a process together, so each program is started by a
//! process of its own: this same binary, called with `--measure`. It is small: a child's peak includes what its parent
//! had when it was started.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// The first argument that makes this binary a measuring process.
pub(crate) const MEASURE: &str = "--measure";

/// What running something took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) wall_seconds: f64,
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// The largest resident set of one process; of a pipeline, the sum over its programs.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// What this and then `next` took.
    pub(crate) fn then(self, next: Self) -> Self {
        Self {
            wall_seconds: self.wall_seconds + next.wall_seconds,
            cpu_seconds: self.cpu_seconds + next.cpu_seconds,
            peak_bytes: self.peak_bytes.max(next.peak_bytes),
        }
    }
}

/// One program to run, with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    words: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    folder: Option<PathBuf>,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { words: vec![program.as_ref().to_owned()], environment: Vec::new(), folder: None }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.words.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.words.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// The folder to run in.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.args(self.words.iter().skip(1)).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    fn name(&self) -> &OsStr {
        self.words.first().map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// Runs it unmeasured and gives its standard output.
    pub(crate) fn output(&self) -> Result<Vec<u8>> {
        let output = self.apply(&mut Command::new(self.name())).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot run {}", self.name().display()))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{:?} ended with {}: {}", self.words, output.status, errors.trim());
        }
        Ok(output.stdout)
    }
}

/// Runs programs that are joined by pipes, measured. What they print goes to files in `logs`.
pub(crate) fn pipeline(programs: &[Program], logs: &Path) -> Result<Usage> {
    let this = std::env::current_exe().context("cannot find this binary")?;
    let mut children = Vec::new();
    let mut input = Stdio::null();
    let start = Instant::now();
    for (index, program) in programs.iter().enumerate() {
        let (numbers, errors) = (logs.join(format!("{index}.json")), logs.join(format!("{index}.err")));
        fs::remove_file(&numbers).ok();
        let mut command = Command::new(&this);
        command.arg(MEASURE).arg(&numbers).arg(program.name());
        let last = index + 1 == programs.len();
        let output = if last { File::create(logs.join("out"))?.into() } else { Stdio::piped() };
        program.apply(&mut command).stdin(input).stdout(output).stderr(File::create(&errors)?);
        let mut child = command.spawn().context("cannot start a measuring process")?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push((program, child, numbers, errors));
    }
    let mut usage = Usage::default();
    let mut failure = None;
    for (program, mut child, numbers, errors) in children {
        let status = child.wait().context("cannot wait for a measuring process")?;
        if !status.success() {
            let text = fs::read_to_string(&errors).unwrap_or_default();
            let last = text.trim().lines().rev().take(3).collect::<Vec<_>>();
            let last = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
            failure.get_or_insert_with(|| format!("{:?} ended with {status}: {last}", program.words));
            continue;
        }
        let text = fs::read(&numbers).with_context(|| format!("{} was not measured", program.name().display()))?;
        let one: Usage = serde_json::from_slice(&text).context("damaged measurement")?;
        usage.wall_seconds = usage.wall_seconds.max(one.wall_seconds);
        usage.cpu_seconds += one.cpu_seconds;
        usage.peak_bytes += one.peak_bytes;
    }
    if programs.len() > 1 {
        usage.wall_seconds = start.elapsed().as_secs_f64();
    }
    match failure {
        Some(failure) => bail!(failure),
        None => Ok(usage),
    }
}

/// The measuring process: runs the program, writes what it took, and ends as it ended.
pub(crate) fn measuring_process(mut words: impl Iterator<Item = OsString>) -> Result<ExitCode> {
    let numbers = words.next().context("--measure needs a file")?;
    let program = words.next().context("--measure needs a program")?;
    let mut command = Command::new(&program);
    command.args(words);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    let wall_seconds = start.elapsed().as_secs_f64();
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let usage = Usage {
        wall_seconds,
        cpu_seconds: seconds(used.user_time()) + seconds(used.system_time()),
        // Linux counts it in KiB.
        peak_bytes: used.max_rss() as u64 * 1024,
    };
    fs::write(&numbers, serde_json::to_vec(&usage)?).with_context(|| format!("cannot write {}", numbers.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
