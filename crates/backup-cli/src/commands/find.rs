use super::list::Filter;
use crate::context::Context;
use crate::describe::EntryJson;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::listing::Listing;
use crate::screen::{Out, Screen, local_time, tame};
use crate::snapshots::{Snapshots, short};
use backup_core::{Backup, Component, Entry, Selection, Summary};
use clap::Args;
use globset::{GlobBuilder, GlobMatcher};
use serde::Serialize;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Find entries in all snapshots
///
/// PATTERN is a glob (*, **, ?, [a-z], {a,b}). Without a slash it is matched against names, else against whole paths.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// What to look for
    pattern: String,

    /// Only in this snapshot; may be given several times
    #[arg(long = "in", value_name = "SNAPSHOT")]
    snapshots: Vec<String>,

    /// Do not tell upper from lower case
    #[arg(long)]
    ignore_case: bool,

    #[command(flatten)]
    filter: Filter,
}

#[derive(Serialize)]
struct FoundJson<'a> {
    snapshot: &'a str,
    #[serde(flatten)]
    entry: EntryJson<'a>,
}

impl Find {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let pattern = Pattern::new(&self.pattern, self.ignore_case)?;
        let snapshots = Snapshots::open(context).await?;
        let screen = context.screen();
        let mut found = Found { screen, out: screen.out(), snapshot: None, any: false };
        let mut exit = Exit::Done;
        let chosen = self.chosen(&snapshots).await?;
        let ids = || chosen.iter().map(|snapshot| snapshot.id.clone());
        for snapshot in chosen.iter().filter(|snapshot| self.filter.takes(snapshot)) {
            let id = short(&snapshot.id, ids());
            let heading = format!("{id} {} {}", local_time(snapshot.time), tame(&snapshot.name));
            found.snapshot = Some((snapshot, Some(heading)));
            let backup = snapshots.catalogue().open(&snapshot.id).await?;
            for (number, component) in backup.components().iter().enumerate() {
                exit = exit.and(found.search(&*backup, number, component, &pattern).await?);
            }
        }
        found.out.done()?;
        if !found.any && exit == Exit::Done {
            return Err(Failure::new(Exit::NotFound, "nothing found"));
        }
        Ok(exit)
    }

    /// Those that were named, or all.
    async fn chosen(&self, snapshots: &Snapshots<'_>) -> Result<Vec<Summary>> {
        if self.snapshots.is_empty() {
            return snapshots.all().await;
        }
        let mut named = Vec::new();
        for id in snapshots.resolve_all(&self.snapshots).await? {
            named.push(snapshots.summary(&id).await?);
        }
        Ok(named)
    }
}

/// What was found, as it is printed.
struct Found<'a> {
    screen: &'a Screen,
    out: Out,
    /// The snapshot that is searched, and its heading until that is printed.
    snapshot: Option<(&'a Summary, Option<String>)>,
    any: bool,
}

impl Found<'_> {
    /// Prints what matches in one component.
    async fn search(
        &mut self,
        backup: &dyn Backup,
        number: usize,
        component: &Component,
        pattern: &Pattern,
    ) -> Result<Exit> {
        let mut listing = Listing::open(self.screen, backup, number, &Selection::default()).await?;
        while let Some(entry) = listing.entry() {
            if pattern.matches(entry) {
                self.any = true;
                self.print(component, entry)?;
            }
            listing.advance().await?;
        }
        Ok(listing.exit())
    }

    fn print(&mut self, component: &Component, entry: &Entry) -> Result<()> {
        let Some((snapshot, heading)) = &mut self.snapshot else { return Ok(()) };
        if self.screen.is_json() {
            let entry = EntryJson::new(&component.spec.name, entry);
            return self.out.json_line(&FoundJson { snapshot: &snapshot.id.0, entry });
        }
        if let Some(heading) = heading.take() {
            self.out.line(self.screen.out_paint.strong(&heading))?;
        }
        self.out.line(format_args!("  {}", entry.path))
    }
}

struct Pattern {
    glob: GlobMatcher,
    whole_path: bool,
}

impl Pattern {
    fn new(pattern: &str, ignore_case: bool) -> Result<Self> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).case_insensitive(ignore_case).build();
        let glob = glob.map_err(|error| Failure::usage(format!("not a pattern: {error}")))?.compile_matcher();
        Ok(Pattern { glob, whole_path: pattern.contains('/') })
    }

    fn matches(&self, entry: &Entry) -> bool {
        if self.whole_path {
            return self.glob.is_match(OsStr::from_bytes(&entry.path.to_slashed()));
        }
        entry.path.name().is_some_and(|name| self.glob.is_match(OsStr::from_bytes(&name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{EntryKind, TreePath};

    #[test]
    fn a_pattern_with_a_slash_is_for_whole_paths() {
        let entry = |path: &[u8]| Entry::new(TreePath::from_slashed(path).unwrap(), EntryKind::File);
        for (pattern, path, expected) in [
            ("*.jpg", &b"/home/ann/a.jpg"[..], true),
            ("*.jpg", b"/a.jpg/b", false),
            ("/home/*/a.jpg", b"/home/ann/a.jpg", true),
            ("/home/*", b"/home/ann/a.jpg", false),
            ("/home/**", b"/home/ann/a.jpg", true),
            ("**/ann/*", b"/home/ann/a.jpg", true),
            ("[ab]?", b"/x/b\xff", true),
        ] {
            assert_eq!(Pattern::new(pattern, false).unwrap().matches(&entry(path)), expected, "{pattern}");
        }
        assert!(Pattern::new("*.JPG", true).unwrap().matches(&entry(b"/a.jpg")));
        assert_eq!(Pattern::new("[", false).err().unwrap().exit, Exit::Usage);
    }
}
