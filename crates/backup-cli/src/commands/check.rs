use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::place::{chosen, open_any};
use crate::screen::{Screen, counted};
use backup_core::{CheckOptions, Finding, ReadData, Report};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;

/// Look for damage
///
/// Verifies that everything that snapshots need is there and fits together; with --read-data also the content itself.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Also read and verify stored content: all of it, a random share (10%), or one part of several (3/7)
    #[arg(long, value_name = "N%|I/N", num_args = 0..=1, require_equals = true, default_missing_value = "100%", value_parser = read_data)]
    read_data: Option<ReadData>,
}

impl Check {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit> {
        let opened = open_any(&context.settings, &chosen(context)?).await?;
        let options = CheckOptions::default().with_read(self.read_data.unwrap_or_default());
        let progress = context.screen().progress();
        let report = opened.catalogue().check(options, progress.clone()).await;
        progress.end();
        let report = report?;
        show(context.screen(), &report, self.read_data == Some(ReadData::All))?;
        Ok(if report.is_clean() { Exit::Done } else { Exit::Damage })
    }
}

fn show(screen: &Screen, report: &Report, has_read_all: bool) -> Result<()> {
    if screen.is_json() {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|finding| {
                let affects: Vec<&str> = finding.affects.iter().map(|id| id.0.as_str()).collect();
                json!({ "object": finding.object, "problem": finding.problem, "affects": affects })
            })
            .collect();
        let checked: &BTreeMap<String, u64> = &report.checked;
        return screen.json(&json!({ "clean": report.is_clean(), "findings": findings, "checked": checked }));
    }
    let mut out = screen.out();
    for finding in &report.findings {
        out.line(format_args!("{} {}: {}", screen.out_paint.error("damage:"), finding.object, finding.problem))?;
        for id in &finding.affects {
            out.line(format_args!("  affects snapshot {id}"))?;
        }
    }
    out.done()?;
    let checked: Vec<String> = report.checked.iter().map(|(kind, number)| counted(*number, kind)).collect();
    screen.note(format_args!("checked {}", checked.join(", ")));
    if report.is_clean() {
        screen.note("no damage found");
        return Ok(());
    }
    screen.note(if has_read_all {
        "no other damage found"
    } else {
        "no other damage found; with --read-data all content is looked at, too"
    });
    let stands_in_none = |problem: &str| ["in no pack", "in no index run"].iter().any(|none| problem.contains(none));
    let is_of_index = |found: &Finding| found.object.starts_with("index/") || stands_in_none(&found.problem);
    if report.findings.iter().any(is_of_index) {
        screen.note("`backup repair index` finds again what packs hold and the index does not list");
    }
    Ok(())
}

fn read_data(text: &str) -> Result<ReadData, String> {
    let wrong = || "give a share (10%) or one part of several (3/7)".to_owned();
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.parse::<u8>() {
            Ok(100) => Ok(ReadData::All),
            Ok(percent @ 1..100) => Ok(ReadData::Percent(percent)),
            _ => Err(wrong()),
        };
    }
    let (part, of) = text.split_once('/').ok_or_else(wrong)?;
    match (part.parse::<u32>(), of.parse::<u32>()) {
        (Ok(part), Ok(of)) if part >= 1 && part <= of => Ok(ReadData::Part { part, of }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_parts_of_the_content() {
        assert_eq!(read_data("100%"), Ok(ReadData::All));
        assert_eq!(read_data("7%"), Ok(ReadData::Percent(7)));
        assert_eq!(read_data("3/7"), Ok(ReadData::Part { part: 3, of: 7 }));
        for wrong in ["0%", "101%", "-1%", "0/7", "8/7", "1/0", "half", ""] {
            assert!(read_data(wrong).is_err(), "{wrong}");
        }
    }
}
