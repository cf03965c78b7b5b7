//! Diffs to look at.
//!
//! In: an object before and after. Out: unified YAML as `kubectl diff` writes it (with colours on
//! request), two columns side by side, an HTML fragment, Markdown for a pull request. Secrets are
//! masked before anything is written, `managedFields` and `status` are left out, long values are
//! shortened.

mod html;
mod lines;
mod side_by_side;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use gitops_core::{Manifest, yaml};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::lines::{Line, hunks};
use crate::mask::{Masked, mask_pair};

/// How to write a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewOptions {
    /// Lines of context around a change.
    pub context: usize,
    /// ANSI colours in text.
    pub colour: bool,
    /// Width of the two columns together, in characters.
    pub width: usize,
    /// Text values longer than this, in bytes, are shortened.
    pub longest_value: usize,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            context: 3,
            colour: false,
            width: 160,
            longest_value: 4096,
        }
    }
}

/// One object before and after, ready to be written.
#[derive(Debug, Clone)]
pub struct View {
    title: String,
    before: String,
    after: String,
    options: ViewOptions,
}

impl View {
    /// `None` before is a creation, `None` after a deletion.
    #[must_use]
    pub fn new(before: Option<&Manifest>, after: Option<&Manifest>, options: ViewOptions) -> Self {
        let title = match after.or(before) {
            Some(object) => format!("{} {}", object.api_version(), title_of(object)),
            None => String::new(),
        };
        let (masked_before, masked_after) = mask_pair(before, after);
        let text = |object: &Option<Masked<Manifest>>| match object {
            Some(object) => readable_yaml(object.shown(), &options),
            None => String::new(),
        };
        Self {
            title,
            before: text(&masked_before),
            after: text(&masked_after),
            options,
        }
    }

    /// Whether there is anything to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }

    /// A unified diff of the YAML, as `diff -u` writes it; empty where nothing differs.
    #[must_use]
    pub fn unified(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let colour = |code: &str, line: String| {
            if self.options.colour {
                format!("\u{1b}[{code}m{line}\u{1b}[0m\n")
            } else {
                line + "\n"
            }
        };
        let side = |text: &str, name: &str| {
            if text.is_empty() {
                "/dev/null".to_owned()
            } else {
                format!("{name} {}", self.title)
            }
        };
        let mut out = String::new();
        out += &colour("1", format!("--- {}", side(&self.before, "live")));
        out += &colour("1", format!("+++ {}", side(&self.after, "desired")));
        for hunk in hunks(&self.before, &self.after, self.options.context) {
            let range = |start: usize, lines: usize| match lines {
                1 => start.to_string(),
                lines => format!("{start},{lines}"),
            };
            out += &colour(
                "36",
                format!(
                    "@@ -{} +{} @@",
                    range(hunk.before, hunk.before_lines),
                    range(hunk.after, hunk.after_lines)
                ),
            );
            for line in &hunk.lines {
                match line {
                    Line::Same(text) => {
                        out.push(' ');
                        out.push_str(text);
                        out.push('\n');
                    }
                    Line::Removed(text) => out += &colour("31", format!("-{text}")),
                    Line::Added(text) => out += &colour("32", format!("+{text}")),
                }
            }
        }
        out
    }

    /// Two columns: before left, after right.
    #[must_use]
    pub fn side_by_side(&self) -> String {
        side_by_side::write(self)
    }

    /// A fragment of HTML: a table with classes `diff-same`, `diff-removed` and `diff-added`.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(self)
    }

    /// A section of Markdown for a comment on a pull request.
    #[must_use]
    pub fn markdown(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let diff = self.unified_without_colour();
        // A fence that is longer than any in the text.
        let longest = diff
            .split(|c| c != '`')
            .map(str::len)
            .max()
            .unwrap_or_default();
        let fence = "`".repeat(longest.max(2) + 1);
        let what = match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => "created",
            (_, true) => "deleted",
            _ => "changed",
        };
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "<details><summary><code>{}</code> {what}</summary>\n\n{fence}diff\n{diff}{fence}\n\n</details>\n",
            html::escape(&self.title)
        );
        out
    }

    fn unified_without_colour(&self) -> String {
        let mut plain = self.clone();
        plain.options.colour = false;
        plain.unified()
    }
}

/// `Deployment shop/web`.
fn title_of(object: &Manifest) -> String {
    if object.namespace().is_empty() {
        format!("{} {}", object.kind(), object.name())
    } else {
        format!("{} {}/{}", object.kind(), object.namespace(), object.name())
    }
}

fn readable_yaml(object: &Manifest, options: &ViewOptions) -> String {
    let mut value = object.to_value();
    if let Value::Object(map) = &mut value {
        map.remove("status");
        if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
            metadata.remove("managedFields");
        }
    }
    shorten(&mut value, options.longest_value);
    yaml::to_string(&value)
}

/// Long texts are cut; a fingerprint keeps equal and different ones apart.
fn shorten(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) if text.len() > longest => {
            let mut end = longest.min(80);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let hash = Sha256::digest(text.as_bytes());
            let hash: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
            *text = format!("{}… ({} bytes, sha256 {hash}…)", &text[..end], text.len());
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, longest)),
        Value::Object(map) => map.values_mut().for_each(|item| shorten(item, longest)),
        _ => {}
    }
}
