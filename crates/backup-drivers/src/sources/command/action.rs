use super::{KIND, producer_failed};
use async_trait::async_trait;
use backup_core::{Action, ActionSpec, CommandSpec, Error, ErrorKind, Result, Session, Undo};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// More of what a program prints is not kept.
const MAX_SAID_BYTES: u64 = 64 * 1024;
/// More words than any command line has.
const MAX_WORDS: usize = 10_000;

/// A program as an action: a hook, a freeze, a thaw. It must end with status 0; what it prints is what the action says.
/// It ends with all it started: what is to stay behind must close its output and leave the process group.
///
/// As an undo it is recorded word by word (`word.0`, `word.1`, …), so its words are text and hold no secret.
#[derive(Clone, Debug)]
pub struct RunProgram {
    words: Vec<String>,
    undo: Option<Box<RunProgram>>,
}

impl RunProgram {
    /// A program with its arguments.
    ///
    /// # Errors
    /// `InvalidInput` without any word, with a zero byte in one, or with more than 10,000.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Result<Self> {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let is_program = words.first().is_some_and(|program| !program.is_empty());
        if !is_program || words.len() > MAX_WORDS || words.iter().any(|word| word.contains('\0')) {
            return Err(Error::new(ErrorKind::InvalidInput, "not a program with arguments"));
        }
        Ok(RunProgram { words, undo: None })
    }

    /// The program that takes this one's side effect back. It must bear to run twice, and without the other.
    #[must_use]
    pub fn undone_by(mut self, undo: RunProgram) -> Self {
        self.undo = Some(Box::new(undo));
        self
    }

    /// The program of an undo record, for a registry.
    ///
    /// # Errors
    /// `InvalidInput` when the record is no program's.
    pub fn from_spec(spec: &ActionSpec) -> Result<Self> {
        let words = (0..spec.options.len()).map_while(|number| spec.options.get(&format!("word.{number}")).cloned());
        let words: Vec<String> = words.collect();
        if spec.kind != KIND || words.len() != spec.options.len() || !spec.secrets.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "not the record of a program").context("kind", &spec.kind));
        }
        RunProgram::new(words)
    }

    /// As an undo record keeps it.
    pub fn to_spec(&self) -> ActionSpec {
        let numbered = self.words.iter().enumerate();
        numbered.fold(ActionSpec::new(KIND), |spec, (number, word)| spec.with(format!("word.{number}"), word))
    }
}

#[async_trait]
impl Action for RunProgram {
    fn describe(&self) -> String {
        format!("run {}", self.words.first().map_or("", String::as_str))
    }

    fn undo(&self) -> Option<Undo> {
        let undo = self.undo.as_deref()?;
        Some(Undo { spec: undo.to_spec(), action: Arc::new(undo.clone()) })
    }

    async fn execute(&self, at: Arc<dyn Session>) -> Result<Vec<String>> {
        let mut words = self.words.iter();
        let program = CommandSpec::new(words.next().cloned().unwrap_or_default());
        let command = words.fold(program, |command, word| command.arg(word.as_bytes()));
        let mut process = at.run(command.clone()).await?;
        let mut said = Vec::new();
        if let Some(mut stdout) = process.stdout() {
            let read = async {
                (&mut stdout).take(MAX_SAID_BYTES).read_to_end(&mut said).await?;
                tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await
            };
            read.await.map_err(|e| Error::io("cannot read what a program prints", e))?;
        }
        let exit = process.wait().await?;
        if !exit.status.success() {
            return Err(producer_failed(&command, &exit));
        }
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }
}
