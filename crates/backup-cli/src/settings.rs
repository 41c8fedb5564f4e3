use crate::args::Global;
use crate::failure::{Failure, Result};
use crate::screen::{Form, Screen, Volume};
use backup_core::Secret;
use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What the options that every command takes and the environment say together.
#[derive(Debug)]
pub(crate) struct Settings {
    /// None: the default one.
    pub(crate) repositories: Vec<OsString>,
    /// None was named: the default identity, or a question.
    pub(crate) key: Option<Key>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) screen: Screen,
}

/// What opens a repository, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Identity(PathBuf),
    PassphraseFile(PathBuf),
    Passphrase(Secret),
}

impl Settings {
    pub(crate) fn new(global: Global) -> Self {
        Settings::with(global, &|name| env::var_os(name))
    }

    /// Options go before the environment, and there the more public place before the more secret one. A variable that
    /// is set to nothing counts as not set.
    fn with(global: Global, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| variable(name).map(PathBuf::from);
        let option = global.identity.map(Key::Identity).or(global.passphrase_file.map(Key::PassphraseFile));
        let key = option
            .or_else(|| path("BACKUP_IDENTITY").map(Key::Identity))
            .or_else(|| path("BACKUP_PASSPHRASE_FILE").map(Key::PassphraseFile))
            .or_else(|| variable("BACKUP_PASSPHRASE").map(|value| Key::Passphrase(Secret::new(value.into_vec()))));
        let repositories =
            if global.repo.is_empty() { variable("BACKUP_REPOSITORY").into_iter().collect() } else { global.repo };
        let volume = match (global.quiet, global.verbose) {
            (true, _) => Volume::Quiet,
            (_, true) => Volume::Verbose,
            _ => Volume::Normal,
        };
        let form = if global.json { Form::Json } else { Form::Text };
        Settings {
            repositories,
            key,
            cache_dir: global.cache_dir.or_else(|| path("BACKUP_CACHE_DIR")),
            screen: Screen::new(form, volume),
        }
    }

    /// The one repository that a command works on; `None` for the default one.
    pub(crate) fn only_repository(&self) -> Result<Option<&OsString>> {
        match self.repositories.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(Failure::usage("this command takes one --repo; only push takes several")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    fn settings(line: &[&str], environment: &[(&str, &str)]) -> Settings {
        let cli = Cli::parse_from([&["backup", "version"], line].concat());
        Settings::with(cli.global, &|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn options_go_before_the_environment() {
        let environment = [
            ("BACKUP_REPOSITORY", "/env"),
            ("BACKUP_IDENTITY", "/id"),
            ("BACKUP_PASSPHRASE", "x"),
            ("BACKUP_CACHE_DIR", ""),
        ];
        let from_environment = settings(&[], &environment);
        assert_eq!(from_environment.repositories, ["/env"]);
        assert_eq!(from_environment.key, Some(Key::Identity("/id".into())));
        assert_eq!(from_environment.cache_dir, None);
        let from_options = settings(&["--repo", "/a", "-r", "/b", "--passphrase-file", "/p"], &environment);
        assert_eq!(from_options.repositories, ["/a", "/b"]);
        assert_eq!(from_options.key, Some(Key::PassphraseFile("/p".into())));
        assert_eq!(settings(&[], &environment[2..]).key, Some(Key::Passphrase(Secret::new("x"))));
    }
}
