//! Child processes: echoed before they run, never with input, their output passed through as it comes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// Runs the command with its output going where ours goes.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    echo(command);
    command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", program(command)))
}

/// Runs the command and shows every line of its standard output and standard error, in the order written, to
/// `on_line` too.
///
/// Both streams share one pipe: read apart, a result could not be attributed to the test binary announced before it.
pub(crate) fn merged(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    echo(command);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let errors = writer.try_clone().context("cannot share a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program(command)))?;
    // The command keeps our copies of the pipe's end, which would never let the reading end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("cannot read from a child")? > 0 {
        std::io::stdout().write_all(&line).context("cannot write to standard output")?;
        on_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    child.wait().context("cannot wait for a child")
}

/// Standard output of a command that must succeed; its standard error goes where ours goes.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program(command)))?;
    anyhow::ensure!(output.status.success(), "{} ended with {}", program(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{} printed something other than text", program(command)))
}

/// Whether the command can be started and succeeds; what it prints is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn program(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

fn echo(command: &Command) {
    let mut line = String::from("$");
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| name != "CARGO_TERM_COLOR") {
            line.push_str(&format!(" {}={:?}", name.display(), value.to_string_lossy()));
        }
    }
    line.push_str(&format!(" {}", program(command)));
    for argument in command.get_args() {
        line.push_str(&format!(" {}", argument.to_string_lossy()));
    }
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_arrive_in_the_order_written() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three; exit 7"]);
        let status = merged(&mut command, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn output_of_a_failing_command_is_an_error() {
        assert!(output(Command::new("sh").args(["-c", "echo half; exit 1"])).is_err());
        assert_eq!(output(Command::new("sh").args(["-c", "echo all"])).unwrap(), "all\n");
    }
}
