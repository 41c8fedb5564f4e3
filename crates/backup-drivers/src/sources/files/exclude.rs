use backup_core::{Error, ErrorKind, Result};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Patterns in gitignore syntax, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patterns(Vec<String>);

impl Patterns {
    /// Adds one pattern.
    ///
    /// # Errors
    /// `InvalidInput` when it is not a pattern.
    pub(crate) fn add(&mut self, pattern: &str) -> Result<()> {
        let invalid = |reason: &dyn fmt::Display| {
            Error::new(ErrorKind::InvalidInput, "not an exclude pattern")
                .context("pattern", pattern)
                .context("reason", reason)
        };
        if pattern.contains('\n') {
            return Err(invalid(&"it has more than one line"));
        }
        let mut trial = GitignoreBuilder::new("/");
        trial.add_line(None, pattern).map_err(|e| invalid(&e))?;
        trial.build().map_err(|e| invalid(&e))?;
        self.0.push(pattern.to_owned());
        Ok(())
    }

    /// Adds the lines of a file.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8, or a line is not a pattern.
    pub(crate) fn add_file(&mut self, file: &Path) -> Result<()> {
        let text = std::fs::read(file)
            .map_err(|e| Error::io("cannot read the file of exclude patterns", e).context("file", file.display()))?;
        let text = String::from_utf8(text).map_err(|_| {
            Error::new(ErrorKind::InvalidInput, "the file of exclude patterns is not UTF-8")
                .context("file", file.display())
        })?;
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            self.add(line).map_err(|e| e.context("file", file.display()).context("line", number + 1))?;
        }
        Ok(())
    }

    /// The patterns in order, for the record.
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    /// A matcher for absolute paths. A pattern with a slash inside counts from the root of the file system and from
    /// each of `roots`; as in a gitignore file, the last pattern that matches decides.
    ///
    /// # Errors
    /// `InvalidInput` when all of them together are too much.
    pub(crate) fn matcher(&self, roots: &[Vec<u8>]) -> Result<Excludes> {
        let invalid = |e: ignore::Error| {
            Error::new(ErrorKind::InvalidInput, "the exclude patterns cannot be used").context("reason", e)
        };
        let mut builder = GitignoreBuilder::new("/");
        let roots: Vec<String> = roots.iter().map(|root| literal(root)).collect();
        for pattern in &self.0 {
            builder.add_line(None, pattern).map_err(invalid)?;
            let (negation, body) = match pattern.strip_prefix('!') {
                Some(body) => ("!", body),
                None => ("", pattern.as_str()),
            };
            let inner = body.trim_end().trim_end_matches('/');
            if pattern.starts_with('#') || !inner.contains('/') {
                continue;
            }
            for root in roots.iter().filter(|root| root.len() > 1) {
                let below = format!("{negation}{root}/{}", body.trim_start_matches('/'));
                builder.add_line(None, &below).map_err(invalid)?;
            }
        }
        Ok(Excludes(builder.build().map_err(invalid)?))
    }
}

/// A path as a pattern that matches just it. What is not UTF-8 cannot stand in a pattern: any byte will do there.
fn literal(path: &[u8]) -> String {
    let mut pattern = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | '#' | ' ') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.extend(chunk.invalid().iter().map(|_| '?'));
    }
    pattern
}

/// Says which paths are left out.
#[derive(Debug)]
pub(crate) struct Excludes(Gitignore);

impl Excludes {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an absolute path is left out by itself; its parents were asked before.
    pub(crate) fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        self.0.matched(Path::new(OsStr::from_bytes(path)), is_dir).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(patterns: &[&str], roots: &[&str]) -> Excludes {
        let mut all = Patterns::default();
        for pattern in patterns {
            all.add(pattern).unwrap();
        }
        all.matcher(&roots.iter().map(|root| root.as_bytes().to_vec()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_count_from_the_file_system_and_from_each_root() {
        let excludes = excludes(&["/home/ann/cache", "target/debug", "*.tmp", "build/"], &["/home/ann", "/srv/a b[1]"]);
        for (path, is_dir, out) in [
            ("/home/ann/cache", true, true),
            ("/home/ann/home/ann/cache", true, true),
            ("/home/bob/cache", true, false),
            ("/home/ann/target/debug", true, true),
            ("/srv/a b[1]/target/debug", true, true),
            ("/srv/a b1/target/debug", true, false),
            ("/target/debug", true, true),
            ("/home/ann/x/target/debug", true, false),
            ("/home/ann/x/y.tmp", false, true),
            ("/home/ann/x/build", true, true),
            ("/home/ann/x/build", false, false),
        ] {
            assert_eq!(excludes.matches(path.as_bytes(), is_dir), out, "{path}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let excludes = excludes(&["*.log", "!keep/*.log", "# a comment", ""], &["/r"]);
        assert!(excludes.matches(b"/r/x.log", false));
        assert!(!excludes.matches(b"/r/keep/x.log", false));
        let excludes = self::excludes(&["!a/b", "a/b"], &["/r"]);
        assert!(excludes.matches(b"/r/a/b", false));
    }

    #[test]
    fn names_that_are_not_text_can_be_matched() {
        let excludes = excludes(&["*.tmp"], &[]);
        assert!(excludes.matches(b"/r/\xff\xfe.tmp", false));
        let mut patterns = Patterns::default();
        patterns.add("x/y").unwrap();
        let excludes = patterns.matcher(&[b"/r\xff".to_vec()]).unwrap();
        assert!(excludes.matches(b"/r\xff/x/y", false));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Patterns::default().add("a{b").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(Patterns::default().add("a\nb").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
