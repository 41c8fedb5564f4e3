//! The data sets: made once from a fixed seed, kept in the work folder, and reused.

mod dump;
mod media;
mod million;
mod rng;
mod small;
mod text;
mod tree;
mod walk;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

pub(crate) use self::walk::{hash, walk};
use self::writer::Tree;

/// Raised whenever a generator writes something else for the same seed.
const VERSION: u32 = 1;
const SEED: u64 = 0x6261_636b_7570;

/// A data set that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Set {
    Tree,
    Small,
    Dump,
    Media,
    Million,
}

impl Set {
    pub(crate) const ALL: [Self; 5] = [Self::Tree, Self::Small, Self::Dump, Self::Media, Self::Million];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Small => "small",
            Self::Dump => "dump",
            Self::Media => "media",
            Self::Million => "million",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|set| set.name() == name) {
            Some(set) => Ok(set),
            None => bail!("there is no data set `{name}`"),
        }
    }
}

/// A data set on disk.
pub(crate) struct DataSet {
    pub(crate) set: Set,
    /// The folder that is backed up.
    pub(crate) root: PathBuf,
    /// The folder that is still backed up when everything else was forgotten: about half of the set.
    pub(crate) kept: PathBuf,
    /// The file that is brought back alone, below `root`.
    pub(crate) one: PathBuf,
    pub(crate) facts: Facts,
}

/// What is remembered about a data set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) hash: String,
    one: PathBuf,
}

/// Makes the data set, or finds the one made before, and reads it all into the page cache.
pub(crate) fn ensure(work: &Path, set: Set, factor: f64) -> Result<DataSet> {
    let folder = work.join("data").join(format!("{}-{factor}-v{VERSION}", set.name()));
    let (root, marker) = (folder.join("data"), folder.join("facts.json"));
    let facts = match fs::read(&marker) {
        Ok(text) => {
            let facts: Facts =
                serde_json::from_slice(&text).with_context(|| format!("damaged: {}", marker.display()))?;
            let found = hash(&root)?;
            anyhow::ensure!(found == facts.hash, "{} was changed: remove the folder", root.display());
            facts
        }
        Err(_) => {
            let facts = make(&folder, &root, set, factor)?;
            fs::write(&marker, serde_json::to_vec_pretty(&facts)?)?;
            facts
        }
    };
    let kept = if set == Set::Dump { folder.join("kept") } else { root.join("a") };
    Ok(DataSet { set, one: root.join(&facts.one), root, kept, facts })
}

fn make(folder: &Path, root: &Path, set: Set, factor: f64) -> Result<Facts> {
    eprintln!("making {} at {factor} of its full size", set.name());
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove the unfinished {}", folder.display()))?;
    }
    let tree = &mut Tree::new(root);
    match set {
        Set::Tree => tree::write(tree, factor),
        Set::Small => small::write(tree, SEED, factor),
        Set::Dump => dump::write(tree, &mut Tree::new(&folder.join("kept")), SEED, factor),
        Set::Media => media::write(tree, SEED, factor),
        Set::Million => million::write(tree, SEED, factor),
    }?;
    let (files, bytes) = tree.written();
    Ok(Facts { files, bytes, hash: hash(root)?, one: middle_file(root, files)? })
}

/// The file in the middle of the set, in the order of paths; one with content.
fn middle_file(root: &Path, files: u64) -> Result<PathBuf> {
    let (mut seen, mut found) = (0, None);
    walk(root, |path, metadata| {
        if metadata.is_file() {
            seen += 1;
            if found.is_none() && seen > files / 2 && metadata.len() > 0 {
                found = Some(path.strip_prefix(root)?.to_owned());
            }
        }
        Ok(())
    })?;
    found.context("the data set has no file with content")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each set is the same in every run: results of two runs can be compared.
    #[test]
    fn the_same_seed_makes_the_same_data() {
        let folder = tempfile::tempdir().unwrap();
        for set in [Set::Small, Set::Dump, Set::Media, Set::Million] {
            let first = ensure(&folder.path().join("one"), set, 0.0005).unwrap();
            let second = ensure(&folder.path().join("two"), set, 0.0005).unwrap();
            assert_eq!(first.facts.hash, second.facts.hash);
            assert_eq!(first.facts.hash, hash(&second.root).unwrap());
            assert!(second.one.is_file() && second.kept.is_dir());
        }
    }

    #[test]
    fn a_changed_data_set_is_not_reused() {
        let folder = tempfile::tempdir().unwrap();
        let made = ensure(folder.path(), Set::Small, 0.0001).unwrap();
        assert_eq!(made.facts.files, 20);
        ensure(folder.path(), Set::Small, 0.0001).unwrap();
        fs::write(&made.one, "changed").unwrap();
        assert!(ensure(folder.path(), Set::Small, 0.0001).is_err());
    }
}
