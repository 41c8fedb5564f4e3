//! `tree`: a copy of libraries, headers and Python packages of this machine, up to 1.9 GB at full size. It differs from
//! machine to machine, so its size and hash are printed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::writer::Tree;

const BYTES: f64 = 1.9e9;

/// Folders to copy, and how full the whole may be after each. A folder inside a later one is copied only once.
const FOLDERS: &[(&str, f64)] =
    &[("/usr/include", 0.1), ("/usr/lib/python3", 0.2), ("/usr/local/lib", 0.35), ("/usr/lib", 1.0)];

/// Copies until the size is reached, in the order of names.
pub(crate) fn write(tree: &mut Tree, factor: f64) -> Result<()> {
    for (folder, part) in FOLDERS {
        // The headers and packages stay when the rest is forgotten.
        let half = if *part < 1.0 { "a" } else { "b" };
        let to = Path::new(half).join(folder.trim_start_matches('/').replace('/', "-"));
        let limits = Limits { whole: (BYTES * factor * part) as u64, file: (BYTES * factor / 10.0) as u64 };
        copy_folder(tree, Path::new(folder), &to, limits)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Limits {
    /// The bytes at which the tree is full.
    whole: u64,
    /// The bytes of a file that is too large for the set.
    file: u64,
}

/// Copies files and links of a folder until the next one does not fit. What cannot be read is left out. True while
/// there is room.
fn copy_folder(tree: &mut Tree, from: &Path, to: &Path, limits: Limits) -> Result<bool> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(true) };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    for name in names {
        let (from, to) = (from.join(&name), to.join(&name));
        let Ok(metadata) = fs::symlink_metadata(&from) else { continue };
        if metadata.is_dir() {
            let elsewhere = FOLDERS.iter().any(|(folder, _)| from == Path::new(folder));
            if !elsewhere && !copy_folder(tree, &from, &to, limits)? {
                return Ok(false);
            }
        } else if metadata.is_symlink() {
            let place = tree.place(&to)?;
            symlink(fs::read_link(&from)?, &place).with_context(|| format!("cannot link {}", place.display()))?;
        } else if metadata.is_file() && metadata.len() <= limits.file {
            if tree.written().1 + metadata.len() > limits.whole {
                return Ok(false);
            }
            copy_file(tree, &from, &to, &metadata)?;
        }
    }
    Ok(true)
}

fn copy_file(tree: &mut Tree, from: &Path, to: &Path, metadata: &fs::Metadata) -> Result<()> {
    if fs::File::open(from).is_err() {
        return Ok(());
    }
    let place = tree.place(to)?;
    fs::copy(from, &place).with_context(|| format!("cannot copy to {}", place.display()))?;
    // A file that its owner may not write keeps the time of the copy, unless root copies.
    if let Ok(file) = fs::File::options().append(true).open(&place) {
        file.set_times(fs::FileTimes::new().set_modified(metadata.modified()?))?;
    }
    tree.count(metadata.len());
    Ok(())
}
