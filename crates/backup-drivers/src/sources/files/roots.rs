use super::sys::dir::{Dir, Links};
use super::sys::stat::Stat;
use backup_core::{Error, ErrorKind, Result, TreePath};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A path that the user named, made absolute by its text alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) components: Vec<Vec<u8>>,
    /// Whether a symbolic link at its end is followed: the path was written with a slash behind it.
    pub(crate) follow: bool,
}

impl Root {
    /// `path`, below `current` when it is relative; `.` and `..` are resolved as text.
    ///
    /// # Errors
    /// `InvalidInput` for an empty path, or one with a zero byte.
    pub(crate) fn new(path: &Path, current: impl FnOnce() -> std::io::Result<std::path::PathBuf>) -> Result<Root> {
        let text = path.as_os_str().as_bytes();
        if text.is_empty() || text.contains(&0) {
            return Err(Error::new(ErrorKind::InvalidInput, "a root must be a path").context("path", path.display()));
        }
        let mut components: Vec<Vec<u8>> = Vec::new();
        let current = if path.is_absolute() { None } else { Some(current()) };
        if let Some(current) = current {
            let current = current.map_err(|e| Error::io("cannot tell the current directory", e))?;
            append(&mut components, current.as_os_str().as_bytes());
        }
        append(&mut components, text);
        let last = text.rsplit(|b| *b == b'/').next().unwrap_or_default();
        Ok(Root { components, follow: matches!(last, b"" | b"." | b"..") })
    }

    /// Whether it is there.
    pub(crate) fn look(&self, top: &Arc<Dir>) -> Result<(), Errno> {
        let Some((name, above)) = self.components.split_last() else { return Ok(()) };
        let above = above.iter().fold(top.clone(), |dir, name| dir.child(name, Links::Follow));
        let flags = if self.follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stat = statat(above.descriptor()?, name, flags | AtFlags::NO_AUTOMOUNT)?;
        if self.follow && !Stat::from(stat).is_dir() { Err(Errno::NOTDIR) } else { Ok(()) }
    }

    /// Its place in the tree.
    ///
    /// # Errors
    /// `InvalidInput` when it is too long.
    pub(crate) fn tree_path(&self) -> Result<TreePath> {
        TreePath::from_components(&self.components)
    }
}

fn append(components: &mut Vec<Vec<u8>>, path: &[u8]) {
    for component in path.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop()),
            name => components.push(name.to_vec()),
        }
    }
}

/// All roots as one tree, so that equal and nested ones are walked once.
#[derive(Debug)]
pub(crate) struct Plan {
    nodes: Vec<PlanNode>,
}

/// A directory on the way to a root, or a root.
#[derive(Debug, Default)]
pub(crate) struct PlanNode {
    /// Whether it was named itself: all that is in it belongs to the capture.
    pub(crate) root: bool,
    follow: bool,
    children: BTreeMap<Vec<u8>, usize>,
}

impl PlanNode {
    /// Whether a symbolic link in this place is taken for what it points to: on the way to a root, or at the end of
    /// one that was written with a slash.
    pub(crate) fn follow(&self) -> bool {
        self.follow || !self.children.is_empty()
    }

    /// The names below it that lead to roots, in order.
    pub(crate) fn children(&self) -> impl Iterator<Item = &[u8]> {
        self.children.keys().map(Vec::as_slice)
    }

    /// The node of a name below it.
    pub(crate) fn child(&self, name: &[u8]) -> Option<usize> {
        self.children.get(name).copied()
    }
}

impl Plan {
    /// The root of the file system.
    pub(crate) const TOP: usize = 0;

    pub(crate) fn new(roots: &[Root]) -> Plan {
        let mut nodes = vec![PlanNode::default()];
        for root in roots {
            let mut at = Plan::TOP;
            for name in &root.components {
                let fresh = nodes.len();
                let Some(node) = nodes.get_mut(at) else { break };
                at = *node.children.entry(name.clone()).or_insert(fresh);
                if at == fresh {
                    nodes.push(PlanNode::default());
                }
            }
            if let Some(node) = nodes.get_mut(at) {
                node.root = true;
                node.follow |= root.follow;
            }
        }
        Plan { nodes }
    }

    /// A node by its number.
    pub(crate) fn node(&self, index: usize) -> Option<&PlanNode> {
        self.nodes.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn root(path: &str) -> (String, bool) {
        let root = Root::new(Path::new(path), || Ok(PathBuf::from("/work/dir"))).unwrap();
        (root.tree_path().unwrap().to_string(), root.follow)
    }

    #[test]
    fn paths_become_absolute_by_their_text() {
        assert_eq!(root("/a//b/./c"), ("/a/b/c".into(), false));
        assert_eq!(root("x/../y"), ("/work/dir/y".into(), false));
        assert_eq!(root("../../../../up"), ("/up".into(), false));
        assert_eq!(root("/link/"), ("/link".into(), true));
        assert_eq!(root("."), ("/work/dir".into(), true));
        assert_eq!(root("/"), ("/".into(), true));
        assert!(Root::new(Path::new(""), || Ok(PathBuf::from("/"))).is_err());
    }

    #[test]
    fn nested_and_equal_roots_share_their_way() {
        let roots = ["/a/b", "/a", "/a/b", "/c/d/"].map(|path| Root::new(Path::new(path), || unreachable!()).unwrap());
        let plan = Plan::new(&roots);
        let top = plan.node(Plan::TOP).unwrap();
        assert_eq!(top.children().collect::<Vec<_>>(), [b"a".as_slice(), b"c"]);
        let a = plan.node(top.child(b"a").unwrap()).unwrap();
        assert!(a.root && a.follow());
        let b = plan.node(a.child(b"b").unwrap()).unwrap();
        assert!(b.root && !b.follow());
        let c = plan.node(top.child(b"c").unwrap()).unwrap();
        assert!(!c.root && c.follow());
        assert!(plan.node(c.child(b"d").unwrap()).unwrap().follow());
    }
}
