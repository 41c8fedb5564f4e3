use super::Screen;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use rustix::termios::tcgetwinsize;
use std::io;

/// Columns that stay readable when standard output is no terminal.
const DEFAULT_WIDTH: u16 = 120;

/// A table of text for standard output, as wide as the terminal at most. Columns whose heading begins with `>` are
/// aligned to the right.
pub(crate) fn table(screen: &Screen, headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width());
    let plain = headings.iter().map(|heading| heading.trim_start_matches('>'));
    table.set_header(plain);
    for row in rows {
        table.add_row(row);
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let mut text = screen.out_paint.strong(heading.trim_end());
    for line in lines {
        text.push('\n');
        text.push_str(line.trim_end());
    }
    text
}

fn width() -> u16 {
    tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(DEFAULT_WIDTH)
}
