use super::super::captured::Captured;
use super::super::subject::{Subject, Target};
use crate::suite::{broken, ensure};
use backup_core::{Entry, EntryKind, Result, Selection, Session, Silent, TreePath};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn target(subject: &Subject) -> Result<Target> {
    let make = subject.target.as_ref().ok_or_else(|| broken("no place to restore into".to_owned()))?;
    make()
}

/// Path from where one looks, entry, whole content.
type Seen = (TreePath, Entry, Option<Vec<u8>>);

/// What of a capture lies below a path, seen from there.
fn below(captured: &Captured, top: &TreePath) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for entry in captured.entries.iter().filter(|entry| entry.path.starts_with(top)) {
        // Sockets are recorded only: no restore makes them.
        if entry.path == *top || entry.kind == EntryKind::Socket {
            continue;
        }
        let path = TreePath::from_components(entry.path.components().skip(top.depth()))?;
        seen.push((path, entry.clone(), captured.content(&entry.path)));
    }
    Ok(seen)
}

pub(super) async fn pull_after_push_is_the_identity(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let target = target(subject)?;
    let before = Captured::take(&*subject.source, at.clone(), Arc::new(Silent)).await?;
    let outcome = before.restore(&*target.restore, at.clone(), Arc::new(Silent)).await?;
    ensure!(outcome.failed() == 0, "not all was restored: {:?}", outcome.failures);
    let after = Captured::take(&*target.capture, at, Arc::new(Silent)).await?;
    let (before, after) = (below(&before, &target.from)?, below(&after, &target.to)?);
    ensure!(!before.is_empty(), "nothing lies below {}", target.from);

    let paths = |seen: &[Seen]| -> Vec<TreePath> { seen.iter().map(|(path, ..)| path.clone()).collect() };
    ensure!(paths(&before) == paths(&after), "the paths are {:?}, they were {:?}", paths(&after), paths(&before));
    let mut groups: BTreeMap<u64, Option<u64>> = BTreeMap::new();
    for ((path, was, had), (_, is, has)) in before.iter().zip(&after) {
        ensure!(was.kind == is.kind, "{path} is {:?}, it was {:?}", is.kind, was.kind);
        ensure!(was.metadata == is.metadata, "{path} has {:?}, it had {:?}", is.metadata, was.metadata);
        ensure!(was.size_bytes == is.size_bytes, "{path} has another size");
        ensure!(had == has, "{path} has another content");
        ensure!(was.holes == is.holes, "{path} has holes {:?}, it had {:?}", is.holes, was.holes);
        if let Some(group) = was.link_group {
            let same = groups.entry(group).or_insert(is.link_group);
            ensure!(*same == is.link_group, "{path} is no longer a name of the same file");
        }
    }
    let shared: BTreeSet<_> = groups.values().filter(|group| group.is_some()).collect();
    let several = groups.values().filter(|group| group.is_some()).count();
    ensure!(shared.len() == several, "names of different files have become names of one");
    Ok(())
}

pub(super) async fn damaged_content_is_reported_and_left_out(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let target = target(subject)?;
    let before = Captured::take(&*subject.source, at.clone(), Arc::new(Silent)).await?;
    let damaged = before.entries.iter().find(|entry| {
        let is_file = entry.has_content() && entry.link_group.is_none() && entry.path != target.from;
        is_file && entry.path.starts_with(&target.from) && entry.size_bytes > Some(0)
    });
    let damaged = damaged.ok_or_else(|| broken(format!("no file with content below {}", target.from)))?.path.clone();
    let paths = BTreeSet::from([damaged.clone()]);
    let everything = Selection::default();
    let outcome = before.restore_some(&*target.restore, at.clone(), Arc::new(Silent), &everything, &paths).await?;
    let reported = outcome.failures.iter().any(|failure| failure.path == damaged);
    ensure!(reported && outcome.failed() == 1, "{damaged} is damaged, reported was {:?}", outcome.failures);

    let after = Captured::take(&*target.capture, at, Arc::new(Silent)).await?;
    let expected = below(&before, &target.from)?.len() - 1;
    let found = below(&after, &target.to)?;
    let lost = TreePath::from_components(damaged.components().skip(target.from.depth()))?;
    ensure!(found.iter().all(|(path, ..)| *path != lost), "{damaged} is there with a content that is not its own");
    ensure!(found.len() == expected, "{} entries are there instead of {expected}", found.len());
    Ok(())
}

pub(super) async fn selection_is_restored_alone(subject: &Subject, at: Arc<dyn Session>) -> Result<()> {
    let target = target(subject)?;
    let before = Captured::take(&*subject.source, at.clone(), Arc::new(Silent)).await?;
    let chosen = below(&before, &target.from)?;
    let last = chosen.iter().rev().find(|(_, entry, _)| entry.has_content());
    let (path, entry, content) = last.ok_or_else(|| broken(format!("no file below {}", target.from)))?;
    let selection = Selection { paths: vec![entry.path.clone()] };
    let nothing = BTreeSet::new();
    let outcome = before.restore_some(&*target.restore, at.clone(), Arc::new(Silent), &selection, &nothing).await?;
    ensure!(outcome.failed() == 0, "not all was restored: {:?}", outcome.failures);
    let after = Captured::take(&*target.capture, at, Arc::new(Silent)).await?;
    for (found, ..) in below(&after, &target.to)? {
        ensure!(path.starts_with(&found), "{found} is there and was not selected");
    }
    let place = TreePath::from_components(target.to.components().chain(path.components()))?;
    ensure!(after.content(&place) == *content, "{path} has another content");
    Ok(())
}
