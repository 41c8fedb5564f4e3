use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::screen::local_time;
use backup_core::{Status, Summary};
use std::collections::BTreeSet;

/// The most candidates that an error lists.
const MAX_CANDIDATES: usize = 10;

/// The snapshot that a reference means: the beginning of an id, `latest`, or `latest:NAME`. `snapshots` are oldest
/// first.
pub(crate) fn resolve<'a>(reference: &str, snapshots: &'a [Summary]) -> Result<&'a Summary> {
    match reference.split_once(':') {
        Some(("latest", name)) => latest_of(name, snapshots),
        _ if reference == "latest" => latest(snapshots),
        _ => by_id(reference, snapshots),
    }
}

fn latest(snapshots: &[Summary]) -> Result<&Summary> {
    let names: BTreeSet<&str> = snapshots.iter().filter(|s| counts(s)).map(|s| s.name.as_str()).collect();
    let mut names = names.into_iter();
    match (names.next(), names.next()) {
        (None, _) => Err(none_at_all(snapshots)),
        (Some(name), None) => latest_of(name, snapshots),
        (Some(first), Some(second)) => {
            let all: Vec<&str> = [first, second].into_iter().chain(names).collect();
            Err(Failure::usage("`latest` is not clear: there are snapshots of several names")
                .hint(format!("say which: {}", listed(all.iter().map(|name| format!("latest:{name}"))))))
        }
    }
}

fn latest_of<'a>(name: &str, snapshots: &'a [Summary]) -> Result<&'a Summary> {
    let latest = snapshots.iter().rfind(|snapshot| snapshot.name == name && counts(snapshot));
    latest.ok_or_else(|| {
        let names: BTreeSet<&str> = snapshots.iter().filter(|s| counts(s)).map(|s| s.name.as_str()).collect();
        if names.is_empty() {
            return none_at_all(snapshots);
        }
        Failure::new(Exit::NotFound, format!("there is no snapshot of the name {name:?}"))
            .hint(format!("there are snapshots of {}", listed(names.into_iter().map(str::to_owned))))
    })
}

fn by_id<'a>(prefix: &str, snapshots: &'a [Summary]) -> Result<&'a Summary> {
    let prefix = prefix.to_ascii_lowercase();
    let mut found = snapshots.iter().filter(|snapshot| !prefix.is_empty() && snapshot.id.0.starts_with(&prefix));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::new(Exit::NotFound, format!("there is no snapshot {prefix:?}"))
            .hint("`backup list` shows what there is")),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(found);
            let candidate = |s: &Summary| format!("{} ({}, {})", s.id, s.name, local_time(s.time));
            Err(Failure::usage(format!("several ids begin with {prefix:?}"))
                .hint(format!("give more of the id: {}", listed(all.map(candidate)))))
        }
    }
}

/// Whether a snapshot can be the latest one.
fn counts(snapshot: &Summary) -> bool {
    snapshot.status != Status::Incomplete
}

fn none_at_all(snapshots: &[Summary]) -> Failure {
    let message = if snapshots.is_empty() { "the repository has no snapshot" } else { "all snapshots are incomplete" };
    Failure::new(Exit::NotFound, message)
}

fn listed(words: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = words.collect();
    let more = all.len().saturating_sub(MAX_CANDIDATES);
    let mut text = all.into_iter().take(MAX_CANDIDATES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_core::BackupId;
    use std::time::SystemTime;

    fn snapshot(id: &str, name: &str, status: Status) -> Summary {
        let mut summary = Summary::new(BackupId(id.into()), name, "host", SystemTime::UNIX_EPOCH);
        summary.status = status;
        summary
    }

    fn id<'a>(reference: &str, snapshots: &'a [Summary]) -> Result<&'a str> {
        Ok(&resolve(reference, snapshots)?.id.0)
    }

    #[test]
    fn the_latest_counts_complete_and_partial_ones() {
        let mut snapshots = vec![
            snapshot("0a1", "web", Status::Complete),
            snapshot("0a2", "web", Status::Partial),
            snapshot("0b3", "web", Status::Incomplete),
        ];
        assert_eq!(id("latest", &snapshots).unwrap(), "0a2");
        snapshots.push(snapshot("0c4", "db", Status::Incomplete));
        assert_eq!(id("latest", &snapshots).unwrap(), "0a2");
        assert_eq!(id("latest:db", &snapshots).unwrap_err().exit, Exit::NotFound);
        snapshots.push(snapshot("0c5", "db", Status::Complete));
        assert_eq!(id("latest:db", &snapshots).unwrap(), "0c5");
        let refused = id("latest", &snapshots).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.hint.unwrap(), "say which: latest:db, latest:web");
        assert_eq!(id("latest", &[]).unwrap_err().exit, Exit::NotFound);
    }

    #[test]
    fn an_id_may_be_shortened_until_it_is_not_unique() {
        let snapshots = [snapshot("0a1f", "a", Status::Incomplete), snapshot("0a2f", "b", Status::Complete)];
        assert_eq!(id("0a1", &snapshots).unwrap(), "0a1f");
        assert_eq!(id("0A2F", &snapshots).unwrap(), "0a2f");
        let refused = id("0a", &snapshots).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        let hint = refused.hint.unwrap();
        assert!(hint.contains("0a1f") && hint.contains("0a2f"), "{hint}");
        for missing in ["1", "", "0a1ff", "first"] {
            assert_eq!(id(missing, &snapshots).unwrap_err().exit, Exit::NotFound, "{missing}");
        }
    }
}
