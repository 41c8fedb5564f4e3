//! What the project promises, against what was measured in one and the same run.

use std::fmt::Write as _;

use super::table::number;
use super::{Measure, OURS};
use crate::caches::Cache;
use crate::data::Set;
use crate::results::Results;
use crate::tools::Step;

/// A promise about one data set.
struct Target {
    set: Set,
    measure: Measure,
    bound: Bound,
}

enum Bound {
    /// At least so many times as fast as the fastest peer.
    Faster(f64),
    /// At most this part of the smallest deduplicating peer's, rounded to two places.
    Part(f64),
    /// At most so much, in the unit of the measure.
    Most(f64),
}

const FIRST: Measure = Measure::Wall(Step::FirstPush);
const SECOND: Measure = Measure::Wall(Step::SecondPush);
const PULL: Measure = Measure::Wall(Step::Pull);

fn all() -> Vec<Target> {
    let mut all = Vec::new();
    let sets = [Set::Tree, Set::Small, Set::Dump, Set::Media];
    let faster: [(_, [f64; 4]); 3] = [(FIRST, [2.0, 2.1, 1.4, 3.0]), (SECOND, [2.0, 3.0, 1.0, 1.0]), (PULL, [1.4; 4])];
    for (measure, bounds) in faster {
        all.extend(sets.into_iter().zip(bounds).map(|(set, times)| Target {
            set,
            measure,
            bound: Bound::Faster(times),
        }));
    }
    let parts = sets.into_iter().zip([1.00, 0.68, 1.00, 1.00]);
    all.extend(parts.map(|(set, part)| Target { set, measure: Measure::Repository, bound: Bound::Part(part) }));
    let memory = |set| Target {
        set,
        measure: Measure::Memory,
        bound: Bound::Most(if set == Set::Million { 160.0 } else { 128.0 }),
    };
    all.extend(Set::ALL.map(memory));
    all.push(Target { set: Set::Million, measure: SECOND, bound: Bound::Most(10.0) });
    all
}

/// What the table's columns mean.
pub(super) const EXPLANATION: &str = "\
The best peer is the fastest of all others, tar+zstd+age among them; for the repository it is the smallest of those that
deduplicate. The last column leaves tar+zstd+age out, which neither deduplicates nor has anything incremental.
";

/// The table of targets, met and missed.
pub(crate) fn table(results: &Results) -> String {
    let mut text = String::from(
        "| target | set | bound | measured | verdict | best peer | without tar+zstd+age |\n|---|---|---|---|---|---|---|\n",
    );
    for target in all() {
        let row = judge(&target, results);
        let (what, bound) = target.words();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {what} | {} | {bound} | {} | {} | {} | {} |",
            target.set.name(),
            row.measured.as_deref().unwrap_or("–"),
            row.verdict,
            row.peer.as_deref().unwrap_or("–"),
            row.deduplicating.as_deref().unwrap_or("–")
        );
    }
    text
}

struct Row {
    measured: Option<String>,
    verdict: &'static str,
    peer: Option<String>,
    deduplicating: Option<String>,
}

impl Target {
    fn words(&self) -> (&'static str, String) {
        let what = match self.measure {
            FIRST => "first push",
            SECOND => "second push",
            PULL => "pull of everything",
            Measure::Repository => "repository",
            Measure::Memory => "memory",
            Measure::Wall(step) | Measure::Cpu(step) => step.name(),
        };
        let bound = match (&self.bound, self.measure) {
            (Bound::Faster(times), _) => format!("≥ {times} × as fast"),
            (Bound::Part(part), _) => format!("≤ {part:.2} × as large"),
            (Bound::Most(most), Measure::Memory) => format!("≤ {most} MB"),
            (Bound::Most(most), _) => format!("≤ {most} s"),
        };
        (what, bound)
    }
}

fn judge(target: &Target, results: &Results) -> Row {
    let ours = target.measure.of(results, target.set, OURS, Cache::Warm);
    let verdict = |met: Option<bool>| match met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "not measured",
    };
    if let Bound::Most(most) = target.bound {
        return Row {
            measured: ours.map(number),
            verdict: verdict(ours.map(|ours| ours <= most)),
            peer: None,
            deduplicating: None,
        };
    }
    let all_peers = best(target, results, |_| true);
    let deduplicating = best(target, results, |deduplicates| deduplicates);
    let ratio = |peer: &Option<(f64, String)>| {
        let (peer, ours) = (peer.as_ref()?.0, ours?);
        Some(if matches!(target.bound, Bound::Faster(_)) { peer / ours } else { ours / peer })
    };
    let shown = |peer: &Option<(f64, String)>| {
        let (_, name) = peer.as_ref()?;
        Some(ratio(peer).map_or_else(|| name.clone(), |ratio| format!("{ratio:.2} × {name}")))
    };
    let against = if matches!(target.bound, Bound::Part(_)) { &deduplicating } else { &all_peers };
    let measured = ratio(against);
    let met = measured.map(|ratio| match target.bound {
        Bound::Faster(times) => ratio >= times,
        Bound::Part(part) => (ratio * 100.0).round() / 100.0 <= part,
        Bound::Most(_) => false,
    });
    Row {
        measured: measured.map(|ratio| format!("{ratio:.2}")),
        verdict: verdict(met),
        peer: shown(against),
        deduplicating: shown(&deduplicating),
    }
}

/// The smallest number of any other tool, and its name.
fn best(target: &Target, results: &Results, wanted: impl Fn(bool) -> bool) -> Option<(f64, String)> {
    let peers = results.tools.iter().filter(|tool| tool.name != OURS && wanted(tool.deduplicates));
    let numbers = peers
        .filter_map(|tool| Some((target.measure.of(results, target.set, &tool.name, Cache::Warm)?, tool.name.clone())));
    numbers.min_by(|a, b| a.0.total_cmp(&b.0))
}
