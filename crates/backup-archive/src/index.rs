//! The lines of the index: what an archive holds, and where. docs/archive.md has every field.

use crate::text::Text;
use backup_core::{Entry, EntryKind, Error, ErrorKind, Hole, Metadata, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of plain content that are checked, and compressed, for themselves.
pub(crate) const PIECE_BYTES: usize = 4 << 20;
/// No line is longer.
pub(crate) const MAX_LINE: usize = 16 << 20;
const FORMAT: &str = "backup-archive-index/1";

/// A line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// The first.
    Head(Head),
    /// A piece.
    Piece(Piece),
    /// An entry.
    Entry(Box<Row>),
}

/// What the index belongs to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    format: String,
    pub(crate) archive: String,
    pub(crate) component: String,
    piece_bytes: usize,
}

impl Head {
    pub(crate) fn new(archive: impl Into<String>, component: impl Into<String>) -> Self {
        let format = FORMAT.to_owned();
        Head { format, archive: archive.into(), component: component.into(), piece_bytes: PIECE_BYTES }
    }

    /// # Errors
    /// `Unsupported` when a later version wrote it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.format == FORMAT && self.piece_bytes == PIECE_BYTES {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "an index is of a later version").context("format", &self.format))
    }
}

/// [`PIECE_BYTES`] of what went into the first layer; the last one is the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// BLAKE3, in hexadecimal digits.
    pub(crate) piece: String,
    /// The length of its frame behind the compression; its own length where there is none.
    pub(crate) stored: u32,
}

/// Where an entry's content lies in what went into the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) at: u64,
    pub(crate) bytes: u64,
}

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Text>,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    major: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minor: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<(i64, u32)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    xattrs: Vec<(Text, Text)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holes: Vec<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl Row {
    pub(crate) fn new(entry: &Entry, placed: Option<Placed>) -> Self {
        let metadata = &entry.metadata;
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(Text::of_bytes);
        let mut row = Row {
            path: Some(Text::of_path(&entry.path)),
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            user: text(&metadata.user),
            group: text(&metadata.group),
            mtime: metadata.mtime.map(|time| (time.seconds, time.nanoseconds)),
            xattrs: metadata.xattrs.iter().map(|(name, value)| (Text::of_bytes(name), Text::of_bytes(value))).collect(),
            size: entry.size_bytes,
            holes: entry.holes.iter().map(|hole| (hole.offset, hole.length)).collect(),
            link: entry.link_group,
            changed: entry.changed_while_read,
            at: placed.map(|placed| placed.at),
            bytes: placed.map(|placed| placed.bytes),
            ..Row::default()
        };
        row.set_kind(&entry.kind);
        row
    }

    fn set_kind(&mut self, kind: &EntryKind) {
        self.kind = match kind {
            EntryKind::File => "file",
            EntryKind::Directory => "directory",
            EntryKind::Symlink { target } => {
                self.target = Some(Text::of_bytes(target));
                "symlink"
            }
            EntryKind::Fifo => "fifo",
            EntryKind::Socket => "socket",
            EntryKind::CharDevice { major, minor } => {
                (self.major, self.minor) = (Some(*major), Some(*minor));
                "char-device"
            }
            EntryKind::BlockDevice { major, minor } => {
                (self.major, self.minor) = (Some(*major), Some(*minor));
                "block-device"
            }
            _ => "stream",
        }
        .to_owned();
    }

    /// The entry and where its content lies.
    ///
    /// # Errors
    /// `Damaged` when it makes no sense; `Unsupported` for a kind of a later version.
    pub(crate) fn into_entry(self) -> Result<(Entry, Option<Placed>)> {
        let damaged = |what: &'static str| {
            Error::new(ErrorKind::Damaged, "a line of an index makes no sense").context("because", what)
        };
        let device = |row: &Row| row.major.zip(row.minor).ok_or_else(|| damaged("a device has no number"));
        let path = self.path.clone().ok_or_else(|| damaged("it has no path"))?.into_path()?;
        let kind = match self.kind.as_str() {
            "file" => EntryKind::File,
            "directory" => EntryKind::Directory,
            "symlink" => {
                let target = self.target.clone().ok_or_else(|| damaged("a link has no target"))?;
                EntryKind::Symlink { target: target.into_bytes()? }
            }
            "fifo" => EntryKind::Fifo,
            "socket" => EntryKind::Socket,
            "char-device" => device(&self).map(|(major, minor)| EntryKind::CharDevice { major, minor })?,
            "block-device" => device(&self).map(|(major, minor)| EntryKind::BlockDevice { major, minor })?,
            "stream" => EntryKind::Stream,
            other => {
                return Err(Error::new(ErrorKind::Unsupported, "an index is of a later version").context("kind", other));
            }
        };
        let placed = self.at.zip(self.bytes).map(|(at, bytes)| Placed { at, bytes });
        let mut entry = Entry::new(path, kind);
        entry.metadata = self.metadata()?;
        entry.size_bytes = self.size;
        entry.link_group = self.link;
        entry.holes = self.holes.iter().map(|(offset, length)| Hole { offset: *offset, length: *length }).collect();
        entry.changed_while_read = self.changed;
        check_content(&entry, placed).map_err(damaged)?;
        Ok((entry, placed))
    }

    fn metadata(&self) -> Result<Metadata> {
        let bytes = |text: &Option<Text>| text.clone().map(Text::into_bytes).transpose();
        let mtime = self.mtime.filter(|time| time.1 < 1_000_000_000);
        let mut metadata = Metadata {
            mode: self.mode.map(|mode| mode & 0o7777),
            uid: self.uid,
            gid: self.gid,
            user: bytes(&self.user)?,
            group: bytes(&self.group)?,
            mtime: mtime.map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds }),
            xattrs: BTreeMap::new(),
        };
        for (name, value) in &self.xattrs {
            metadata.xattrs.insert(name.clone().into_bytes()?, value.clone().into_bytes()?);
        }
        Ok(metadata)
    }
}

/// Holes are in order, do not touch, lie inside; with them the content has the size.
fn check_content(entry: &Entry, placed: Option<Placed>) -> Result<(), &'static str> {
    if !entry.has_content() {
        return if placed.is_none() { Ok(()) } else { Err("what has no content has a place") };
    }
    let (size, placed) = entry.size_bytes.zip(placed).ok_or("content has no size or no place")?;
    let (mut end, mut free) = (0u64, 0u64);
    for (number, hole) in entry.holes.iter().enumerate() {
        let touches = number > 0 && hole.offset <= end;
        if hole.length == 0 || hole.offset < end || touches {
            return Err("its holes are not in order");
        }
        end = hole.offset.checked_add(hole.length).ok_or("a hole is too long")?;
        free += hole.length;
    }
    let is_whole = end <= size && size - free == placed.bytes && placed.at.checked_add(placed.bytes).is_some();
    if is_whole { Ok(()) } else { Err("its content has another length than its size says") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::TreePath;

    fn again(line: &Line) -> Line {
        serde_json::from_str(&serde_json::to_string(line).unwrap()).unwrap()
    }

    #[test]
    fn lines_come_back() {
        let head = Line::Head(Head::new("shop", "files"));
        assert_eq!(again(&head), head);
        let piece = Line::Piece(Piece { piece: "00".into(), stored: 5 });
        assert_eq!(again(&piece), piece);

        let mut entry = Entry::new(TreePath::from_slashed(b"/a\xff").unwrap(), EntryKind::File);
        entry.metadata.mode = Some(0o4755);
        entry.metadata.user = Some(b"ann\xfe".to_vec());
        entry.metadata.mtime = Some(Timestamp { seconds: -5, nanoseconds: 999_999_999 });
        entry.metadata.xattrs.insert(b"user.x".to_vec(), vec![0, 255]);
        entry.size_bytes = Some(100);
        entry.holes = vec![Hole { offset: 10, length: 20 }];
        entry.link_group = Some(3);
        entry.changed_while_read = true;
        let placed = Some(Placed { at: 512, bytes: 80 });
        let Line::Entry(row) = again(&Line::Entry(Box::new(Row::new(&entry, placed)))) else { panic!() };
        assert_eq!(row.into_entry().unwrap(), (entry, placed));

        for kind in [
            EntryKind::Directory,
            EntryKind::Symlink { target: b"../x\xff".to_vec() },
            EntryKind::Fifo,
            EntryKind::Socket,
            EntryKind::CharDevice { major: 1, minor: 3 },
            EntryKind::BlockDevice { major: 8, minor: 0 },
        ] {
            let entry = Entry::new(TreePath::from_slashed(b"/a").unwrap(), kind);
            let Line::Entry(row) = again(&Line::Entry(Box::new(Row::new(&entry, None)))) else { panic!() };
            assert_eq!(row.into_entry().unwrap(), (entry, None));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = |text: &str| {
            let Line::Entry(row) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
            row.into_entry().unwrap_err().kind()
        };
        for text in [
            r#"{"path":"/a/../b","kind":"fifo"}"#,
            r#"{"kind":"fifo"}"#,
            r#"{"path":"/a","kind":"symlink"}"#,
            r#"{"path":"/a","kind":"char-device","major":1}"#,
            r#"{"path":"/a","kind":"file","size":5}"#,
            r#"{"path":"/a","kind":"file","size":5,"at":0,"bytes":4}"#,
            r#"{"path":"/a","kind":"file","size":18446744073709551615,"at":18446744073709551615,"bytes":18446744073709551615}"#,
            r#"{"path":"/a","kind":"file","size":5,"at":0,"bytes":0,"holes":[[3,1],[4,1]]}"#,
            r#"{"path":"/a","kind":"file","size":5,"at":0,"bytes":0,"holes":[[3,18446744073709551615]]}"#,
            r#"{"path":"/a","kind":"fifo","at":0,"bytes":0}"#,
        ] {
            assert_eq!(refused(text), ErrorKind::Damaged, "{text}");
        }
        assert_eq!(refused(r#"{"path":"/a","kind":"whiteout"}"#), ErrorKind::Unsupported);
    }
}
