//! Two texts line by line.

use imara_diff::{Algorithm, Diff, InternedInput};

/// A line of two compared texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Same(&'t str),
    Removed(&'t str),
    Added(&'t str),
}

/// Lines that belong together: changes with their context.
#[derive(Debug)]
pub(super) struct Hunk<'t> {
    /// Number of the first line before, from 1; of the line in front of it where there is none.
    pub(super) before: usize,
    pub(super) before_lines: usize,
    pub(super) after: usize,
    pub(super) after_lines: usize,
    pub(super) lines: Vec<Line<'t>>,
}

/// The changes between two texts, each with so many lines of context.
pub(super) fn hunks<'t>(before: &'t str, after: &'t str, context: usize) -> Vec<Hunk<'t>> {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();

    let mut out: Vec<Hunk<'t>> = Vec::new();
    // End of the last change, before and after.
    let mut end = (0_usize, 0_usize);
    for change in diff.hunks() {
        let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        let (b0, b1) = (index(change.before.start), index(change.before.end));
        let (a0, a1) = (index(change.after.start), index(change.after.end));
        let near = b0 - end.0 <= 2 * context && !out.is_empty();
        if !near {
            if let Some(last) = out.last_mut() {
                trail(last, &old, end.0, context);
            }
            let lead = context.min(b0);
            out.push(Hunk {
                before: b0 - lead,
                before_lines: 0,
                after: a0 - lead.min(a0),
                after_lines: 0,
                lines: Vec::new(),
            });
        }
        let Some(hunk) = out.last_mut() else { continue };
        let lead = if near { end.0 } else { hunk.before };
        hunk.lines
            .extend(old[lead..b0].iter().map(|line| Line::Same(line)));
        hunk.lines
            .extend(old[b0..b1].iter().map(|line| Line::Removed(line)));
        hunk.lines
            .extend(new[a0..a1].iter().map(|line| Line::Added(line)));
        end = (b1, a1);
    }
    if let Some(last) = out.last_mut() {
        trail(last, &old, end.0, context);
    }
    for hunk in &mut out {
        let count = |skip: fn(&Line<'_>) -> bool| hunk.lines.iter().filter(|l| !skip(l)).count();
        hunk.before_lines = count(|line| matches!(line, Line::Added(_)));
        hunk.after_lines = count(|line| matches!(line, Line::Removed(_)));
        hunk.before += usize::from(hunk.before_lines > 0);
        hunk.after += usize::from(hunk.after_lines > 0);
    }
    out
}

fn trail<'t>(hunk: &mut Hunk<'t>, old: &[&'t str], from: usize, context: usize) {
    let to = (from + context).min(old.len());
    hunk.lines
        .extend(old[from..to].iter().map(|line| Line::Same(line)));
}
