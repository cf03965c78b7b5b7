//! Semantic versions and constraints as `github.com/Masterminds/semver` 3.5 has them: what Helm
//! means by a chart's version, a dependency's range, `kubeVersion` and `semverCompare`, and what Argo
//! CD means by a range of Git tags.
//!
//! [`Version`] is read leniently ([`Version::parse`]: a leading `v`, one to three numbers, leading
//! zeros) or strictly ([`Version::parse_strict`]); a [`Constraint`] says which versions it
//! [matches](Constraint::matches), and [why not](Constraint::check).
//!
//! ```
//! use gitops_core::version::{Constraint, Version};
//!
//! let constraint: Constraint = ">=1.19-0, <2 || ~3.1".parse()?;
//! assert!(constraint.matches(&Version::parse("v1.33.4-gke.1")?));
//! assert!(!constraint.matches(&Version::parse("3.2")?));
//! # Ok::<(), gitops_core::version::VersionError>(())
//! ```

mod constraint;

use std::{cmp::Ordering, fmt, hash, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use constraint::{Constraint, Mismatch};

use crate::{Classified, ErrorClass, go};

/// The longest text that is read as a version, in bytes.
pub const MAX_VERSION_LENGTH: usize = 256;

/// A semantic version.
///
/// Equality, order and hash ignore build metadata, as [the rules](https://semver.org/#spec-item-10)
/// ask; [`Display`](fmt::Display) writes the normal form (`v1.2-rc.1` as `1.2.0-rc.1`), and
/// [`Version::original`] is the text as it was read.
#[derive(Debug, Clone)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    metadata: String,
    original: String,
}

impl Version {
    /// A release.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original: format!("{major}.{minor}.{patch}"),
        }
    }

    /// Reads a version leniently (`NewVersion`): a leading `v`, missing minor and patch numbers and leading
    /// zeros are fine.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > MAX_VERSION_LENGTH {
            return Err(VersionError::TooLong);
        }
        let segments = Segments::scan(text, |c| c.is_ascii_digit())
            .filter(|segments| segments.length == text.len())
            .ok_or(VersionError::Invalid)?;
        let version = Self {
            major: number(segments.major)?,
            minor: segments.minor.map_or(Ok(0), number)?,
            patch: segments.patch.map_or(Ok(0), number)?,
            prerelease: segments.prerelease.unwrap_or_default().to_owned(),
            metadata: segments.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        if !version.prerelease.is_empty() {
            check_prerelease(&version.prerelease)?;
        }
        Ok(version)
    }

    /// Reads a version strictly (`StrictNewVersion`): exactly the form of semver.org.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_VERSION_LENGTH {
            return Err(VersionError::TooLong);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(VersionError::Invalid);
        };
        let (rest, metadata) = match rest.split_once('+') {
            Some((rest, metadata)) => {
                check_metadata(metadata)?;
                (rest, metadata)
            }
            None => (rest, ""),
        };
        let (patch, prerelease) = match rest.split_once('-') {
            Some((patch, prerelease)) => {
                check_prerelease(prerelease)?;
                (patch, prerelease)
            }
            None => (rest, ""),
        };
        for part in [major, minor, patch] {
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::InvalidCharacters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::LeadingZero);
            }
        }
        let strict = |part: &str| {
            number(part).map_err(|error| match error {
                VersionError::Number { text, overflow, .. } => VersionError::Number {
                    text,
                    overflow,
                    strict: true,
                },
                other => other,
            })
        };
        Ok(Self {
            major: strict(major)?,
            minor: strict(minor)?,
            patch: strict(patch)?,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// The first number.
    pub fn major(&self) -> u64 {
        self.major
    }

    /// The second number; 0 where the text has none.
    pub fn minor(&self) -> u64 {
        self.minor
    }

    /// The third number; 0 where the text has none.
    pub fn patch(&self) -> u64 {
        self.patch
    }

    /// What follows `-`; empty for releases.
    pub fn prerelease(&self) -> &str {
        &self.prerelease
    }

    /// What follows `+`; empty where there is none.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The text that was read.
    pub fn original(&self) -> &str {
        &self.original
    }

    /// Whether it is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }

    /// The next patch release; of a pre-release, the release it leads to. `None` on overflow.
    pub fn next_patch(&self) -> Option<Self> {
        let patch = if self.is_prerelease() {
            self.patch
        } else {
            self.patch.checked_add(1)?
        };
        Some(self.successor(self.major, self.minor, patch))
    }

    /// The next minor release. `None` on overflow.
    pub fn next_minor(&self) -> Option<Self> {
        Some(self.successor(self.major, self.minor.checked_add(1)?, 0))
    }

    /// The next major release. `None` on overflow.
    pub fn next_major(&self) -> Option<Self> {
        Some(self.successor(self.major.checked_add(1)?, 0, 0))
    }

    /// The same version with another pre-release; empty for none.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, VersionError> {
        if !prerelease.is_empty() {
            check_prerelease(prerelease)?;
        }
        let mut version = self.clone();
        prerelease.clone_into(&mut version.prerelease);
        version.original = self.prefixed(&version);
        Ok(version)
    }

    /// The same version with other build metadata; empty for none.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() {
            check_metadata(metadata)?;
        }
        let mut version = self.clone();
        metadata.clone_into(&mut version.metadata);
        version.original = self.prefixed(&version);
        Ok(version)
    }

    fn successor(&self, major: u64, minor: u64, patch: u64) -> Self {
        let mut version = Self::new(major, minor, patch);
        version.original = self.prefixed(&version);
        version
    }

    /// The text of `other`, with the `v` that this version was written with.
    fn prefixed(&self, other: &Self) -> String {
        let prefix = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        format!("{prefix}{other}")
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Leniently, as [`Version::parse`].
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(
                || match (self.prerelease.as_str(), other.prerelease.as_str()) {
                    ("", "") => Ordering::Equal,
                    ("", _) => Ordering::Greater,
                    (_, "") => Ordering::Less,
                    (own, others) => compare_prereleases(own, others),
                },
            )
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl hash::Hash for Version {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        (self.major, self.minor, self.patch, &self.prerelease).hash(state);
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A text is not a version or a constraint; the message is that of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// It has not the form of a version.
    #[error("invalid semantic version")]
    Invalid,
    /// It is empty.
    #[error("version string empty")]
    Empty,
    /// It is longer than [`MAX_VERSION_LENGTH`].
    #[error("version string is too long (max {MAX_VERSION_LENGTH} bytes)")]
    TooLong,
    /// A number contains other characters than digits.
    #[error("invalid characters in version")]
    InvalidCharacters,
    /// A number begins with 0.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// The pre-release has empty parts or other characters than letters, digits and `-`.
    #[error("invalid prerelease string")]
    InvalidPrerelease,
    /// The build metadata has empty parts or other characters than letters, digits and `-`.
    #[error("invalid metadata string")]
    InvalidMetadata,
    /// A number is out of range.
    #[error(
        "{}strconv.ParseUint: parsing {}: {}",
        if *strict { "" } else { "error parsing version segment: " },
        go::quote(text),
        if *overflow { "value out of range" } else { "invalid syntax" }
    )]
    Number {
        /// The number.
        text: String,
        /// Whether it is too large, and not empty.
        overflow: bool,
        /// Whether the version was read strictly.
        strict: bool,
    },
    /// A constraint has an unknown form.
    #[error("improper constraint: {}", go::quote(text))]
    ImproperConstraint {
        /// The part of the constraint between `||`.
        text: String,
    },
    /// The version in a constraint is wrong.
    #[error("constraint parser error")]
    ConstraintVersion,
    /// A constraint is longer than [`Constraint::MAX_LENGTH`].
    #[error("constraint string is too long (max {} bytes)", Constraint::MAX_LENGTH)]
    ConstraintTooLong,
    /// A constraint has more than [`Constraint::MAX_GROUPS`] parts between `||`.
    #[error("too many constraint groups (max {})", Constraint::MAX_GROUPS)]
    TooManyGroups,
}

impl Classified for VersionError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

/// The texts of a version's parts, as both versions and constraints have them.
struct Segments<'a> {
    major: &'a str,
    minor: Option<&'a str>,
    patch: Option<&'a str>,
    /// Without the `-`.
    prerelease: Option<&'a str>,
    /// Without the `+`.
    metadata: Option<&'a str>,
    /// Bytes of the whole.
    length: usize,
}

impl<'a> Segments<'a> {
    /// Reads as much of the beginning of `text` as has the form of a version whose numbers consist of
    /// `digit`s.
    fn scan(text: &'a str, digit: impl Fn(char) -> bool + Copy) -> Option<Self> {
        let take = |rest: &'a str, accepts: &dyn Fn(char) -> bool| -> (&'a str, &'a str) {
            rest.split_at(rest.find(|c| !accepts(c)).unwrap_or(rest.len()))
        };
        let (major, mut rest) = take(text.strip_prefix('v').unwrap_or(text), &digit);
        if major.is_empty() {
            return None;
        }
        let mut numbers = [None, None];
        for number in &mut numbers {
            let Some(after) = rest.strip_prefix('.') else {
                break;
            };
            let (digits, after) = take(after, &digit);
            if digits.is_empty() {
                break;
            }
            *number = Some(digits);
            rest = after;
        }
        let mut labels = [None, None];
        for (label, sign) in labels.iter_mut().zip(['-', '+']) {
            let Some(after) = rest.strip_prefix(sign) else {
                continue;
            };
            let length = dotted(after);
            if length > 0 {
                *label = Some(&after[..length]);
                rest = &after[length..];
            }
        }
        Some(Self {
            major,
            minor: numbers[0],
            patch: numbers[1],
            prerelease: labels[0],
            metadata: labels[1],
            length: text.len() - rest.len(),
        })
    }
}

/// The length of identifiers with single dots between them.
fn dotted(text: &str) -> usize {
    let mut length = 0;
    for (index, part) in text.split('.').enumerate() {
        let own = part
            .find(|c: char| !is_label_character(c))
            .unwrap_or(part.len());
        if own == 0 {
            break;
        }
        length += own + usize::from(index > 0);
        if own < part.len() {
            break;
        }
    }
    length
}

fn is_label_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn number(text: &str) -> Result<u64, VersionError> {
    text.parse().map_err(|_| VersionError::Number {
        text: text.to_owned(),
        overflow: !text.is_empty(),
        strict: false,
    })
}

fn check_prerelease(prerelease: &str) -> Result<(), VersionError> {
    for part in prerelease.split('.') {
        if part.is_empty() || !part.chars().all(is_label_character) {
            return Err(VersionError::InvalidPrerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VersionError::LeadingZero);
        }
    }
    Ok(())
}

fn check_metadata(metadata: &str) -> Result<(), VersionError> {
    if metadata
        .split('.')
        .any(|part| part.is_empty() || !part.chars().all(is_label_character))
    {
        return Err(VersionError::InvalidMetadata);
    }
    Ok(())
}

/// Part by part: numbers before texts, a missing part before any other.
fn compare_prereleases(left: &str, right: &str) -> Ordering {
    let (mut lefts, mut rights) = (left.split('.'), right.split('.'));
    loop {
        let (left, right) = match (lefts.next(), rights.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => (left.unwrap_or_default(), right.unwrap_or_default()),
        };
        if left == right {
            continue;
        }
        return match (left.parse::<u64>(), right.parse::<u64>()) {
            _ if left.is_empty() => Ordering::Less,
            _ if right.is_empty() => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Ok(left), Ok(right)) => left.cmp(&right),
        };
    }
}

#[cfg(test)]
mod tests;
