//! Regular expressions with the syntax, semantics and error texts of Go's package `regexp`.

mod matching;
mod syntax;
mod unicode_names;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use self::{
    matching::{Pattern, Subject, quote_meta},
    syntax::PatternError,
};
use super::Registry;
use crate::template::{CallError, Context, List, ListType, Str, Value};

pub(super) fn register(registry: &mut Registry) {
    registry.add("regexQuoteMeta", |text: Str| Str::from(quote_meta(&text)));
    // A wrong pattern matches nothing.
    registry.add(
        "regexMatch",
        |context: &mut Context<'_>, pattern: Str, text: Str| {
            context.spend((pattern.len() + text.len()) as u64 / 16)?;
            let matches =
                compiled(&pattern).is_ok_and(|pattern| pattern.is_match(&Subject::new(&text)));
            Ok::<_, CallError>(matches)
        },
    );
    registry.add(
        "mustRegexMatch",
        |context: &mut Context<'_>, pattern: Str, text: Str| {
            let pattern = compile(context, &pattern, &text, Failure::Error)?;
            Ok::<_, CallError>(pattern.is_match(&Subject::new(&text)))
        },
    );
    for (prefix, failure) in [("regex", Failure::Panic), ("mustRegex", Failure::Error)] {
        register_family(registry, prefix, failure);
    }
}

/// What a wrong pattern is.
#[derive(Clone, Copy)]
enum Failure {
    Panic,
    Error,
}

fn register_family(registry: &mut Registry, prefix: &str, failure: Failure) {
    let name = |short, must| if prefix == "regex" { short } else { must };
    registry.add(
        name("regexFind", "mustRegexFind"),
        move |context: &mut Context<'_>, pattern: Str, text: Str| {
            let pattern = compile(context, &pattern, &text, failure)?;
            Ok::<_, CallError>(Str::from(pattern.find(&Subject::new(&text))))
        },
    );
    registry.add(
        name("regexFindAll", "mustRegexFindAll"),
        move |context: &mut Context<'_>, pattern: Str, text: Str, count: i64| {
            let pattern = compile(context, &pattern, &text, failure)?;
            let subject = Subject::new(&text);
            let found = pattern.find_all(&subject, count);
            Ok::<_, CallError>(if found.is_empty() {
                List::nil(ListType::Strings)
            } else {
                List::appended(ListType::Strings, texts_of(found), 10)
            })
        },
    );
    registry.add(
        name("regexReplaceAll", "mustRegexReplaceAll"),
        move |context: &mut Context<'_>, pattern: Str, text: Str, replacement: Str| {
            let pattern = compile(context, &pattern, &text, failure)?;
            let replaced = pattern.replace_all(&Subject::new(&text), &replacement);
            context.allow_bytes(replaced.len())?;
            Ok::<_, CallError>(Str::from(replaced))
        },
    );
    registry.add(
        name("regexReplaceAllLiteral", "mustRegexReplaceAllLiteral"),
        move |context: &mut Context<'_>, pattern: Str, text: Str, replacement: Str| {
            let pattern = compile(context, &pattern, &text, failure)?;
            let replaced = pattern.replace_all_literal(&Subject::new(&text), &replacement);
            context.allow_bytes(replaced.len())?;
            Ok::<_, CallError>(Str::from(replaced))
        },
    );
    registry.add(
        name("regexSplit", "mustRegexSplit"),
        move |context: &mut Context<'_>, pattern: Str, text: Str, count: i64| {
            let pattern = compile(context, &pattern, &text, failure)?;
            let subject = Subject::new(&text);
            Ok::<_, CallError>(match pattern.split(&subject, count) {
                Some(parts) => {
                    let parts = texts_of(parts);
                    let room = parts.len().saturating_sub(1);
                    List::appended(ListType::Strings, parts, room)
                }
                None => List::nil(ListType::Strings),
            })
        },
    );
}

fn texts_of<S: Into<Str>>(texts: impl IntoIterator<Item = S>) -> Vec<Value> {
    let texts = texts.into_iter().map(|text| Value::Str(text.into()));
    texts.collect()
}

fn compile(
    context: &mut Context<'_>,
    pattern: &Str,
    text: &Str,
    failure: Failure,
) -> Result<Rc<Pattern>, CallError> {
    context.spend((pattern.len() + text.len()) as u64 / 16)?;
    compiled(pattern).map_err(|error| failure.error(&error, pattern))
}

/// What Go says of a pattern that it cannot read.
pub(crate) fn regex_error(pattern: &str) -> Option<String> {
    let error = syntax::translate(pattern).err()?;
    Some(error.to_string())
}

/// Patterns that a thread keeps compiled: templates use few patterns very often.
const KEPT: usize = 64;

thread_local! {
    static COMPILED: RefCell<HashMap<Str, Rc<Pattern>>> = RefCell::default();
}

fn compiled(pattern: &Str) -> Result<Rc<Pattern>, PatternError> {
    let kept = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let Some(source) = pattern.as_str() else {
        return Err(PatternError::not_utf8(pattern));
    };
    let new = Rc::new(Pattern::compile(source)?);
    COMPILED.with_borrow_mut(|compiled| {
        // Starting anew is simpler than telling old ones from new ones, and rare.
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(pattern.clone(), Rc::clone(&new));
    });
    Ok(new)
}

impl Failure {
    fn error(self, error: &PatternError, pattern: &[u8]) -> CallError {
        CallError::new(match self {
            Self::Panic => error.panic_text(pattern),
            Self::Error => error.to_string(),
        })
    }
}

/// Compiles a pattern and walks over a text in all ways.
#[cfg(test)]
pub(super) fn try_out(pattern: &str, text: &str) {
    if let Ok(pattern) = Pattern::compile(pattern) {
        let text = Subject::new(text.as_bytes());
        let _ = pattern.find_all(&text, -1);
        let _ = pattern.split(&text, -1);
        let _ = pattern.replace_all(&text, b"${1}$x$$");
        let _ = pattern.replace_all_literal(&text, b"$1");
    }
}

/// Whether a quoted text matches itself.
#[cfg(test)]
pub(super) fn matches_itself(text: &str) -> bool {
    let quoted = quote_meta(text.as_bytes());
    let pattern = Pattern::compile(&String::from_utf8_lossy(&quoted));
    pattern.is_ok_and(|pattern| pattern.find(&Subject::new(text.as_bytes())) == text.as_bytes())
}
