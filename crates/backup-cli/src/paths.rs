//! Paths on the command line, in the form in which `ls` prints them.

use crate::failure::{Failure, Result};
use backup_core::{Selection, TreePath};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The path that a word means. `ls` escapes what is not printable (`\n`, `\u{1b}`, `\xff`) and the backslash itself
/// (`\\`); a backslash before anything else stands for itself.
pub(crate) fn parse(word: &OsStr) -> Result<TreePath> {
    TreePath::from_slashed(&unescape(word.as_bytes())).map_err(Failure::from)
}

/// The entries at these paths and below them; all when there is no path.
pub(crate) fn selection(words: &[OsString]) -> Result<Selection> {
    let paths = words.iter().map(|word| parse(word)).collect::<Result<Vec<_>>>()?;
    // The root is everything.
    Ok(Selection { paths: if paths.contains(&TreePath::root()) { Vec::new() } else { paths } })
}

/// Whether an entry is itself selected, not merely a folder above one that is.
pub(crate) fn is_inside(path: &TreePath, selection: &Selection) -> bool {
    selection.paths.is_empty() || selection.paths.iter().any(|selected| path.starts_with(selected))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (*byte == b'\\').then(|| escape(after)).flatten() {
            Some((meant, after)) => {
                out.extend_from_slice(&meant);
                after
            }
            None => {
                out.push(*byte);
                after
            }
        };
    }
    out
}

/// What an escape means, and what follows it.
fn escape(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (letter, rest) = text.split_first()?;
    let one = |byte: u8| Some((vec![byte], rest));
    match letter {
        b'n' => one(b'\n'),
        b't' => one(b'\t'),
        b'r' => one(b'\r'),
        b'\\' => one(b'\\'),
        b'x' => Some((vec![u8::try_from(hex(rest.get(..2)?)?).ok()?], rest.get(2..)?)),
        b'u' => {
            let inside = rest.strip_prefix(b"{")?;
            let end = inside.iter().take(7).position(|byte| *byte == b'}')?;
            let meant = char::from_u32(hex(inside.get(..end)?)?)?;
            Some((meant.to_string().into_bytes(), inside.get(end + 1..)?))
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let all_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| all_hex)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ls_prints_means_the_same_path() {
        for name in
            [&b"plain"[..], b"a\nb\tc\r", b"back\\slash", b"\\n", b"\xff\xfe", "ä\u{1b}\u{85}".as_bytes(), b"\\xff"]
        {
            let path = TreePath::from_components([&b"home"[..], name]).unwrap();
            assert_eq!(parse(OsStr::new(&path.to_string())).unwrap(), path, "{path}");
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in
            [&b"/a\\"[..], b"/a\\q", b"/a\\x4", b"/a\\xzz", b"/a\\u{}", b"/a\\u{d800}", b"/a\\u{1234567}", b"/\xff"]
        {
            let path = parse(OsStr::from_bytes(text)).unwrap();
            assert_eq!(path.to_slashed(), text, "{path}");
        }
        assert!(parse(OsStr::new("/a/../b")).is_err());
    }

    #[test]
    fn the_root_selects_everything() {
        assert!(selection(&["/a".into(), "/".into()]).unwrap().paths.is_empty());
        let selected = selection(&["/a/b".into()]).unwrap();
        let path = |text: &str| parse(OsStr::new(text)).unwrap();
        assert!(is_inside(&path("/a/b/c"), &selected) && is_inside(&path("/a/b"), &selected));
        assert!(!is_inside(&path("/a"), &selected) && !is_inside(&path("/a/bc"), &selected));
    }
}
