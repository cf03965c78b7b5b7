//! jq expressions that select fields.

use std::{sync::mpsc, time::Duration};

use jaq_core::{
    Compiler, Ctx, Vars, data,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::{Val, read};
use serde_json::Value;

use super::paths::{JsonPath, JsonStep};

type Data = data::JustLut<Val>;
type Filter = jaq_core::Filter<Data>;

/// A jq expression cannot be used or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JqError {
    /// It does not compile.
    #[error("the jq expression `{expression}` does not compile: {reason}")]
    Compile {
        /// The expression.
        expression: String,
        /// Why.
        reason: String,
    },
    /// It failed on an object. The reason names no values.
    #[error("the jq expression `{expression}` selects no fields: {reason}")]
    Run {
        /// The expression.
        expression: String,
        /// Why.
        reason: String,
    },
    /// It took too long, or selected too much.
    #[error("the jq expression `{expression}` exceeds the limit of {limit}")]
    Limit {
        /// The expression.
        expression: String,
        /// The limit.
        limit: String,
    },
}

/// So long an expression may run.
pub const TIME_LIMIT: Duration = Duration::from_secs(1);
/// So many fields an expression may select.
const PATH_LIMIT: usize = 100_000;

/// A compiled jq expression that selects fields.
pub struct JqPaths {
    expression: String,
    filter: Filter,
    /// Whether it could run for ever, and so has to be watched.
    unbounded: bool,
}

impl std::fmt::Debug for JqPaths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("JqPaths").field(&self.expression).finish()
    }
}

impl JqPaths {
    /// Compiles an expression such as `.spec.containers[] | select(.name == "web") | .image`.
    pub fn compile(expression: &str) -> Result<Self, JqError> {
        let error = |reason: String| JqError::Compile {
            expression: expression.to_owned(),
            reason,
        };
        // By itself first: the parentheses below must not complete it.
        compile(&format!("{PRELUDE}{expression}")).map_err(error)?;
        let filter = compile(&path_program(expression)).map_err(error)?;
        Ok(Self {
            expression: expression.to_owned(),
            filter,
            unbounded: can_run_for_ever(expression),
        })
    }

    /// The expression.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The fields that it selects in an object, as jq's `path(…)` gives them.
    pub fn select(&self, object: &Value) -> Result<Vec<JsonPath>, JqError> {
        let text = object.to_string();
        let paths = if self.unbounded {
            self.select_watched(text)?
        } else {
            run(&self.filter, &text)
        };
        paths.map_err(|failure| match failure {
            Failure::Error(reason) => JqError::Run {
                expression: self.expression.clone(),
                reason,
            },
            Failure::TooMany => JqError::Limit {
                expression: self.expression.clone(),
                limit: format!("{PATH_LIMIT} fields"),
            },
        })
    }

    /// On a thread of its own, which is given up after the time limit.
    fn select_watched(&self, text: String) -> Result<Result<Vec<JsonPath>, Failure>, JqError> {
        let (sender, receiver) = mpsc::channel();
        let program = path_program(&self.expression);
        std::thread::Builder::new()
            .name("jq".to_owned())
            .spawn(move || {
                let answer = match compile(&program) {
                    Ok(filter) => run(&filter, &text),
                    Err(reason) => Err(Failure::Error(reason)),
                };
                // The receiver is gone where the time is over.
                let _ = sender.send(answer);
            })
            .map_err(|error| JqError::Run {
                expression: self.expression.clone(),
                reason: format!("no thread can be started: {error}"),
            })?;
        receiver
            .recv_timeout(TIME_LIMIT)
            .map_err(|_| JqError::Limit {
                expression: self.expression.clone(),
                limit: format!("{TIME_LIMIT:?}"),
            })
    }
}

/// Filters of jq that the interpreter lacks.
const PRELUDE: &str = "\
    def IN(s): any(s == .; .); \
    def IN(src; s): any(src == s; .); \
    def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] |= $row); \
    def INDEX(f): INDEX(.[]; f); \
    def leaf_paths: paths(scalars); \
    def ascii: [.] | implode; \
    def toarray: if isarray then . else [.] end; \
    def isvalid(f): try (f | true) catch false; ";

fn path_program(expression: &str) -> String {
    // The line break ends a comment.
    format!("{PRELUDE}path({expression}\n)")
}

enum Failure {
    Error(String),
    TooMany,
}

fn compile(code: &str) -> Result<Filter, String> {
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    // An expression sees the object only: no environment, no clock.
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        .filter(|fun| !matches!(fun.0, "env" | "now"));
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(&arena, File { code, path: () })
        .map_err(|errors| match errors.first() {
            Some((_, jaq_core::load::Error::Lex(errors))) => match errors.first() {
                Some((expected, _)) => format!("{} is missing", expected.as_str()),
                None => "it cannot be read".to_owned(),
            },
            Some((_, jaq_core::load::Error::Parse(errors))) => match errors.first() {
                Some((expected, "")) => {
                    format!("{} is missing at the end", expected.as_str())
                }
                Some((expected, found)) => {
                    format!("{} is expected before `{found}`", expected.as_str())
                }
                None => "it cannot be parsed".to_owned(),
            },
            _ => "it imports modules".to_owned(),
        })?;
    Compiler::default()
        .with_funs(funs)
        .compile(modules)
        .map_err(|errors| {
            let names: Vec<String> = errors
                .iter()
                .flat_map(|(_, errors)| errors)
                .map(|(name, undefined)| {
                    format!("the {} `{name}` is not defined", undefined.as_str())
                })
                .collect();
            names.join("; ")
        })
}

fn run(filter: &Filter, text: &str) -> Result<Vec<JsonPath>, Failure> {
    let input = read::parse_single(text.as_bytes())
        .map_err(|_| Failure::Error("the object cannot be read by jq".to_owned()))?;
    let context = Ctx::<Data>::new(&filter.lut, Vars::new([]));
    let mut paths = Vec::new();
    for output in filter.id.run((context, input)).map(unwrap_valr) {
        let output = output.map_err(|_| {
            Failure::Error("it does not fit the object, or is no path expression".to_owned())
        })?;
        if paths.len() == PATH_LIMIT {
            return Err(Failure::TooMany);
        }
        let steps: Value = serde_json::from_str(&output.to_string())
            .map_err(|_| Failure::Error("it gives no path".to_owned()))?;
        paths.push(read_path(&steps).ok_or_else(|| {
            Failure::Error("it selects by something that is neither name nor position".to_owned())
        })?);
    }
    Ok(paths)
}

fn read_path(steps: &Value) -> Option<JsonPath> {
    steps
        .as_array()?
        .iter()
        .map(|step| match step {
            Value::String(name) => Some(JsonStep::Field(name.clone())),
            Value::Number(index) => Some(JsonStep::Index(index.as_i64()?)),
            Value::Object(slice) => {
                let bound = |key: &str| slice.get(key).and_then(Value::as_i64);
                Some(JsonStep::Slice(bound("start"), bound("end")))
            }
            _ => None,
        })
        .collect()
}

/// Whether an expression uses anything that need not end on a finite object.
fn can_run_for_ever(expression: &str) -> bool {
    const UNBOUNDED: [&str; 14] = [
        "def",
        "repeat",
        "while",
        "until",
        "recurse",
        "range",
        "limit",
        "until",
        "infinite",
        "combinations",
        "foreach",
        "reduce",
        "walk",
        "label",
    ];
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .any(|word| UNBOUNDED.contains(&word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn select(expression: &str) -> Result<Vec<String>, JqError> {
        let object = json!({"a": [{"n": "x"}, {"n": "y"}], "b/c": {"d": 1}});
        let paths = JqPaths::compile(expression)?.select(&object)?;
        Ok(paths.iter().map(|path| format!("{path:?}")).collect())
    }

    #[test]
    fn selects_paths() {
        assert_eq!(select(".a[] | select(.n == \"y\") | .n").unwrap().len(), 1);
        assert_eq!(select(".a[1:], .\"b/c\".d, .missing.x").unwrap().len(), 3);
        assert_eq!(select("empty # nothing").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
        for expression in [".a[", "nosuch(.a)", ".a) | (.b", "env.HOME", "now"] {
            assert!(
                matches!(JqPaths::compile(expression), Err(JqError::Compile { .. })),
                "{expression}"
            );
        }
        for expression in [".a | to_entries[]", "error(\"x\")", ".a.b", ".a[].n.z"] {
            assert!(
                matches!(select(expression), Err(JqError::Run { .. })),
                "{expression}"
            );
        }
    }

    #[test]
    fn what_does_not_end_is_stopped() {
        for expression in ["repeat(.a)", "until(false; .)"] {
            assert!(
                matches!(select(expression), Err(JqError::Limit { .. })),
                "{expression}"
            );
        }
    }
}
