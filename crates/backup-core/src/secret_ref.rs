use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::str::FromStr;

/// Where a secret is found: what records and configurations hold in its place.
///
/// Written `env:NAME`, `file:PATH` or `command:PROGRAM ARG…` (words split at spaces, no quoting: more goes into a
/// script). Reading the secret itself is a front end's work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file's content, one trailing newline not counted.
    File(String),
    /// The standard output of a program, one trailing newline not counted.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "env:{name}"),
            SecretRef::File(path) => write!(f, "file:{path}"),
            SecretRef::Command(words) => write!(f, "command:{}", words.join(" ")),
        }
    }
}

impl FromStr for SecretRef {
    type Err = Error;

    /// The text is not repeated in the error: it may be the secret itself, given by mistake.
    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::new(ErrorKind::InvalidInput, "a secret is referred to as env:NAME, file:PATH or command:PROGRAM");
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        if rest.trim().is_empty() {
            return Err(wrong());
        }
        match kind {
            "env" => Ok(SecretRef::Env(rest.to_owned())),
            "file" => Ok(SecretRef::File(rest.to_owned())),
            "command" => Ok(SecretRef::Command(rest.split_whitespace().map(str::to_owned).collect())),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_go_both_ways_and_a_bare_secret_is_not_repeated() {
        for text in ["env:DB_PASSWORD", "file:/run/secrets/db", "command:pass show db"] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        for wrong in ["hunter2", "env:", "vault:hunter2", "command: "] {
            let error = wrong.parse::<SecretRef>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
