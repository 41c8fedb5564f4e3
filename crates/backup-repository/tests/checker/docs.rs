//! The parts of docs/protocol.md that are generated. With `BACKUP_UPDATE_DOCS=1` they are written, else compared.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
const TABLE: (&str, &str) = ("<!-- scenarios -->\n", "<!-- /scenarios -->");
const TRACE: (&str, &str) = ("<!-- trace: ", "<!-- /trace -->");

/// The tests of one process write one after the other.
static PAGE: Mutex<()> = Mutex::new(());

/// Holds the text of the page between two marks to what `make` makes of it.
fn hold(what: &str, begin: &str, end: &str, make: impl FnOnce(&str) -> String) {
    let _alone = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = page.split_once(begin).unwrap_or_else(|| panic!("docs/protocol.md has no {begin:?}"));
    let (there, after) = rest.split_once(end).unwrap_or_else(|| panic!("docs/protocol.md has no {end:?}"));
    let wanted = make(there);
    if wanted == there {
        return;
    }
    assert!(
        std::env::var_os("BACKUP_UPDATE_DOCS").is_some(),
        "docs/protocol.md is not what is generated: {what}. Run this test with BACKUP_UPDATE_DOCS=1.\n{wanted}"
    );
    std::fs::write(PATH, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
}

/// The trace of this name.
pub fn hold_trace(name: &str, trace: &str) {
    hold(name, &format!("{}{name} -->\n", TRACE.0), TRACE.1, |_| format!("```text\n{trace}```\n"));
}

/// The names of the traces on the page.
pub fn traces() -> Vec<String> {
    let page = std::fs::read_to_string(PATH).unwrap();
    let marks = page.split(TRACE.0).skip(1);
    marks.map(|rest| rest.split_once(" -->").expect("the end of a mark").0.to_owned()).collect()
}

/// The row of a scenario in the table, which has one for each of `all`, in this order.
pub fn hold_row(all: &[&str], scenario: &str, cells: &str) {
    hold(scenario, TABLE.0, TABLE.1, |table| {
        let mut rows: HashMap<&str, &str> = rows(table).collect();
        rows.insert(scenario, cells);
        let mut table = "| scenario | states | storages drained | passes |\n|---|---|---|---|\n".to_owned();
        for scenario in all {
            if let Some(cells) = rows.get(scenario) {
                let _ = writeln!(table, "| {scenario} |{cells}");
            }
        }
        table
    });
}

/// The scenarios of the table.
pub fn scenarios() -> Vec<String> {
    let page = std::fs::read_to_string(PATH).unwrap();
    let (_, rest) = page.split_once(TABLE.0).expect("a table of scenarios");
    let (table, _) = rest.split_once(TABLE.1).expect("the end of the table of scenarios");
    rows(table).map(|(scenario, _)| scenario.to_owned()).collect()
}

fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().skip(2).filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
}
