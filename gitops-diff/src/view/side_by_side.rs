//! Two columns.

use super::{
    View,
    lines::{Line, hunks},
};

/// Columns narrower than this show nothing.
const NARROWEST: usize = 10;

pub(super) fn write(view: &View) -> String {
    let column = (view.options.width.saturating_sub(3) / 2).max(NARROWEST);
    let mut out = String::new();
    for (at, hunk) in hunks(&view.before, &view.after, view.options.context)
        .iter()
        .enumerate()
    {
        if at > 0 {
            out.push_str("⋮\n");
        }
        let mut lines = hunk.lines.iter().peekable();
        while let Some(line) = lines.next() {
            match line {
                Line::Same(text) => row(view, &mut out, column, Some(text), Some(text), ' '),
                Line::Added(text) => row(view, &mut out, column, None, Some(text), '>'),
                Line::Removed(text) => {
                    // A block of removed lines stands beside the block that replaces it.
                    let mut removed = vec![*text];
                    while let Some(Line::Removed(text)) =
                        lines.next_if(|line| matches!(line, Line::Removed(_)))
                    {
                        removed.push(text);
                    }
                    let mut added = Vec::new();
                    while let Some(Line::Added(text)) =
                        lines.next_if(|line| matches!(line, Line::Added(_)))
                    {
                        added.push(*text);
                    }
                    for at in 0..removed.len().max(added.len()) {
                        let (left, right) = (removed.get(at).copied(), added.get(at).copied());
                        let sign = match (left, right) {
                            (Some(_), Some(_)) => '|',
                            (Some(_), None) => '<',
                            _ => '>',
                        };
                        row(view, &mut out, column, left, right, sign);
                    }
                }
            }
        }
    }
    out
}

fn row(
    view: &View,
    out: &mut String,
    column: usize,
    left: Option<&str>,
    right: Option<&str>,
    sign: char,
) {
    let cell = |text: Option<&str>| -> String {
        let mut cell: String = text.unwrap_or_default().chars().take(column).collect();
        if text.is_some_and(|text| text.chars().count() > column) {
            cell.pop();
            cell.push('…');
        }
        cell
    };
    let (left, right) = (cell(left), cell(right));
    let padding = " ".repeat(column.saturating_sub(left.chars().count()));
    let paint = |code: &str, text: &str| {
        if view.options.colour && sign != ' ' && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    };
    let line = format!(
        "{}{padding} {sign} {}",
        paint("31", &left),
        paint("32", &right)
    );
    out.push_str(line.trim_end());
    out.push('\n');
}
