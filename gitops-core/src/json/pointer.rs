//! JSON Pointer (RFC 6901).

use std::{fmt, str::FromStr};

use serde_json::Value;

use crate::error::{Classified, ErrorClass};

/// A place in a JSON value.
///
/// ```
/// use gitops_core::json::Pointer;
/// let value = serde_json::json!({"metadata": {"labels": {"app.kubernetes.io/name": "web"}}});
/// let pointer: Pointer = "/metadata/labels/app.kubernetes.io~1name".parse()?;
/// assert_eq!(pointer.get(&value)?, "web");
/// # Ok::<(), gitops_core::json::PointerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// A pointer is not one, or points nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointerError {
    /// The text is not a pointer.
    #[error("`{pointer}` is not a JSON pointer: {reason}")]
    Syntax {
        /// The text.
        pointer: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A list is indexed with something that is no index.
    #[error(
        "`{token}` is no index of the list at `{parent}`; write a number without leading zeros"
    )]
    Index {
        /// Where the list is.
        parent: String,
        /// What is no index.
        token: String,
    },
    /// Nothing is there.
    #[error("nothing at `{token}` in the value at `{parent}`")]
    Missing {
        /// The last place that exists.
        parent: String,
        /// What does not exist there.
        token: String,
    },
}

impl Classified for PointerError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Missing { .. } => ErrorClass::NotFound,
            Self::Syntax { .. } | Self::Index { .. } => ErrorClass::Invalid,
        }
    }
}

impl Pointer {
    /// A pointer of keys and indices that are not escaped.
    pub fn from_tokens<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Self {
        Self {
            tokens: tokens.into_iter().map(Into::into).collect(),
        }
    }

    /// The keys and indices, not escaped.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(String::as_str)
    }

    /// The value at this place.
    pub fn get<'v>(&self, value: &'v Value) -> Result<&'v Value, PointerError> {
        let mut value = value;
        for (depth, token) in self.tokens.iter().enumerate() {
            let found = match value {
                Value::Object(map) => map.get(token),
                Value::Array(items) => items.get(self.index(depth)?),
                _ => None,
            };
            value = found.ok_or_else(|| self.missing(depth))?;
        }
        Ok(value)
    }

    /// The value at this place, to be changed.
    pub fn get_mut<'v>(&self, value: &'v mut Value) -> Result<&'v mut Value, PointerError> {
        let mut value = value;
        for (depth, token) in self.tokens.iter().enumerate() {
            let found = match value {
                Value::Object(map) => map.get_mut(token),
                Value::Array(items) => items.get_mut(self.index(depth)?),
                _ => None,
            };
            value = found.ok_or_else(|| self.missing(depth))?;
        }
        Ok(value)
    }

    /// The token at `depth` as an index of a list. `-`, the place after the end, is beyond any list.
    fn index(&self, depth: usize) -> Result<usize, PointerError> {
        let token = &self.tokens[depth];
        if token == "-" {
            return Ok(usize::MAX);
        }
        let digits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (token.len() > 1 && token.starts_with('0')) {
            return Err(PointerError::Index {
                parent: self.prefix(depth),
                token: token.clone(),
            });
        }
        Ok(token.parse().unwrap_or(usize::MAX))
    }

    fn missing(&self, depth: usize) -> PointerError {
        PointerError::Missing {
            parent: self.prefix(depth),
            token: self.tokens[depth].clone(),
        }
    }

    fn prefix(&self, depth: usize) -> String {
        Self::from_tokens(&self.tokens[..depth]).to_string()
    }
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let error = |reason| PointerError::Syntax {
            pointer: text.to_owned(),
            reason,
        };
        if text.is_empty() {
            return Ok(Self::default());
        }
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| error("it must begin with a slash"))?;
        let unescape = |token: &str| {
            let mut parts = token.split('~');
            let mut unescaped = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let (character, rest) = if let Some(rest) = part.strip_prefix('0') {
                    ('~', rest)
                } else if let Some(rest) = part.strip_prefix('1') {
                    ('/', rest)
                } else {
                    return Err(error("a tilde must be followed by 0 or 1"));
                };
                unescaped.push(character);
                unescaped.push_str(rest);
            }
            Ok(unescaped)
        };
        let tokens = rest.split('/').map(unescape).collect::<Result<_, _>>()?;
        Ok(Self { tokens })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.tokens {
            write!(f, "/{}", token.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["", "/", "/a~1b/~0/0", "//x"] {
            let pointer: Pointer = text.parse().expect("a pointer");
            assert_eq!(pointer.to_string(), text);
        }
    }

    #[test]
    fn errors_say_where() {
        let value = serde_json::json!({"a": [1]});
        let error = |pointer: &str| {
            let pointer: Pointer = pointer.parse().expect("a pointer");
            pointer.get(&value).expect_err("an error").to_string()
        };
        assert_eq!(error("/a/1"), "nothing at `1` in the value at `/a`");
        assert!(error("/a/01").contains("`01` is no index"));
    }
}
