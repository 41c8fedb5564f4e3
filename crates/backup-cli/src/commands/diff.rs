use crate::context::Context;
use crate::describe::kind;
use crate::exit::Exit;
use crate::failure::Result;
use crate::listing::Listing;
use crate::paths::{is_inside, selection};
use crate::screen::{Out, Screen, count};
use crate::snapshots::Snapshots;
use backup_core::{Backup, Entry, EntryKind, Selection};
use clap::Args;
use serde_json::json;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Show what differs between two snapshots
///
/// Prints `+` for what only B has, `-` for what only A has, `T` for another kind of entry, `M` for another size, time
/// of modification or link text, and, with --metadata, `U` for other metadata.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older snapshot
    #[arg(value_name = "A")]
    a: String,

    /// The newer snapshot
    #[arg(value_name = "B")]
    b: String,

    /// Only what is at these paths and below
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,

    /// Also name what differs in metadata alone (mode, owner, attributes, a directory's time)
    #[arg(long)]
    metadata: bool,
}

/// How one entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Added,
    Removed,
    Kind,
    Content,
    Metadata,
}

impl Change {
    fn letter(self) -> char {
        match self {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Kind => 'T',
            Change::Content => 'M',
            Change::Metadata => 'U',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Kind => "kind",
            Change::Content => "content",
            Change::Metadata => "metadata",
        }
    }
}

/// How two entries of the same path differ. Content is taken for the same when size and time of modification are.
pub(crate) fn change(a: &Entry, b: &Entry) -> Option<Change> {
    let same_content = match (&a.kind, &b.kind) {
        (EntryKind::Symlink { target: a }, EntryKind::Symlink { target: b }) => a == b,
        (a, b) if kind(a) != kind(b) => return Some(Change::Kind),
        (EntryKind::File | EntryKind::Stream, _) => {
            a.size_bytes == b.size_bytes && a.metadata.mtime == b.metadata.mtime
        }
        (a, b) => a == b,
    };
    match same_content {
        false => Some(Change::Content),
        true if a.metadata != b.metadata => Some(Change::Metadata),
        true => None,
    }
}

impl Diff {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let selection = selection(&self.paths)?;
        let snapshots = Snapshots::open(context).await?;
        let (a, b) = (snapshots.backup(&self.a).await?, snapshots.backup(&self.b).await?);
        let numbers = |backup: &dyn Backup| -> BTreeMap<String, usize> {
            backup.components().iter().enumerate().map(|(number, c)| (c.spec.name.clone(), number)).collect()
        };
        let (in_a, in_b) = (numbers(&*a), numbers(&*b));
        let names: BTreeMap<&String, ()> = in_a.keys().chain(in_b.keys()).map(|name| (name, ())).collect();
        let mut found = Found::new(context.screen(), selection, self.metadata);
        let mut exit = Exit::Done;
        for name in names.into_keys() {
            let mut left = found.listing(&*a, in_a.get(name)).await?;
            let mut right = found.listing(&*b, in_b.get(name)).await?;
            found.merge(name, &mut left, &mut right).await?;
            exit = [left, right].iter().flatten().fold(exit, |exit, listing| exit.and(listing.exit()));
        }
        found.done()?;
        Ok(exit)
    }
}

struct Found<'a> {
    screen: &'a Screen,
    out: Out,
    selection: Selection,
    metadata: bool,
    counts: BTreeMap<Change, u64>,
}

impl<'a> Found<'a> {
    fn new(screen: &'a Screen, selection: Selection, metadata: bool) -> Self {
        Found { screen, out: screen.out(), selection, metadata, counts: BTreeMap::new() }
    }

    async fn listing(&self, backup: &dyn Backup, number: Option<&usize>) -> Result<Option<Listing>> {
        match number {
            Some(number) => Ok(Some(Listing::open(self.screen, backup, *number, &self.selection).await?)),
            None => Ok(None),
        }
    }

    /// Goes through both listings, which are in the same order, side by side.
    async fn merge(&mut self, component: &str, a: &mut Option<Listing>, b: &mut Option<Listing>) -> Result<()> {
        loop {
            let (left, right) = (a.as_ref().and_then(Listing::entry), b.as_ref().and_then(Listing::entry));
            let order = match (left, right) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.path.cmp(&right.path),
            };
            match (order, left, right) {
                (Ordering::Less, Some(left), _) => self.print(component, left, Change::Removed)?,
                (Ordering::Greater, _, Some(right)) => self.print(component, right, Change::Added)?,
                (Ordering::Equal, Some(left), Some(right)) => {
                    if let Some(change) = change(left, right) {
                        self.print(component, right, change)?;
                    }
                }
                _ => {}
            }
            if let (Some(a), true) = (a.as_mut(), order != Ordering::Greater) {
                a.advance().await?;
            }
            if let (Some(b), true) = (b.as_mut(), order != Ordering::Less) {
                b.advance().await?;
            }
        }
    }

    fn print(&mut self, component: &str, entry: &Entry, change: Change) -> Result<()> {
        if !is_inside(&entry.path, &self.selection) || (change == Change::Metadata && !self.metadata) {
            return Ok(());
        }
        *self.counts.entry(change).or_default() += 1;
        if self.screen.is_json() {
            let path = entry.path.to_string();
            return self.out.json_line(&json!({ "component": component, "path": path, "change": change.word() }));
        }
        self.out.line(format_args!("{} {}", change.letter(), entry.path))
    }

    fn done(self) -> Result<()> {
        self.out.done()?;
        let words: Vec<String> =
            self.counts.iter().map(|(change, n)| format!("{} {}", count(*n), change.word())).collect();
        if !self.screen.is_json() {
            self.screen.note(if words.is_empty() { "no difference".to_owned() } else { words.join(", ") });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::{Timestamp, TreePath};

    #[test]
    fn changes_of_kind_content_and_metadata_are_told_apart() {
        let file = || {
            let mut file = Entry::new(TreePath::from_slashed(b"/x").unwrap(), EntryKind::File);
            file.size_bytes = Some(3);
            file.metadata.mtime = Some(Timestamp { seconds: 1, nanoseconds: 2 });
            file
        };
        assert_eq!(change(&file(), &file()), None);
        let mut other = file();
        other.metadata.mode = Some(0o600);
        assert_eq!(change(&file(), &other), Some(Change::Metadata));
        other.metadata.mtime = Some(Timestamp { seconds: 1, nanoseconds: 3 });
        assert_eq!(change(&file(), &other), Some(Change::Content));
        other.kind = EntryKind::Fifo;
        assert_eq!(change(&file(), &other), Some(Change::Kind));
        let link = |target: &[u8]| Entry::new(file().path, EntryKind::Symlink { target: target.to_vec() });
        assert_eq!(change(&link(b"a"), &link(b"b")), Some(Change::Content));
    }
}
