use super::Home;
use crate::failure::{Failure, Result};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    /// Whether nobody named it.
    pub(crate) is_default: bool,
}

impl Location {
    /// The default repository of this user.
    pub(crate) fn by_default() -> Result<Self> {
        Ok(Location { path: Home::find()?.repository(), is_default: true })
    }

    /// A repository as `--repo` names it.
    pub(crate) fn parse(text: &OsStr) -> Result<Self> {
        if let Some(scheme) = scheme(text) {
            refuse_password(text)?;
            return Err(Failure::usage(format!("this build has no storage for {scheme}://"))
                .hint("built in: directories, named by their path"));
        }
        if text.is_empty() {
            return Err(Failure::usage("a repository has no empty path"));
        }
        Ok(Location { path: PathBuf::from(text), is_default: false })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The scheme of a URL; none for a path.
pub(crate) fn scheme(text: &OsStr) -> Option<String> {
    let bytes = text.as_bytes();
    let end = bytes.windows(3).position(|window| window == b"://")?;
    let scheme = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// Refuses a URL that holds a password: every user of this host can see it, and shells remember it. Nothing of the URL
/// is repeated.
pub(crate) fn refuse_password(url: &OsStr) -> Result<()> {
    let bytes = url.as_bytes();
    let after = bytes.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
    let rest = bytes.get(after..).unwrap_or_default();
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let user = authority.iter().rposition(|byte| *byte == b'@').and_then(|at| authority.get(..at));
    match user {
        Some(user) if user.contains(&b':') => Err(Failure::usage("a URL may not hold a password")
            .hint("every user of this host could read it: give it by an environment variable or a file")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn paths_and_urls_are_told_apart() {
        for path in ["/srv/backup", "backup", "a:b", "a b://c", "://x", "1a://x"] {
            assert_eq!(scheme(OsStr::new(path)), None, "{path}");
        }
        assert_eq!(scheme(OsStr::new("S3://bucket")).as_deref(), Some("s3"));
        assert_eq!(Location::parse(OsStr::new("/srv")).unwrap().path, PathBuf::from("/srv"));
        let unknown = Location::parse(OsStr::new("s3://bucket/x")).unwrap_err();
        assert_eq!((unknown.exit, unknown.message.contains("s3://")), (Exit::Usage, true));
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for url in ["sftp://ann:hunter2@host/x", "https://:hunter2@host", "s3://a:hunter2@b@host?x"] {
            let refused = Location::parse(OsStr::new(url)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(!refused.to_string().contains("hunter2"));
            assert!(refused.message.contains("password"), "{url}");
        }
        for url in ["sftp://ann@host:22/a:b@c", "s3://host/x?a:b@c"] {
            assert!(refuse_password(OsStr::new(url)).is_ok(), "{url}");
        }
    }
}
