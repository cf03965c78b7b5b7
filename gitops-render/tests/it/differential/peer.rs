//! The program with the real engines: one line a question, one line an answer.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value as Json;

/// The output, or the text of the error.
pub(super) type Answer = Result<String, String>;

pub(super) struct Peer {
    program: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub(super) fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            program: program.to_owned(),
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// The answer to a question; `None` where it ended the program, which is then started again.
    pub(super) fn ask(&mut self, request: &Json) -> Option<Answer> {
        let mut line = String::new();
        let asked = writeln!(self.input, "{request}");
        let read = asked.and_then(|()| self.output.read_line(&mut line));
        if !read.is_ok_and(|length| length > 0) {
            let _ = self.child.wait();
            *self = Self::start(&self.program);
            return None;
        }
        let answer: Json = serde_json::from_str(&line).unwrap();
        let bytes = |key: &str| BASE64_STANDARD.decode(answer.get(key)?.as_str()?).ok();
        Some(match bytes("error") {
            // Errors of this side are texts, with a U+FFFD for each byte that is none.
            Some(error) => Err(text(&error, |_| "\u{fffd}".to_owned())),
            None => Ok(exact(&bytes("out").unwrap_or_default())),
        })
    }
}

/// Bytes as a text in which those that are no text can still be told apart.
pub(super) fn exact(bytes: &[u8]) -> String {
    text(bytes, |byte| format!("\u{fffd}<{byte:x}>"))
}

fn text(bytes: &[u8], shown: impl Fn(u8) -> String) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| shown(*byte)));
    }
    text
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
