use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::screen::{bytes, count, local_time, table, tame, utc_time};
use crate::snapshots::{Snapshots, short};
use backup_core::{Status, Summary};
use clap::Args;
use jiff::civil::DateTime;
use jiff::{Span, Timestamp, Zoned};
use serde::Serialize;
use std::time::SystemTime;

/// List the snapshots, oldest first
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,

    /// Only the last N of them
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// Which snapshots.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only those of this name; may be given several times
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// Only those of this host; may be given several times
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,

    /// Only those with this tag; with all of them when given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,

    /// Only those taken since then: 2026-11-20, "2026-11-20 09:00", or how long ago: 7d, 12h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
}

impl Filter {
    pub(crate) fn takes(&self, snapshot: &Summary) -> bool {
        (self.name.is_empty() || self.name.contains(&snapshot.name))
            && (self.host.is_empty() || self.host.contains(&snapshot.host))
            && self.tag.iter().all(|tag| snapshot.tags.contains(tag))
            && self.since.is_none_or(|since| snapshot.time >= since)
    }
}

#[derive(Serialize)]
struct SnapshotJson<'a> {
    id: &'a str,
    name: &'a str,
    time: String,
    host: &'a str,
    tags: &'a [String],
    held: bool,
    /// When it came, as an owner has signed it.
    received: Option<String>,
    untimely: bool,
    status: &'static str,
    components: &'a [String],
    size_bytes: u64,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let snapshots = Snapshots::open(context).await?.all().await?;
        let chosen: Vec<&Summary> = snapshots.iter().filter(|snapshot| self.filter.takes(snapshot)).collect();
        let first = chosen.len().saturating_sub(self.last.unwrap_or(usize::MAX));
        let chosen = chosen.get(first..).unwrap_or_default();
        let screen = context.screen();
        if screen.is_json() {
            screen.json(&chosen.iter().map(|snapshot| json(snapshot)).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        if chosen.is_empty() {
            screen.note(if snapshots.is_empty() { "no snapshots yet" } else { "no such snapshots" });
            return Ok(Exit::Done);
        }
        let ids = || snapshots.iter().map(|snapshot| snapshot.id.clone());
        let rows = chosen.iter().map(|snapshot| row(short(&snapshot.id, ids()), snapshot));
        let mut out = screen.out();
        out.line(table(screen, &["id", "time", "name", "host", "tags", "status", ">files", ">size"], rows))?;
        out.done()?;
        Ok(Exit::Done)
    }
}

fn json(snapshot: &Summary) -> SnapshotJson<'_> {
    SnapshotJson {
        id: &snapshot.id.0,
        name: &snapshot.name,
        time: utc_time(snapshot.time),
        host: &snapshot.host,
        tags: &snapshot.tags,
        held: snapshot.held,
        received: snapshot.received.map(utc_time),
        untimely: snapshot.untimely,
        status: snapshot.status.as_str(),
        components: &snapshot.components,
        size_bytes: snapshot.totals.size_bytes,
    }
}

fn row(id: &str, snapshot: &Summary) -> Vec<String> {
    let marks = [(snapshot.held, "held"), (snapshot.untimely, "untimely")];
    let marks = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark));
    // That all is well goes without saying where there is something to say.
    let status = Some(snapshot.status.as_str()).filter(|_| snapshot.status != Status::Complete);
    let words: Vec<&str> = status.into_iter().chain(marks).collect();
    vec![
        id.to_owned(),
        local_time(snapshot.time),
        tame(&snapshot.name).into_owned(),
        tame(&snapshot.host).into_owned(),
        tame(&snapshot.tags.join(" ")).into_owned(),
        if words.is_empty() { snapshot.status.as_str().to_owned() } else { words.join(", ") },
        count(snapshot.totals.files),
        bytes(snapshot.totals.size_bytes),
    ]
}

/// A date or a time in the time zone of this host, an instant, or how long ago.
fn since(text: &str) -> Result<SystemTime, String> {
    moment(text, &Zoned::now()).map(SystemTime::from).map_err(|_: Failure| {
        "give a date (2026-11-20), a time (\"2026-11-20 09:00\"), or how long ago (7d, 12h)".to_owned()
    })
}

fn moment(text: &str, now: &Zoned) -> Result<Timestamp> {
    let wrong = |error: jiff::Error| Failure::usage(error.to_string());
    if let Some(time) = named_time(text, now) {
        return Ok(time);
    }
    let ago: Span = text.parse().map_err(wrong)?;
    Ok(now.checked_sub(ago).map_err(wrong)?.timestamp())
}

/// An instant, or a date or time in the time zone of `now`.
pub(crate) fn named_time(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_times_instants_or_how_long_ago() {
        let now: Zoned = "2026-11-20T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (text, expected) in [
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-11-20 09:30", "2026-11-20T08:30:00Z"),
            ("2026-11-20T09:30:00Z", "2026-11-20T09:30:00Z"),
            ("7d", "2026-11-13T11:00:00Z"),
            ("1h 30m", "2026-11-20T09:30:00Z"),
            ("2 weeks", "2026-11-06T11:00:00Z"),
        ] {
            assert_eq!(moment(text, &now).unwrap(), expected.parse().unwrap(), "{text}");
        }
        for text in ["", "yesterday-ish", "20.11.2026", "7"] {
            assert!(moment(text, &now).is_err(), "{text}");
        }
    }
}
