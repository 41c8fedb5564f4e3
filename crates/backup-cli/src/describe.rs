//! Entries as people and programs read them.

use crate::screen::{bytes, utc_time};
use backup_core::{Entry, EntryKind, Timestamp};
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// An entry as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct EntryJson<'a> {
    component: &'a str,
    path: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    changed_while_read: bool,
}

impl<'a> EntryJson<'a> {
    pub(crate) fn new(component: &'a str, entry: &Entry) -> Self {
        let metadata = &entry.metadata;
        EntryJson {
            component,
            path: entry.path.to_string(),
            kind: kind(&entry.kind),
            size_bytes: entry.size_bytes.filter(|_| entry.has_content()),
            mode: metadata.mode.map(|mode| format!("{mode:04o}")),
            uid: metadata.uid,
            gid: metadata.gid,
            user: metadata.user.as_deref().map(printable),
            group: metadata.group.as_deref().map(printable),
            mtime: metadata.mtime.and_then(system_time).map(utc_time),
            target: target(entry),
            changed_while_read: entry.changed_while_read,
        }
    }
}

/// An entry as one line: mode, owner, size, time, path.
pub(crate) fn long(entry: &Entry) -> String {
    let metadata = &entry.metadata;
    let owner = |name: &Option<Vec<u8>>, number: Option<u32>| {
        name.as_deref().map(printable).or(number.map(|number| number.to_string())).unwrap_or_else(|| "-".into())
    };
    let size = if entry.has_content() { entry.size_bytes.map(bytes).unwrap_or_default() } else { String::new() };
    let time = metadata.mtime.and_then(system_time).map(crate::screen::local_time).unwrap_or_else(|| "-".into());
    let target = target(entry).map(|target| format!(" -> {target}")).unwrap_or_default();
    format!(
        "{}{} {:<8} {:<8} {size:>11} {time:<19} {}{target}",
        letter(&entry.kind),
        metadata.mode.map_or_else(|| "---------".into(), permissions),
        owner(&metadata.user, metadata.uid),
        owner(&metadata.group, metadata.gid),
        entry.path,
    )
}

/// The word for a kind in JSON.
pub(crate) fn kind(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::CharDevice { .. } => "char_device",
        EntryKind::BlockDevice { .. } => "block_device",
        EntryKind::Stream => "stream",
        _ => "other",
    }
}

fn letter(kind: &EntryKind) -> char {
    match kind {
        EntryKind::Directory => 'd',
        EntryKind::Symlink { .. } => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::CharDevice { .. } => 'c',
        EntryKind::BlockDevice { .. } => 'b',
        _ => '-',
    }
}

/// `rwxr-sr-t`
fn permissions(mode: u32) -> String {
    let mut text = String::with_capacity(9);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (true, true) => set,
            (true, false) => unset,
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Where a symbolic link points to, or the numbers of a device.
fn target(entry: &Entry) -> Option<String> {
    match &entry.kind {
        EntryKind::Symlink { target } => Some(printable(target)),
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            Some(format!("{major}:{minor}"))
        }
        _ => None,
    }
}

/// Bytes as text, with everything that is not printable escaped as in paths.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '\\' { text.extend(c.escape_default()) } else { text.push(c) }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

fn system_time(time: Timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = if time.seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)?
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)?
    };
    whole.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::TreePath;

    #[test]
    fn permissions_read_like_those_of_ls() {
        for (mode, text) in [(0o755, "rwxr-xr-x"), (0o4755, "rwsr-xr-x"), (0o2640, "rw-r-S---"), (0o1777, "rwxrwxrwt")]
        {
            assert_eq!(permissions(mode), text);
        }
    }

    #[test]
    fn nothing_in_a_line_can_steer_a_terminal() {
        let path = TreePath::from_components([b"a\x1b[31m"]).unwrap();
        let mut entry = Entry::new(path, EntryKind::Symlink { target: b"\x1b]0;x\x07".to_vec() });
        entry.metadata.user = Some(b"ro\x1bot".to_vec());
        let line = long(&entry);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.ends_with("/a\\u{1b}[31m -> \\u{1b}]0;x\\u{7}"), "{line}");
    }

    #[test]
    fn times_before_1970_are_shown() {
        let time = system_time(Timestamp { seconds: -1, nanoseconds: 500_000_000 }).unwrap();
        assert_eq!(utc_time(time), "1969-12-31T23:59:59.500Z");
    }
}
