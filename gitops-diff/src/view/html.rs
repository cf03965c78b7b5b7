//! A fragment of HTML.

use super::{
    View,
    lines::{Line, hunks},
};

pub(super) fn write(view: &View) -> String {
    let mut out = String::from("<table class=\"diff\"><caption>");
    out.push_str(&escape(&view.title));
    out.push_str("</caption>\n");
    for hunk in hunks(&view.before, &view.after, view.options.context) {
        let (mut before, mut after) = (hunk.before, hunk.after);
        out.push_str("<tbody>\n");
        for line in &hunk.lines {
            let (class, text, is_before, is_after) = match line {
                Line::Same(text) => ("diff-same", text, true, true),
                Line::Removed(text) => ("diff-removed", text, true, false),
                Line::Added(text) => ("diff-added", text, false, true),
            };
            let number = |shown: bool, number: &mut usize| {
                let text = if shown {
                    number.to_string()
                } else {
                    String::new()
                };
                *number += usize::from(shown);
                text
            };
            let (old, new) = (number(is_before, &mut before), number(is_after, &mut after));
            out.push_str(&format!(
                "<tr class=\"{class}\"><td>{old}</td><td>{new}</td><td><pre>{}</pre></td></tr>\n",
                escape(text)
            ));
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n");
    out
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
