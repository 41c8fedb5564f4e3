//! The words of the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use lexopt::{Arg, Parser, ValueExt};

use crate::data::Set;

pub(crate) const USAGE: &str = "\
cargo xtask bench [OPTIONS]      compare `backup` with the other tools that are installed

  --size small|full|FACTOR  size of the data sets: small is 0.05, full is 1 [default: small]
  --sets NAME,...           of tree, small, dump, media, million [default: all]
  --tools NAME,...          of backup, restic, rustic, borg, kopia, tar+zstd+age [default: all that are found]
  --runs N                  rounds with a warm cache, at least 3 for a result worth keeping [default: 3]
  --cold N                  rounds with a cold cache [default: 1]
  --work DIR                where data sets and repositories lie; a disk, not memory
  --backup FILE             the binary of `backup`
  --out FILE                the page to write, with plots and results.json in a folder of that name beside it
                            [default: docs/benchmarks.md at full size with all sets, else in the work folder]
  --keep                    add to the page, and replace on it, only the sets that are run now
  --report                  only write the page anew from its results.json";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    pub(crate) factor: f64,
    pub(crate) sets: Vec<Set>,
    /// Empty: all.
    pub(crate) tools: Vec<String>,
    pub(crate) runs: usize,
    pub(crate) cold: usize,
    pub(crate) work: PathBuf,
    pub(crate) backup: PathBuf,
    pub(crate) out: Option<PathBuf>,
    pub(crate) keep: bool,
    pub(crate) report: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            factor: 0.05,
            sets: Set::ALL.to_vec(),
            tools: Vec::new(),
            runs: 3,
            cold: 1,
            work: PathBuf::from("target/bench"),
            backup: PathBuf::from("target/release/backup"),
            out: None,
            keep: false,
            report: false,
        }
    }
}

impl Options {
    /// Reads the words; nothing if they ask for help.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut parser = Parser::from_args(words);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("size") => options.factor = factor(&parser.value()?.string()?)?,
                Arg::Long("sets") => {
                    options.sets = parser.value()?.string()?.split(',').map(Set::parse).collect::<Result<_>>()?;
                    options.sets.sort();
                    options.sets.dedup();
                }
                Arg::Long("tools") => options.tools = parser.value()?.string()?.split(',').map(str::to_owned).collect(),
                Arg::Long("runs") => options.runs = parser.value()?.parse()?,
                Arg::Long("cold") => options.cold = parser.value()?.parse()?,
                Arg::Long("work") => options.work = parser.value()?.into(),
                Arg::Long("backup") => options.backup = parser.value()?.into(),
                Arg::Long("out") => options.out = Some(parser.value()?.into()),
                Arg::Long("keep") => options.keep = true,
                Arg::Long("report") => options.report = true,
                Arg::Long("help") | Arg::Short('h') => return Ok(None),
                other => bail!("{}\n\n{USAGE}", other.unexpected()),
            }
        }
        ensure!(options.runs > 0, "--runs needs at least one round");
        Ok(Some(options))
    }

    /// The page to write.
    pub(crate) fn page(&self) -> PathBuf {
        let complete = self.factor == 1.0 && self.sets == Set::ALL && self.tools.is_empty() && self.runs >= 3;
        let default =
            if complete || self.report { PathBuf::from("docs/benchmarks.md") } else { self.work.join("benchmarks.md") };
        self.out.clone().unwrap_or(default)
    }
}

fn factor(word: &str) -> Result<f64> {
    let factor = match word {
        "small" => 0.05,
        "full" => 1.0,
        number => number.parse().with_context(|| format!("--size takes small, full or a factor, not `{number}`"))?,
    };
    ensure!(factor > 0.0 && factor <= 100.0, "--size takes a factor above 0 and up to 100");
    Ok(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Option<Options>> {
        Options::parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_run_that_is_not_complete_does_not_replace_the_page_in_docs() {
        let page = |words| parse(words).unwrap().unwrap().page();
        assert_eq!(page("--size full"), PathBuf::from("docs/benchmarks.md"));
        for words in ["", "--size full --sets dump", "--size full --runs 1", "--size full --tools borg"] {
            assert_eq!(page(words), PathBuf::from("target/bench/benchmarks.md"), "{words}");
        }
        assert_eq!(page("--out x.md"), PathBuf::from("x.md"));
    }

    #[test]
    fn bad_words_are_refused() {
        for words in ["--size 0", "--size huge", "--sets trees", "--runs 0", "--colour", "dump"] {
            assert!(parse(words).is_err(), "{words}");
        }
        assert_eq!(parse("--help").unwrap(), None);
    }
}
