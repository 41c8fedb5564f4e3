use super::Home;
use crate::drivers::registry;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use backup_core::{Error, ErrorKind, StorageDriver, Url};
use backup_storage::Directory;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    place: Place,
    /// Whether nobody named it.
    pub(crate) is_default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    Elsewhere(Box<Url>),
}

impl Location {
    /// The default repository of this user.
    pub(crate) fn by_default() -> Result<Self> {
        Ok(Location { is_default: true, ..Location::directory(Home::find()?.repository()) })
    }

    /// A repository in a folder.
    pub(crate) fn directory(path: impl Into<PathBuf>) -> Self {
        Location { place: Place::Directory(path.into()), is_default: false }
    }

    /// A repository as `--repo` names it.
    pub(crate) fn parse(text: &OsStr) -> Result<Self> {
        match url(text)? {
            Some(url) => Ok(Location { place: Place::Elsewhere(Box::new(url)), is_default: false }),
            None if text.is_empty() => Err(Failure::usage("a repository has an empty path")),
            None => Ok(Location::directory(text)),
        }
    }

    /// The folder, for a repository in one that was named by its path.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(path) => Some(path),
            Place::Elsewhere(_) => None,
        }
    }

    /// The storage that is there.
    pub(crate) async fn storage(&self) -> Result<Arc<dyn StorageDriver>> {
        match &self.place {
            Place::Directory(path) => match Directory::open(path).await {
                Ok(directory) => Ok(Arc::new(directory)),
                Err(error) => Err(self.missing(error)),
            },
            Place::Elsewhere(url) => registry().storage(url).await.map_err(not_built_in),
        }
    }

    /// The storage, with a folder made if it is not there.
    pub(crate) async fn new_storage(&self) -> Result<Arc<dyn StorageDriver>> {
        match &self.place {
            Place::Directory(path) => Ok(Arc::new(Directory::create(path).await?)),
            Place::Elsewhere(_) => self.storage().await,
        }
    }

    /// The failure to open a repository: what to do about one that is not there is clear.
    pub(crate) fn missing(&self, error: Error) -> Failure {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let failure = Failure::new(Exit::NotFound, format!("there is no repository in {self}")).cause(&error);
        if self.is_default {
            failure.hint("`backup push DIR` makes it")
        } else {
            failure.hint(format!("`backup init --repo {self}` makes one"))
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Directory(path) => path.display().fmt(f),
            Place::Elsewhere(url) => url.fmt(f),
        }
    }
}

/// The URL that a word of the command line is; none for a path.
pub(crate) fn url(text: &OsStr) -> Result<Option<Url>> {
    let Some(end) = text.as_bytes().windows(3).position(|window| window == b"://") else { return Ok(None) };
    let scheme = text.as_bytes().get(..end).unwrap_or_default();
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme {
        return Ok(None);
    }
    let text = text.to_str().ok_or_else(|| Failure::usage("a URL is not UTF-8"))?;
    Ok(Some(text.parse::<Url>()?))
}

/// A driver that this program does not have is a mistake on the command line.
pub(crate) fn not_built_in(error: Error) -> Failure {
    let unsupported = error.kind() == ErrorKind::Unsupported;
    let failure = Failure::from(error);
    Failure { exit: if unsupported { Exit::Usage } else { failure.exit }, ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart() {
        for path in ["/srv/backup", "backup", "a:b", "a b://c", "://x", "1a://x", "./s3://x"] {
            assert_eq!(url(OsStr::new(path)).unwrap(), None, "{path}");
            assert_eq!(Location::parse(OsStr::new(path)).unwrap().path(), Some(Path::new(path)));
        }
        assert_eq!(url(OsStr::new("S3://bucket")).unwrap().unwrap().scheme, "s3");
        assert!(url(OsStr::from_bytes(b"s3://\xff")).is_err());
    }

    #[tokio::test]
    async fn a_storage_that_is_not_built_in_names_its_feature() {
        let storage = Location::parse(OsStr::new("s3://bucket/x")).unwrap().storage().await;
        let failure = storage.map(|_| ()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.contains("feature s3"), "{failure}");
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for url in ["sftp://ann:hunter2@host/x", "https://:hunter2@host", "s3://a:hunter2@b@host"] {
            let refused = Location::parse(OsStr::new(url)).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
            assert!(refused.message.contains("password"), "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }
}
