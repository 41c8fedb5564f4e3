//! One walk over a folder, in the order of paths.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const BUFFER: usize = 1 << 20;

/// Calls `visit` with every path below `root` (`root` itself first, folders before what is in them) and its metadata.
pub(crate) fn walk(root: &Path, mut visit: impl FnMut(&Path, &Metadata) -> Result<()>) -> Result<()> {
    let mut stack = vec![root.to_owned()];
    while let Some(path) = stack.pop() {
        let metadata = fs::symlink_metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        visit(&path, &metadata)?;
        if metadata.is_dir() {
            stack.extend(sorted(&path)?.into_iter().rev());
        }
    }
    Ok(())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// BLAKE3 over the paths, kinds and contents of everything below `root`. Reading it all also warms the page cache.
pub(crate) fn hash(root: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    walk(root, |path, metadata| {
        let name = path.strip_prefix(root)?.as_os_str().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
        if metadata.is_dir() {
            hasher.update(b"d");
        } else if metadata.is_symlink() {
            let target = fs::read_link(path)?;
            let target = target.as_os_str().as_encoded_bytes();
            hasher.update(b"l").update(&(target.len() as u64).to_le_bytes()).update(target);
        } else {
            hasher.update(b"f").update(&metadata.len().to_le_bytes());
            read(path, |bytes| {
                hasher.update(bytes);
            })?;
        }
        Ok(())
    })?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Reads a file in parts.
fn read(path: &Path, mut part: impl FnMut(&[u8])) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut buffer = vec![0; BUFFER.min(file.metadata()?.len() as usize + 1)];
    loop {
        match file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
            0 => return Ok(()),
            read => part(buffer.get(..read).unwrap_or_default()),
        }
    }
}
