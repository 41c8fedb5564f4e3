//! Where words go: results to standard output, everything else to standard error.

mod bar;
mod lines;
mod paint;
mod progress;
mod table;
mod text;

pub(crate) use paint::Paint;
pub(crate) use progress::Progress;
pub(crate) use table::table;
pub(crate) use text::{bytes, count, counted, duration, local_time, tame, utc_time};

use crate::failure::{Failure, Result};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::sync::Arc;

/// In what form a run speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// How much a run says beside its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Volume {
    Quiet,
    Normal,
    Verbose,
}

/// Where a run speaks.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    pub(crate) form: Form,
    pub(crate) volume: Volume,
    /// Colours of standard output and of standard error.
    pub(crate) out_paint: Paint,
    err_paint: Paint,
    /// Whatever is printed meanwhile goes above it. Hidden unless a long run shows it.
    bar: ProgressBar,
}

impl Screen {
    pub(crate) fn new(form: Form, volume: Volume) -> Self {
        let (out_paint, err_paint) = (Paint::of(&io::stdout()), Paint::of(&io::stderr()));
        Screen { form, volume, out_paint, err_paint, bar: ProgressBar::hidden() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.volume == Volume::Quiet
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.volume == Volume::Verbose
    }

    /// Standard output, buffered: the caller ends with [`Out::done`].
    pub(crate) fn out(&self) -> Out {
        Out(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    /// A result as JSON, one line on standard output.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let mut out = self.out();
        out.json_line(value)?;
        out.done()
    }

    /// Something worth knowing.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.is_quiet() {
            self.say("note", &text, |text| text.to_owned());
        }
    }

    /// Something that a person should act upon.
    pub(crate) fn warn(&self, text: impl Display) {
        let paint = self.err_paint;
        self.say("warning", &text, |text| format!("{} {text}", paint.warning("warning:")));
    }

    /// An entry that could not be handled.
    pub(crate) fn entry_failed(&self, path: &backup_core::TreePath, reason: &str) {
        match self.form {
            Form::Json => self
                .err_line(&json!({ "type": "entry_failed", "path": path.to_string(), "reason": reason }).to_string()),
            Form::Text => self.warn(format_args!("{path}: {reason}")),
        }
    }

    /// Why the run ends.
    pub(crate) fn error(&self, failure: &Failure) {
        if failure.silent {
            return;
        }
        if self.is_json() {
            return self.err_line(
                &json!({
                    "type": "error",
                    "message": failure.message,
                    "causes": failure.causes,
                    "hint": failure.hint,
                    "exit_code": failure.exit.code(),
                })
                .to_string(),
            );
        }
        let paint = self.err_paint;
        let mut text = format!("{} {}", paint.error("error:"), tame(&failure.message));
        for cause in &failure.causes {
            text.push_str(&format!("\n  {} {}", paint.dim("caused by:"), tame(cause)));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n  {} {}", paint.dim("hint:"), tame(hint)));
        }
        self.err_line(&text);
    }

    /// Starts to show how a long run goes: a bar on a terminal, lines of JSON, or nothing.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        let shows = match self.form {
            _ if self.is_quiet() => progress::Shows::Nothing,
            Form::Json => progress::Shows::Lines,
            Form::Text if io::stderr().is_terminal() => progress::Shows::Bar,
            Form::Text => progress::Shows::Nothing,
        };
        Progress::start(self.clone(), shows)
    }

    fn say(&self, kind: &str, text: &impl Display, painted: impl FnOnce(&str) -> String) {
        let text = text.to_string();
        match self.form {
            Form::Json => self.err_line(&json!({ "type": kind, "message": text }).to_string()),
            Form::Text => self.err_line(&painted(&tame(&text))),
        }
    }

    /// A line on standard error. When nobody listens there any more, there is nobody to tell.
    fn err_line(&self, line: &str) {
        self.bar.suspend(|| writeln!(io::stderr().lock(), "{line}").ok());
    }
}

/// Standard output, as it is: bytes that are not text pass unharmed.
pub(crate) struct Out(BufWriter<StdoutLock<'static>>);

impl Out {
    pub(crate) fn line(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.0, "{line}").map_err(Failure::output)
    }

    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.0, value).map_err(|error| Failure::output(error.into()))?;
        self.0.write_all(b"\n").map_err(Failure::output)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(Failure::output)
    }

    /// Hands over what is still buffered: only now is everything known to be written.
    pub(crate) fn done(mut self) -> Result<()> {
        self.0.flush().map_err(Failure::output)
    }
}
