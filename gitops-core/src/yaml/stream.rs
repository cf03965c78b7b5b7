//! Streams of documents.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    error::{Limit, YamlError, YamlErrorKind},
    from_str_with,
    options::Options,
    scan::Mark,
};

/// The documents of a stream as raw text, split as k8s.io/apimachinery's `YAMLReader` does: at lines
/// that begin with `---`. Lines end with `\n` whatever they ended with; a `---` that begins the
/// stream stays with its document. After an error nothing follows.
///
/// ```
/// let chunks: Result<Vec<_>, _> = gitops_core::yaml::chunks("a: 1\n---\nb: 2\n").collect();
/// assert_eq!(chunks?, ["a: 1\n", "b: 2\n"]);
/// # Ok::<(), gitops_core::yaml::YamlError>(())
/// ```
#[must_use]
pub fn chunks(text: &str) -> Chunks<'_> {
    Chunks {
        rest: text,
        line: 0,
        chunk_line: 0,
    }
}

/// Iterator of [`chunks`].
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rest: &'a str,
    /// Lines taken.
    line: usize,
    /// Lines before the chunk that was given last.
    chunk_line: usize,
}

impl<'a> Chunks<'a> {
    /// How many lines of the stream come before the chunk that was given last.
    #[must_use]
    pub fn lines_before(&self) -> usize {
        self.chunk_line
    }

    fn take_line(&mut self) -> &'a str {
        let end = memchr::memchr(b'\n', self.rest.as_bytes()).map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.line += 1;
        line
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Cow<'a, str>, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.chunk_line = self.line;
        let start = self.rest;
        let mut length = 0;
        let mut has_carriage_return = false;
        while !self.rest.is_empty() {
            let line = self.take_line();
            if let Some(after) = line.strip_prefix("---") {
                let after = after.trim();
                if !after.is_empty() && !after.starts_with('#') {
                    self.rest = "";
                    return Some(Err(YamlError {
                        line: self.line,
                        column: 4,
                        message: format!("invalid Yaml document separator: {after}"),
                        kind: YamlErrorKind::Syntax,
                    }));
                }
                if length > 0 {
                    break;
                }
            }
            length += line.len();
            has_carriage_return |= line.ends_with("\r\n");
        }
        let chunk = &start[..length];
        if chunk.is_empty() {
            return None;
        }
        let complete = chunk.ends_with('\n');
        if complete && !has_carriage_return {
            return Some(Ok(Cow::Borrowed(chunk)));
        }
        let mut chunk = chunk.replace("\r\n", "\n");
        if !complete {
            chunk.push('\n');
        }
        Some(Ok(Cow::Owned(chunk)))
    }
}

/// The values of a stream, read as k8s.io/apimachinery's `YAMLOrJSONDecoder` does: JSON values one
/// after the other, if the stream begins with `{`, or YAML documents as of [`chunks`], of which
/// empty ones are `null`. After an error nothing follows. Errors name lines of the whole stream,
/// their messages lines of the document.
///
/// ```
/// let values: Result<Vec<_>, _> = gitops_core::yaml::documents("a: 1\n---\n# none\n").collect();
/// assert_eq!(values?, [serde_json::json!({"a": 1}), serde_json::Value::Null]);
/// # Ok::<(), gitops_core::yaml::YamlError>(())
/// ```
#[must_use]
pub fn documents(text: &str) -> Documents<'_> {
    documents_with(text, Options::default())
}

/// As [`documents`], with options.
#[must_use]
pub fn documents_with(text: &str, options: Options) -> Documents<'_> {
    let state = if text.len() > options.max_bytes {
        State::TooLong
    } else if text.trim_start().starts_with('{') {
        State::Json {
            rest: text,
            count: 0,
        }
    } else {
        State::Yaml(chunks(text))
    };
    Documents {
        state,
        options,
        count: 0,
        line: 0,
        document_line: 0,
    }
}

/// Iterator of [`documents`].
#[derive(Debug, Clone)]
pub struct Documents<'a> {
    state: State<'a>,
    options: Options,
    count: usize,
    /// Lines before the part of the stream that is read now.
    line: usize,
    /// Lines before the document that was read last.
    document_line: usize,
}

#[derive(Debug, Clone)]
enum State<'a> {
    Json { rest: &'a str, count: usize },
    Yaml(Chunks<'a>),
    TooLong,
    Done,
}

impl Iterator for Documents<'_> {
    type Item = Result<Value, YamlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read()?;
        self.count += 1;
        let read = match read {
            Ok(_) if self.count > self.options.max_documents => {
                let allowed = self.options.max_documents;
                Err(YamlError {
                    line: self.document_line + 1,
                    ..YamlError::limit(Mark::default(), Limit::Documents, allowed)
                })
            }
            read => read,
        };
        if read.is_err() {
            self.state = State::Done;
        }
        Some(read)
    }
}

impl Documents<'_> {
    fn read(&mut self) -> Option<Result<Value, YamlError>> {
        match &mut self.state {
            State::Done => None,
            State::TooLong => {
                let allowed = self.options.max_bytes;
                Some(Err(YamlError::limit(
                    Mark::default(),
                    Limit::Bytes,
                    allowed,
                )))
            }
            State::Json { rest, count } => {
                let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
                let read = stream.next()?;
                self.document_line = self.line;
                let error = match read {
                    Ok(value) => {
                        let used = stream.byte_offset();
                        self.line += rest[..used].matches('\n').count();
                        *rest = &rest[used..];
                        *count += 1;
                        return Some(Ok(value));
                    }
                    Err(error) => YamlError {
                        line: self.line + error.line(),
                        column: error.column(),
                        message: format!("json: {error}"),
                        kind: YamlErrorKind::Syntax,
                    },
                };
                // A single JSON value may be the first document of a stream of YAML.
                let remaining = match skip_line_of_blanks(rest) {
                    Some(remaining) if *count <= 1 => remaining,
                    _ => return Some(Err(error)),
                };
                self.line += rest[..rest.len() - remaining.len()].matches('\n').count();
                self.state = State::Yaml(chunks(remaining));
                self.read().map(|read| read.map_err(|_| error))
            }
            State::Yaml(chunks) => {
                let chunk = chunks.next()?;
                let lines_before = self.line + chunks.lines_before();
                self.document_line = lines_before;
                Some(match chunk {
                    Ok(chunk) => from_str_with(&chunk, &self.options).map_err(|mut error| {
                        if error.line > 0 {
                            error.line += lines_before;
                        }
                        error
                    }),
                    Err(mut error) => {
                        error.line += self.line;
                        Err(error)
                    }
                })
            }
        }
    }
}

/// What follows blanks up to a line break. `None` where less than four bytes are left, the least
/// that apimachinery takes for a document.
fn skip_line_of_blanks(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        if rest.len() < 4 {
            return None;
        }
        match rest.chars().next() {
            Some('\n') => return Some(&rest[1..]),
            Some(blank) if blank.is_whitespace() => rest = &rest[blank.len_utf8()..],
            _ => return Some(rest),
        }
    }
}
