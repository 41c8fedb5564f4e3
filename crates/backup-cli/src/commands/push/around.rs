//! Repositories and caches that lie in what is backed up.

use crate::failure::{Failure, Result};
use crate::place::Location;
use std::path::{Path, PathBuf, absolute};

/// A folder inside a source that must not be backed up with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Around {
    /// As the source sees it.
    pub(super) path: PathBuf,
    pub(super) what: &'static str,
}

impl Around {
    /// The repositories and the cache that lie in one of the sources. Links on the way are followed, in both.
    ///
    /// # Errors
    /// When a source is a repository or a part of one: every push would make it larger.
    pub(super) fn find(roots: &[PathBuf], locations: &[Location], cache: Option<PathBuf>) -> Result<Vec<Around>> {
        let mut found = Vec::new();
        for location in locations {
            for (root, real, folder) in location.path().map(|path| pairs(roots, path)).unwrap_or_default() {
                match folder.strip_prefix(&real) {
                    Ok(rest) if !rest.as_os_str().is_empty() => {
                        found.push(Around { path: root.join(rest), what: "it is the repository" });
                    }
                    _ if real.starts_with(&folder) => {
                        return Err(Failure::usage(format!("{} lies in the repository", root.display()))
                            .hint("a copy of a repository is made by backing up to it as well: --repo, given twice"));
                    }
                    _ => {}
                }
            }
        }
        for (root, real, folder) in cache.iter().flat_map(|cache| pairs(roots, cache)) {
            if let Some(rest) = folder.strip_prefix(&real).ok().filter(|rest| !rest.as_os_str().is_empty()) {
                found.push(Around { path: root.join(rest), what: "it is the cache" });
            }
        }
        Ok(found)
    }

    /// The pattern in gitignore syntax that matches this folder alone.
    ///
    /// # Errors
    /// When a pattern, which is text, cannot name it.
    pub(super) fn pattern(&self) -> Result<String> {
        let path = plain(&self.path);
        let text = path.to_str().filter(|text| !text.contains(['\n', '\r'])).ok_or_else(|| {
            Failure::usage(format!("{} lies in the source and cannot be left out: {}", self.path.display(), self.what))
                .hint("its path is not printable text: move it, or back up something else")
        })?;
        let mut pattern = String::new();
        for c in text.chars() {
            if r"\*?[]{}!# ,".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        Ok(pattern + "/")
    }
}

/// For each root: the root, where it really is, and where the folder really is. What is not there is left out.
fn pairs(roots: &[PathBuf], folder: &Path) -> Vec<(PathBuf, PathBuf, PathBuf)> {
    let folder = folder.canonicalize();
    let pair = |root: &PathBuf| Some((absolute(root).ok()?, root.canonicalize().ok()?, folder.as_ref().ok()?.clone()));
    roots.iter().filter_map(pair).collect()
}

/// The path without `.` and `..`, resolved as text as sources do it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_below_a_source_is_found_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (data, repository) = (folder.join("data"), folder.join("data/a/repo"));
        std::fs::create_dir_all(&repository).unwrap();
        std::os::unix::fs::symlink(&data, folder.join("link")).unwrap();
        let found = |root: &str, repository: &str| -> Vec<PathBuf> {
            let found = Around::find(&[folder.join(root)], &[Location::directory(folder.join(repository))], None);
            found.unwrap().into_iter().map(|around| around.path).collect()
        };
        assert_eq!(found("data", "data/a/repo"), [folder.join("data/a/repo")]);
        assert_eq!(found("link/", "data/a/repo"), [folder.join("link/a/repo")]);
        assert_eq!(found("data", "link/a/repo"), [folder.join("data/a/repo")]);
        assert!(found("data", "missing").is_empty());
        let cache = Around::find(std::slice::from_ref(&folder), &[], Some(folder.join("data"))).unwrap();
        assert_eq!(cache, [Around { path: folder.join("data"), what: "it is the cache" }]);
        for source in ["data/a/repo", "link/a/repo", "data/a/repo/keys"] {
            std::fs::create_dir_all(folder.join(source)).unwrap();
            assert!(
                Around::find(&[folder.join(source)], &[Location::directory(&repository)], None).is_err(),
                "{source}"
            );
        }
    }

    #[test]
    fn a_pattern_matches_nothing_but_its_folder() {
        let pattern = |path: &str| Around { path: path.into(), what: "" }.pattern();
        assert_eq!(pattern("/srv/a b/[x]*{1,2}?!/#r/./y/../z").unwrap(), r"/srv/a\ b/\[x\]\*\{1\,2\}\?\!/\#r/z/");
        assert!(pattern("/srv/a\nb").is_err());
    }
}
