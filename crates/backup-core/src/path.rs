use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::fmt;

/// The longest encoded path the framework accepts, in bytes.
pub const MAX_PATH_BYTES: usize = 512 * 1024;

/// A path inside a component: a list of byte components, compared one by one.
///
/// Kept in an order-preserving encoding: components joined by a zero byte, so that plain byte comparison of the
/// encoding is the canonical order (the order of a depth-first walk over sorted directories). Inside a component
/// a zero byte is written `01 01` and a one byte `01 02`. The empty path is the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The root: no components.
    pub fn root() -> Self {
        TreePath(Vec::new())
    }

    /// A path of the given components, in order.
    ///
    /// # Errors
    /// `InvalidInput` for an empty component, or when the encoding grows over [`MAX_PATH_BYTES`].
    pub fn from_components<C: AsRef<[u8]>>(components: impl IntoIterator<Item = C>) -> Result<Self> {
        let mut path = TreePath::root();
        for component in components {
            path.push(component.as_ref())?;
        }
        Ok(path)
    }

    /// A path from its encoding, as it stands in a repository.
    ///
    /// # Errors
    /// `Damaged` when it is not an encoding: empty components, broken escapes, too long.
    pub fn from_encoded(encoded: Vec<u8>) -> Result<Self> {
        let damaged = || Error::new(ErrorKind::Damaged, "a stored path is malformed");
        if encoded.len() > MAX_PATH_BYTES {
            return Err(damaged());
        }
        let mut rest = encoded.iter();
        let mut component_is_empty = true;
        while let Some(byte) = rest.next() {
            match byte {
                0 if component_is_empty => return Err(damaged()),
                0 => component_is_empty = true,
                1 if !matches!(rest.next(), Some(1 | 2)) => return Err(damaged()),
                _ => component_is_empty = false,
            }
        }
        if component_is_empty && !encoded.is_empty() {
            return Err(damaged());
        }
        Ok(TreePath(encoded))
    }

    /// A `/`-separated path, absolute or not; repeated and trailing slashes do not count.
    ///
    /// # Errors
    /// `InvalidInput` for `.` and `..`, which have no meaning in a tree.
    pub fn from_slashed(path: &[u8]) -> Result<Self> {
        let mut tree_path = TreePath::root();
        for component in path.split(|b| *b == b'/').filter(|c| !c.is_empty()) {
            if component == b"." || component == b".." {
                return Err(Error::new(ErrorKind::InvalidInput, "a path may not contain . or ..")
                    .context("path", String::from_utf8_lossy(path)));
            }
            tree_path.push(component)?;
        }
        Ok(tree_path)
    }

    /// Appends one component.
    ///
    /// # Errors
    /// `InvalidInput` when it is empty or the path grows too long.
    pub fn push(&mut self, component: &[u8]) -> Result<()> {
        if component.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "a path component may not be empty"));
        }
        if self.0.len() + component.len() + 1 > MAX_PATH_BYTES {
            return Err(
                Error::new(ErrorKind::InvalidInput, "a path is too long").context("limit_bytes", MAX_PATH_BYTES)
            );
        }
        if !self.0.is_empty() {
            self.0.push(0);
        }
        for byte in component {
            match byte {
                0 => self.0.extend_from_slice(&[1, 1]),
                1 => self.0.extend_from_slice(&[1, 2]),
                other => self.0.push(*other),
            }
        }
        Ok(())
    }

    /// This path with one more component.
    ///
    /// # Errors
    /// As [`TreePath::push`].
    pub fn join(&self, component: &[u8]) -> Result<Self> {
        let mut path = self.clone();
        path.push(component)?;
        Ok(path)
    }

    /// The encoding: what is compared and stored.
    pub fn as_encoded(&self) -> &[u8] {
        &self.0
    }

    /// The components, decoded, from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = Cow<'_, [u8]>> {
        let none = self.0.is_empty();
        self.0.split(|b| *b == 0).filter(move |_| !none).map(unescape)
    }

    /// How many components the path has.
    pub fn depth(&self) -> usize {
        if self.0.is_empty() { 0 } else { 1 + self.0.iter().filter(|b| **b == 0).count() }
    }

    /// The last component, decoded; none for the root.
    pub fn name(&self) -> Option<Cow<'_, [u8]>> {
        self.components().next_back()
    }

    /// The path without its last component; none for the root.
    pub fn parent(&self) -> Option<TreePath> {
        if self.0.is_empty() {
            return None;
        }
        let cut = self.0.iter().rposition(|b| *b == 0).unwrap_or(0);
        Some(TreePath(self.0.get(..cut).unwrap_or_default().to_vec()))
    }

    /// Whether `self` is `ancestor` or lies below it.
    pub fn starts_with(&self, ancestor: &TreePath) -> bool {
        match self.0.strip_prefix(ancestor.0.as_slice()) {
            Some(rest) => ancestor.0.is_empty() || rest.is_empty() || rest.first() == Some(&0),
            None => false,
        }
    }

    /// The path as an absolute `/`-separated path, bytes as they are. Not reversible where a component holds a slash.
    pub fn to_slashed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        for component in self.components() {
            out.push(b'/');
            out.extend_from_slice(&component);
        }
        if out.is_empty() {
            out.push(b'/');
        }
        out
    }
}

fn unescape(component: &[u8]) -> Cow<'_, [u8]> {
    if !component.contains(&1) {
        return Cow::Borrowed(component);
    }
    let mut out = Vec::with_capacity(component.len());
    let mut rest = component.iter();
    while let Some(byte) = rest.next() {
        match byte {
            1 => out.extend(rest.next().map(|escaped| escaped - 1)),
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}

/// The `/`-separated form, with everything that is not printable UTF-8 escaped.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.to_slashed().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || c == '\\' { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn components() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(0u8..5, 1..5), 0..5)
    }

    proptest! {
        #[test]
        fn encoding_keeps_the_order_of_component_lists(a in components(), b in components()) {
            let (pa, pb) = (TreePath::from_components(&a).unwrap(), TreePath::from_components(&b).unwrap());
            prop_assert_eq!(a.cmp(&b), pa.cmp(&pb));
            prop_assert_eq!(pa.components().map(Cow::into_owned).collect::<Vec<_>>(), a.clone());
            prop_assert_eq!(pa.starts_with(&pb), a.starts_with(&b));
            prop_assert_eq!(TreePath::from_encoded(pa.as_encoded().to_vec()).unwrap(), pa);
        }

        #[test]
        fn any_accepted_encoding_is_canonical(bytes in prop::collection::vec(0u8..4, 0..8)) {
            if let Ok(path) = TreePath::from_encoded(bytes) {
                let again = TreePath::from_components(path.components()).unwrap();
                prop_assert_eq!(again, path);
            }
        }
    }

    #[test]
    fn slashed_paths_go_both_ways() {
        let path = TreePath::from_slashed(b"//home/ann//x/").unwrap();
        assert_eq!(path.to_slashed(), b"/home/ann/x");
        assert_eq!(path.depth(), 3);
        assert_eq!(path.parent().unwrap().to_string(), "/home/ann");
        assert!(TreePath::from_slashed(b"a/../b").is_err());
        assert_eq!(TreePath::from_slashed(b"/a\xff\n").unwrap().to_string(), "/a\\xff\\n");
    }
}
