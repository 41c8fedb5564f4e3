//! Grouped bars as SVG: a plot for each measure, a group for each data set, a bar for each tool.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Measure;
use super::table::number;
use crate::caches::Cache;
use crate::data::Set;
use crate::results::{Results, ToolFacts};
use crate::tools::Step;

const PLOTS: &[(&str, &str, Measure)] = &[
    ("first-push", "First push, seconds", Measure::Wall(Step::FirstPush)),
    ("second-push", "Second push, nothing changed, seconds", Measure::Wall(Step::SecondPush)),
    ("pull", "Pull of everything, seconds", Measure::Wall(Step::Pull)),
    ("pull-of-one-file", "Pull of one file, seconds", Measure::Wall(Step::PullOne)),
    ("prune", "Prune after forgetting half, seconds", Measure::Wall(Step::Prune)),
    ("repository", "Repository after the first push, MiB", Measure::Repository),
    ("memory", "Largest memory of all steps, MB", Measure::Memory),
];

/// Told apart by people with any colour vision (after Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(150, 150, 150),
];

/// Bars longer than this many times the best are cut, and marked: their number tells.
const CUT: f64 = 6.0;
const SIZE: (u32, u32) = (1100, 380);

/// Writes the plots that have anything to show, and gives their paths relative to the page.
pub(super) fn write_all(results: &Results, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, title, measure) in PLOTS {
        let groups = groups(results, *measure);
        if groups.is_empty() {
            continue;
        }
        let file = folder.join(name).with_extension("svg");
        draw(&file, title, results, &groups).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))?;
        written.push(Path::new(folder.file_name().unwrap_or_default()).join(name).with_extension("svg"));
    }
    Ok(written)
}

struct Group {
    set: Set,
    /// Which of the tools that ran, and its number.
    bars: Vec<(usize, f64)>,
}

/// The tools that ran; their order gives places and colours.
fn ran(results: &Results) -> Vec<&ToolFacts> {
    results.tools.iter().filter(|tool| tool.version.is_some()).collect()
}

fn groups(results: &Results, measure: Measure) -> Vec<Group> {
    let bars = |set| {
        let tools = ran(results).into_iter().enumerate();
        tools.filter_map(|(index, tool)| Some((index, measure.of(results, set, &tool.name, Cache::Warm)?))).collect()
    };
    let groups = results.sets.iter().map(|facts| Group { set: facts.set, bars: bars(facts.set) });
    groups.filter(|group| !group.bars.is_empty()).collect()
}

fn draw<'a>(
    file: &'a Path,
    title: &str,
    results: &Results,
    groups: &[Group],
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{title}; length of the bars: times the best"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(24)
        .y_label_area_size(36)
        .build_cartesian_2d(0.0..groups.len() as f64, 0.0..CUT + 1.0)?;
    chart.configure_mesh().disable_x_mesh().disable_x_axis().light_line_style(WHITE).y_labels(7).draw()?;
    let width = 0.9 / ran(results).len().max(1) as f64;
    let centred =
        |size: i32| ("sans-serif", size).into_font().into_text_style(&area).pos(Pos::new(HPos::Center, VPos::Bottom));
    for (at, group) in groups.iter().enumerate() {
        let best = group.bars.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
        for (tool, value) in &group.bars {
            let left = at as f64 + 0.05 + *tool as f64 * width;
            let top = (value / best).min(CUT);
            let colour = COLOURS.get(tool % COLOURS.len()).copied().unwrap_or(BLACK);
            chart.draw_series([Rectangle::new([(left, 0.0), (left + width * 0.92, top)], colour.filled())])?;
            let cut = if value / best > CUT { " ↑" } else { "" };
            let label = Text::new(format!("{}{cut}", number(*value)), (left + width * 0.46, top + 0.05), centred(11));
            chart.draw_series([label])?;
        }
        let (x, y) = chart.backend_coord(&(at as f64 + 0.5, 0.0));
        area.draw(&Text::new(group.set.name(), (x, y + 20), centred(14)))?;
    }
    legend(&area, results)?;
    area.present()?;
    Ok(())
}

fn legend<'a>(
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    results: &Results,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    for (index, tool) in ran(results).into_iter().enumerate() {
        let (x, y) = (60 + 130 * index as i32, 40);
        let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK);
        area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], colour.filled()))?;
        area.draw(&Text::new(tool.name.clone(), (x + 17, y), ("sans-serif", 13)))?;
    }
    Ok(())
}
