//! Tables in plain text: columns aligned, the head underlined, long cells broken inside their column.

use comrak::nodes::TableAlignment;
use unicode_width::UnicodeWidthStr as _;

use super::wrap::wrap;

/// Columns between two columns.
const GAP: usize = 2;
/// A column is not made narrower than this.
const CELL_MIN: usize = 6;

/// Writes `rows`, the first of which is the head.
pub fn write(rows: Vec<Vec<String>>, alignments: &[TableAlignment], columns: usize) -> Vec<String> {
    let widths = widths(&rows, alignments.len(), columns);
    let mut lines = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let cells: Vec<Vec<String>> = row.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width)).collect();
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            lines.push(write_line(&cells, line, &widths, alignments));
        }
        if i == 0 {
            lines.push(widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  "));
        }
    }
    lines
}

/// The width each column needs, the widest made narrower until all fit.
fn widths(rows: &[Vec<String>], count: usize, columns: usize) -> Vec<usize> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0).max(1);
    let mut widths: Vec<usize> = (0..count).map(width).collect();
    let room = columns.saturating_sub(GAP * count.saturating_sub(1)).max(CELL_MIN * count);
    while widths.iter().sum::<usize>() > room {
        let Some(widest) = widths.iter_mut().max() else { break };
        *widest -= 1;
    }
    widths
}

fn write_line(cells: &[Vec<String>], line: usize, widths: &[usize], alignments: &[TableAlignment]) -> String {
    let mut out = String::new();
    for ((cell, width), alignment) in cells.iter().zip(widths).zip(alignments) {
        let text = cell.get(line).map_or("", String::as_str);
        let room = width.saturating_sub(text.width());
        let before = match alignment {
            TableAlignment::Right => room,
            TableAlignment::Center => room / 2,
            _ => 0,
        };
        if !out.is_empty() {
            out.push_str(&" ".repeat(GAP));
        }
        out.push_str(&" ".repeat(before));
        out.push_str(text);
        out.push_str(&" ".repeat(room - before));
    }
    out
}
