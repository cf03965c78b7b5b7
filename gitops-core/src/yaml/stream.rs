//! Streams of documents.

use serde_json::Value;

use super::{
    error::{Limit, YamlError, YamlErrorKind},
    from_str_with,
    options::Options,
};

/// The documents of a stream as raw text, split as k8s.io/apimachinery's `YAMLReader` does: at lines
/// that begin with `---`. Lines end with `\n` whatever they ended with; a `---` that begins the
/// stream stays with its document.
#[must_use]
pub fn chunks(text: &str) -> Chunks<'_> {
    Chunks {
        rest: Some(text),
        line: 0,
    }
}

/// The values of a stream of YAML documents; empty documents are `null`. After an error nothing
/// follows.
pub fn documents(text: &str) -> impl Iterator<Item = Result<Value, YamlError>> {
    documents_with(text, Options::default())
}

/// As [`documents`], with options.
pub(crate) fn documents_with(
    text: &str,
    options: Options,
) -> impl Iterator<Item = Result<Value, YamlError>> {
    let mut chunks = chunks(text);
    let mut failed = false;
    let mut count = 0;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let line = chunks.line;
        let read = chunks.next()?.and_then(|chunk| {
            count += 1;
            if count > options.max_documents {
                return Err(YamlError::limit(
                    line + 1,
                    1,
                    Limit::Documents,
                    options.max_documents,
                ));
            }
            from_str_with(&chunk, &options)
        });
        failed = read.is_err();
        Some(read)
    })
}

/// Iterator of [`chunks`].
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rest: Option<&'a str>,
    /// Lines taken.
    line: usize,
}

impl Iterator for Chunks<'_> {
    type Item = Result<String, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = String::new();
        loop {
            let rest = self.rest?;
            if rest.is_empty() {
                self.rest = None;
                return (!chunk.is_empty()).then_some(Ok(chunk));
            }
            let (line, rest) = rest.split_once('\n').unwrap_or((rest, ""));
            self.rest = Some(rest);
            self.line += 1;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if let Some(after) = line.strip_prefix("---") {
                let after = after.trim();
                if !after.is_empty() && !after.starts_with('#') {
                    self.rest = None;
                    return Some(Err(YamlError {
                        line: self.line,
                        column: 4,
                        message: format!("invalid Yaml document separator: {after}"),
                        kind: YamlErrorKind::Syntax,
                    }));
                }
                if !chunk.is_empty() {
                    return Some(Ok(chunk));
                }
            }
            chunk.push_str(line);
            chunk.push('\n');
        }
    }
}
