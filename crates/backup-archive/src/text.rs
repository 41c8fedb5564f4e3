//! Byte strings and paths as JSON.

use backup_core::{Error, ErrorKind, Result, TreePath};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes: a string where they are one, else base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    /// As they are.
    Plain(String),
    /// What is no text.
    Bytes {
        /// In standard base64.
        base64: String,
    },
}

impl Text {
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Text::Plain(text.to_owned()),
            Err(_) => Text::encoded(bytes),
        }
    }

    pub(crate) fn of_path(path: &TreePath) -> Self {
        let slashed = path.to_slashed();
        let is_plain = TreePath::from_slashed(&slashed).is_ok_and(|again| again == *path);
        match String::from_utf8(slashed) {
            Ok(text) if is_plain => Text::Plain(text),
            _ => Text::encoded(path.as_encoded()),
        }
    }

    fn encoded(bytes: &[u8]) -> Self {
        Text::Bytes { base64: STANDARD.encode(bytes) }
    }

    pub(crate) fn into_bytes(self) -> Result<Vec<u8>> {
        match self {
            Text::Plain(text) => Ok(text.into_bytes()),
            Text::Bytes { base64 } => STANDARD
                .decode(base64)
                .map_err(|e| Error::new(ErrorKind::Damaged, "a byte string is no base64").source(e)),
        }
    }

    pub(crate) fn into_path(self) -> Result<TreePath> {
        let damaged = |e: Error| Error::new(ErrorKind::Damaged, "a path is malformed").source(e);
        match self {
            Text::Plain(text) => TreePath::from_slashed(text.as_bytes()).map_err(damaged),
            other => TreePath::from_encoded(other.into_bytes()?).map_err(damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn paths_and_bytes_come_back(components in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..6), 0..5)) {
            let path = TreePath::from_components(&components).unwrap();
            let text = serde_json::to_string(&Text::of_path(&path)).unwrap();
            let again: Text = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(again.into_path().unwrap(), path);
            let bytes = components.concat();
            prop_assert_eq!(Text::of_bytes(&bytes).into_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn ordinary_paths_are_readable() {
        let path = TreePath::from_slashed(b"/home/ann").unwrap();
        assert_eq!(Text::of_path(&path), Text::Plain("/home/ann".into()));
        let odd = TreePath::from_components([b"a/b".as_slice(), b"."]).unwrap();
        assert!(matches!(Text::of_path(&odd), Text::Bytes { .. }));
        assert_eq!(Text::of_path(&TreePath::root()), Text::Plain("/".into()));
        assert!(Text::Plain("/a/../b".into()).into_path().is_err());
    }
}
