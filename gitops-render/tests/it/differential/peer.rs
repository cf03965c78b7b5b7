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
        let text = |key: &str| {
            let encoded = answer.get(key)?.as_str()?;
            let bytes = BASE64_STANDARD.decode(encoded).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        Some(match text("error") {
            Some(error) => Err(error),
            None => Ok(text("out").unwrap_or_default()),
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
