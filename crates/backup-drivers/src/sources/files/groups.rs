use super::sys::stat::Stat;
use backup_core::TreePath;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use xxhash_rust::xxh3::xxh3_64;

/// So many files with further names to come are remembered by their first path.
const MAX_OPEN: usize = 200_000;

/// Finds out which entries are names of one file.
///
/// A group is called after the first path of the file in canonical order, so it is the same in every capture of
/// the same tree, on whatever disk. It is forgotten once all names were seen. Should too many files have names that
/// do not come (outside the roots, say), those found from then on are called after device and inode, which takes no
/// memory.
#[derive(Debug, Default)]
pub(crate) struct LinkGroups {
    open: HashMap<(u64, u64), Open>,
    full: bool,
}

#[derive(Debug)]
struct Open {
    group: u64,
    names_left: u64,
}

impl LinkGroups {
    /// The group of a file that is about to be listed under `path`; `None` when it has only this name.
    pub(crate) fn group(&mut self, stat: &Stat, path: &TreePath) -> Option<u64> {
        if stat.links < 2 {
            return None;
        }
        let key = (stat.device, stat.inode);
        let room = !self.full && self.open.len() < MAX_OPEN;
        match self.open.entry(key) {
            Slot::Occupied(mut known) => {
                let group = known.get().group;
                known.get_mut().names_left -= 1;
                if known.get().names_left == 0 {
                    known.remove();
                }
                Some(group)
            }
            Slot::Vacant(place) if room => {
                let group = xxh3_64(path.as_encoded());
                place.insert(Open { group, names_left: stat.links - 1 });
                Some(group)
            }
            Slot::Vacant(_) => {
                self.full = true;
                let (device, inode) = (stat.device.to_le_bytes(), stat.inode.to_le_bytes());
                Some(xxh3_64(&[device, inode].concat()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::Timestamp;

    fn stat(inode: u64, links: u64) -> Stat {
        let time = Timestamp { seconds: 0, nanoseconds: 0 };
        Stat {
            device: 1,
            inode,
            links,
            size: 0,
            blocks: 0,
            represents: 0,
            mtime: time,
            ctime: time,
            mode: 0,
            uid: 0,
            gid: 0,
        }
    }

    #[test]
    fn names_of_one_file_share_a_group_until_all_were_seen() {
        let mut groups = LinkGroups::default();
        let path = |name: &str| TreePath::from_slashed(name.as_bytes()).unwrap();
        assert_eq!(groups.group(&stat(1, 1), &path("a")), None);
        let first = groups.group(&stat(2, 2), &path("b")).unwrap();
        assert_eq!(first, LinkGroups::default().group(&stat(9, 5), &path("b")).unwrap());
        assert_eq!(groups.group(&stat(2, 2), &path("c")), Some(first));
        assert!(groups.open.is_empty());
        assert_ne!(groups.group(&stat(2, 2), &path("d")), Some(first));
    }

    #[test]
    fn memory_is_bounded_and_groups_still_hold_together() {
        let mut groups = LinkGroups::default();
        let path = |n: u64| TreePath::from_slashed(n.to_string().as_bytes()).unwrap();
        let first: Vec<_> = (0..MAX_OPEN as u64 + 10).map(|n| groups.group(&stat(n, 3), &path(n)).unwrap()).collect();
        assert_eq!(groups.open.len(), MAX_OPEN);
        for n in (0..MAX_OPEN as u64 + 10).rev() {
            assert_eq!(groups.group(&stat(n, 3), &path(n + 1_000_000)), Some(first[n as usize]));
        }
    }
}
