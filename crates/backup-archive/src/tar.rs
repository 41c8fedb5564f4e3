//! Headers of a tar archive as POSIX and GNU write them.

use backup_core::{Entry, EntryKind, Error, ErrorKind, Result, Timestamp, TreePath};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// What a ustar header holds, in octal digits.
const MAX_ID: u32 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;
const MAX_NAME: usize = 100;
const MAX_OWNER: usize = 31;

/// What ends an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The zeros behind so many bytes of content.
pub(crate) fn padding(bytes: u64) -> &'static [u8] {
    let over = (bytes % BLOCK as u64) as usize;
    END.get(..(BLOCK - over) % BLOCK).unwrap_or_default()
}

/// All that stands in front of an entry's content, which is its data without the holes; `link_to` is the entry whose
/// content it shares. None for what tar does not know (sockets).
pub(crate) fn head(entry: &Entry, link_to: Option<&TreePath>) -> Result<Option<Vec<u8>>> {
    let Some(mut kind) = entry_type(&entry.kind) else { return Ok(None) };
    let mut header = Header::new_ustar();
    let mut pax = Pax::default();
    let mut map = Vec::new();
    let mut name = name(&entry.path, entry.kind == EntryKind::Directory);
    let mut size = 0;
    match link_to {
        Some(first) => {
            kind = EntryType::Link;
            set_link(&mut header, &mut pax, &self::name(first, false))?;
        }
        None if entry.has_content() => {
            let real = entry.size_bytes.unwrap_or(0);
            size = real.saturating_sub(hole_bytes(entry));
            if !entry.holes.is_empty() {
                map = sparse_map(entry, real);
                size += map.len() as u64;
                for (key, value) in [("major", "1"), ("minor", "0"), ("realsize", &real.to_string())] {
                    pax.add(format!("GNU.sparse.{key}").as_bytes(), value.as_bytes());
                }
                pax.add(b"GNU.sparse.name", &name);
                name = stand_in(&entry.path);
            }
        }
        None => {}
    }
    header.set_entry_type(kind);
    if name.len() > MAX_NAME {
        pax.add(b"path", &name);
    }
    put(&mut header.as_old_mut().name, &name);
    if let EntryKind::Symlink { target } = &entry.kind {
        set_link(&mut header, &mut pax, target)?;
    }
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } = entry.kind {
        header.set_device_major(major).map_err(failed)?;
        header.set_device_minor(minor).map_err(failed)?;
    }
    if size > MAX_SIZE {
        pax.add(b"size", size.to_string().as_bytes());
    }
    header.set_size(size.min(MAX_SIZE));
    set_metadata(&mut header, &mut pax, entry);
    header.set_cksum();
    let mut blocks = pax.into_blocks(&name);
    blocks.extend_from_slice(header.as_bytes());
    blocks.append(&mut map);
    Ok(Some(blocks))
}

/// What takes no place in an archive.
pub(crate) fn hole_bytes(entry: &Entry) -> u64 {
    entry.holes.iter().map(|hole| hole.length).sum()
}

fn entry_type(kind: &EntryKind) -> Option<EntryType> {
    Some(match kind {
        EntryKind::File | EntryKind::Stream => EntryType::Regular,
        EntryKind::Directory => EntryType::Directory,
        EntryKind::Symlink { .. } => EntryType::Symlink,
        EntryKind::Fifo => EntryType::Fifo,
        EntryKind::CharDevice { .. } => EntryType::Char,
        EntryKind::BlockDevice { .. } => EntryType::Block,
        _ => return None,
    })
}

fn set_metadata(header: &mut Header, pax: &mut Pax, entry: &Entry) {
    let metadata = &entry.metadata;
    let usual = if entry.kind == EntryKind::Directory { 0o700 } else { 0o600 };
    header.set_mode(metadata.mode.unwrap_or(usual));
    for (key, id) in [(b"uid", metadata.uid), (b"gid", metadata.gid)] {
        let id = id.unwrap_or(0);
        if id > MAX_ID {
            pax.add(key, id.to_string().as_bytes());
        }
        let id = u64::from(id.min(MAX_ID));
        if key == b"uid" { header.set_uid(id) } else { header.set_gid(id) }
    }
    if let Some(ustar) = header.as_ustar_mut() {
        for (key, name, field) in
            [("uname", &metadata.user, &mut ustar.uname), ("gname", &metadata.group, &mut ustar.gname)]
        {
            let name = name.as_deref().unwrap_or_default();
            if name.len() > MAX_OWNER {
                pax.add(key.as_bytes(), name);
            }
            put(field.get_mut(..MAX_OWNER).unwrap_or_default(), name);
        }
    }
    let mtime = metadata.mtime.unwrap_or(Timestamp { seconds: 0, nanoseconds: 0 });
    let whole = u64::try_from(mtime.seconds).ok().filter(|seconds| *seconds <= MAX_SIZE);
    if whole.is_none() || mtime.nanoseconds != 0 {
        pax.add(b"mtime", decimal(mtime).as_bytes());
    }
    header.set_mtime(whole.unwrap_or(0));
    for (name, value) in &metadata.xattrs {
        pax.add(&[b"SCHILY.xattr.", escaped(name, b"%=").as_slice()].concat(), value);
    }
}

fn set_link(header: &mut Header, pax: &mut Pax, target: &[u8]) -> Result<()> {
    if target.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidInput, "a link's target has a zero byte"));
    }
    if target.len() > MAX_NAME {
        pax.add(b"linkpath", target);
    }
    put(&mut header.as_old_mut().linkname, target);
    Ok(())
}

/// Copies what fits.
fn put(field: &mut [u8], bytes: &[u8]) {
    field.fill(0);
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Some bytes as a percent sign and two digits.
fn escaped(bytes: &[u8], which: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match which.contains(byte) {
            true => text.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            false => text.push(*byte),
        }
    }
    text
}

/// The path as tar writes it: relative; what no file's name has (a slash or a zero inside, `.` and `..`) is escaped.
fn name(path: &TreePath, is_directory: bool) -> Vec<u8> {
    let mut name = Vec::new();
    for component in path.components() {
        if !name.is_empty() {
            name.push(b'/');
        }
        match &*component {
            dots @ (b"." | b"..") => name.extend_from_slice(&escaped(dots, b".")),
            other => name.extend_from_slice(&escaped(other, b"/\0")),
        }
    }
    if name.is_empty() {
        name.push(b'.');
    }
    if is_directory {
        name.push(b'/');
    }
    name
}

/// The name of a sparse file's packed content, for programs that do not know the form.
fn stand_in(path: &TreePath) -> Vec<u8> {
    let file = path.name().map(|name| name.into_owned()).unwrap_or_default();
    let folder = path.parent().map(|parent| name(&parent, true)).unwrap_or_default();
    [folder.as_slice(), b"GNUSparseFile.0/", &file].concat()
}

/// GNU's map of a sparse file, form 1.0: how many extents, and offset and length of each, in whole blocks.
fn sparse_map(entry: &Entry, size: u64) -> Vec<u8> {
    let mut extents = Vec::new();
    let mut at = 0;
    for hole in &entry.holes {
        if hole.offset > at {
            extents.push((at, hole.offset - at));
        }
        at = hole.offset + hole.length;
    }
    // Also where the file ends in a hole: its end.
    extents.push((at, size.saturating_sub(at)));
    let mut map = format!("{}\n", extents.len());
    for (offset, length) in extents {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.extend_from_slice(padding(map.len() as u64));
    map
}

/// Seconds since 1970, also negative, with nine digits behind the point.
fn decimal(time: Timestamp) -> String {
    let nanoseconds = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (whole, part) = (nanoseconds.abs() / 1_000_000_000, nanoseconds.abs() % 1_000_000_000);
    format!("{sign}{whole}.{part:09}")
}

/// Records of an extended header.
#[derive(Default)]
struct Pax(Vec<u8>);

impl Pax {
    /// `LENGTH KEY=VALUE\n`, where the length counts itself.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        self.0.extend_from_slice(&[key, b"=", value, b"\n"].concat());
    }

    fn into_blocks(self, name: &[u8]) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        put(&mut header.as_old_mut().name, &[b"PaxHeaders/", name].concat());
        header.set_size(self.0.len() as u64);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let mut blocks = header.as_bytes().to_vec();
        blocks.extend_from_slice(&self.0);
        blocks.extend_from_slice(padding(self.0.len() as u64));
        blocks
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::io("cannot make a tar header", error)
}

#[cfg(test)]
mod tests;
