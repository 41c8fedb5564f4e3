//! What happens to a tree between two pushes.

use super::trees;
use backup_core::*;
use backup_testkit::memory::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub enum Change {
    Add(TreePath, Box<Node>),
    Remove(u16),
    /// Overwrites bytes from a place, in per mille.
    Edit(u16, usize, Vec<u8>),
    Append(u16, Vec<u8>),
    /// Keeps so many per mille.
    Truncate(u16, usize),
    Rename(u16, TreePath),
    Metadata(u16, Box<Metadata>),
}

pub fn change() -> impl Strategy<Value = Change> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..200);
    prop_oneof![
        2 => (trees::path(), trees::node()).prop_map(|(path, node)| Change::Add(path, Box::new(node))),
        1 => any::<u16>().prop_map(Change::Remove),
        2 => (any::<u16>(), 0usize..1000, bytes()).prop_map(|(which, at, bytes)| Change::Edit(which, at, bytes)),
        1 => (any::<u16>(), bytes()).prop_map(|(which, bytes)| Change::Append(which, bytes)),
        1 => (any::<u16>(), 0usize..1000).prop_map(|(which, kept)| Change::Truncate(which, kept)),
        1 => (any::<u16>(), trees::path()).prop_map(|(which, path)| Change::Rename(which, path)),
        1 => (any::<u16>(), trees::metadata()).prop_map(|(which, new)| Change::Metadata(which, Box::new(new))),
    ]
}

impl Change {
    /// Does it, if there is something to do it to.
    pub fn apply(self, tree: &mut Tree, version: u64) {
        let any = |tree: &Tree, which: u16| tree.keys().nth(usize::from(which) % tree.len().max(1)).cloned();
        let content = |tree: &Tree, which: u16| {
            let files: Vec<_> =
                tree.iter().filter(|(_, node)| !node.content.is_empty()).map(|(path, _)| path).collect();
            files.get(usize::from(which) % files.len().max(1)).copied().cloned()
        };
        let below = |tree: &Tree, path: &TreePath| -> Vec<TreePath> {
            tree.keys().filter(|other| other.starts_with(path)).cloned().collect()
        };
        match self {
            Change::Add(path, node) => trees::insert(tree, path, Node { version, ..*node }),
            Change::Remove(which) => {
                for path in any(tree, which).iter().flat_map(|path| below(tree, path)).collect::<Vec<_>>() {
                    tree.remove(&path);
                }
            }
            Change::Edit(which, at, bytes) => {
                let Some(node) = content(tree, which).and_then(|path| tree.get_mut(&path)) else { return };
                node.version = version;
                let at = node.content.len() * at / 1000;
                node.content.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = from);
            }
            Change::Append(which, bytes) => {
                let Some(node) = content(tree, which).and_then(|path| tree.get_mut(&path)) else { return };
                node.version = version;
                node.content.extend(bytes);
            }
            Change::Truncate(which, kept) => {
                let Some(node) = content(tree, which).and_then(|path| tree.get_mut(&path)) else { return };
                node.version = version;
                node.content.truncate(node.content.len() * kept / 1000);
                node.holes.clear();
            }
            Change::Rename(which, to) => {
                let Some(from) = any(tree, which) else { return };
                if to.starts_with(&from) || tree.contains_key(&to) {
                    return;
                }
                for path in below(tree, &from) {
                    let node = tree.remove(&path).unwrap();
                    let rest: Vec<_> = path.components().skip(from.depth()).map(|name| name.into_owned()).collect();
                    let path = rest.iter().fold(to.clone(), |path, name| path.join(name).unwrap());
                    trees::insert(tree, path, node);
                }
            }
            Change::Metadata(which, new) => {
                let Some(node) = any(tree, which).and_then(|path| tree.get_mut(&path)) else { return };
                *node = Node { version, metadata: *new, ..node.clone() };
            }
        }
    }
}
