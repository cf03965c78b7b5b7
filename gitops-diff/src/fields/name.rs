//! Names of fields.

use std::{borrow::Borrow, fmt, ops::Deref};

use smol_str::SmolStr;

/// The name of a field. Sets of fields are full of them: a short one takes no memory of its own, and
/// copies of a long one share theirs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName(SmolStr);

impl FieldName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for FieldName {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for FieldName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for FieldName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<&String> for FieldName {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<String> for FieldName {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl PartialEq<str> for FieldName {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for FieldName {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
