//! Whether what came back is what was backed up: a fast restore of something else is no result.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::data::{hash, walk};
use crate::tools::{Place, Step};

/// How closely to look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Names, kinds and lengths.
    Names,
    /// All bytes.
    Contents,
}

/// Compares the output folder of a step that restores with the data set.
pub(crate) fn restored(step: Step, place: &Place<'_>, depth: Depth) -> Result<()> {
    match step {
        Step::Pull => whole(&place.data.root, &place.data.facts.hash, &place.out, depth),
        Step::PullOne => one(&place.data.one, &place.out),
        _ => Ok(()),
    }
}

/// `expected` is the hash of `root`.
fn whole(root: &Path, expected: &str, out: &Path, depth: Depth) -> Result<()> {
    // Some tools restore the absolute path of the source below the target.
    let nested = out.join(root.strip_prefix("/").unwrap_or(root));
    let found = if nested.is_dir() { nested } else { out.to_owned() };
    match depth {
        Depth::Contents => ensure!(hash(&found)? == expected, "what was restored differs from the source"),
        Depth::Names => ensure!(names(root)? == names(&found)?, "names or lengths differ from the source"),
    }
    Ok(())
}

fn names(root: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut names = BTreeMap::new();
    walk(root, |path, metadata| {
        let bytes = if metadata.is_dir() { 0 } else { metadata.len() };
        names.insert(path.strip_prefix(root)?.to_owned(), bytes);
        Ok(())
    })?;
    Ok(names)
}

fn one(file: &Path, out: &Path) -> Result<()> {
    let mut found = Vec::new();
    walk(out, |path, metadata| {
        if metadata.is_file() {
            found.push(path.to_owned());
        }
        Ok(())
    })?;
    let [found] = found.as_slice() else { bail!("{} files were restored instead of one", found.len()) };
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    ensure!(read(file)? == read(found)?, "the restored file differs from the source");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn differences_are_seen() {
        let source = folder(&[("a/x", "one"), ("b", "two")]);
        let same = folder(&[("a/x", "one"), ("b", "two")]);
        let content = folder(&[("a/x", "one"), ("b", "twO")]);
        let missing = folder(&[("a/x", "one")]);
        let expected = hash(source.path()).unwrap();
        for depth in [Depth::Names, Depth::Contents] {
            whole(source.path(), &expected, same.path(), depth).unwrap();
            assert!(whole(source.path(), &expected, missing.path(), depth).is_err());
        }
        assert!(whole(source.path(), &expected, content.path(), Depth::Contents).is_err());
    }

    #[test]
    fn an_absolute_path_below_the_target_is_found() {
        let source = folder(&[("a/x", "one")]);
        let out = tempfile::tempdir().unwrap();
        let nested = out.path().join(source.path().strip_prefix("/").unwrap()).join("a");
        fs::create_dir_all(&nested).unwrap();
        fs::write(nested.join("x"), "one").unwrap();
        whole(source.path(), &hash(source.path()).unwrap(), out.path(), Depth::Contents).unwrap();
    }

    #[test]
    fn one_file_alone_with_the_same_bytes() {
        let source = folder(&[("x", "one")]);
        let file = source.path().join("x");
        one(&file, folder(&[("deep/x", "one")]).path()).unwrap();
        assert!(one(&file, folder(&[("deep/x", "two")]).path()).is_err());
        assert!(one(&file, folder(&[("x", "one"), ("y", "two")]).path()).is_err());
        assert!(one(&file, folder(&[]).path()).is_err());
    }
}
