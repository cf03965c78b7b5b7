//! Which versions are acceptable.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Segments, Version, VersionError, compare_prereleases};
use crate::go;

/// A set of versions: groups of comparisons, of which one group must hold entirely.
///
/// Groups are separated by `||`, comparisons by comma or space. A comparison is one of the
/// operators `=`, `!=`, `>`, `<`, `>=`, `=>`, `<=`, `=<`, `~`, `~>`, `^` or none, and a version whose
/// numbers may be left out or be `x`, `X` or `*`; `a - b` means `>=a, <=b`. Pre-releases match only
/// where a version of the group names a pre-release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    groups: Vec<Group>,
    include_prereleases: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    comparisons: Vec<Comparison>,
    names_prerelease: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    /// The operator as it was written.
    written_operator: &'static str,
    version: Version,
    /// The version as it was written.
    written: String,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `=` or nothing: equal, or like `~` for a version with open parts.
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How much of the version in a comparison was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Nothing,
    Major,
    Minor,
    Patch,
}

const OPERATORS: [(&str, Operator); 12] = [
    ("", Operator::Equal),
    ("=", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~", Operator::Tilde),
    ("~>", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Constraint {
    /// The longest text that is read as a constraint, in bytes.
    pub const MAX_LENGTH: usize = 512;
    /// How many groups a constraint may have.
    pub const MAX_GROUPS: usize = 32;

    /// Reads a constraint.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(VersionError::ConstraintTooLong);
        }
        let text = rewrite_hyphens(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > Self::MAX_GROUPS {
            return Err(VersionError::TooManyGroups);
        }
        Ok(Self {
            groups: groups
                .into_iter()
                .map(Group::parse)
                .collect::<Result<_, _>>()?,
            include_prereleases: false,
        })
    }

    /// Whether pre-releases match even where no version of the constraint is one; off at first.
    #[must_use]
    pub fn include_prereleases(mut self, include: bool) -> Self {
        self.include_prereleases = include;
        self
    }

    /// Whether a version is acceptable.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let prereleases = self.include_prereleases || group.names_prerelease;
            group
                .comparisons
                .iter()
                .all(|comparison| comparison.check(version, prereleases).is_ok())
        })
    }

    /// Whether a version is acceptable, and each comparison it fails if it is not.
    pub fn check(&self, version: &Version) -> Result<(), Vec<Mismatch>> {
        let mut mismatches = Vec::new();
        let mut told_prerelease = false;
        for group in &self.groups {
            let prereleases = self.include_prereleases || group.names_prerelease;
            if !prereleases && version.is_prerelease() {
                if !told_prerelease {
                    mismatches.push(Mismatch::Prerelease {
                        version: version.clone(),
                    });
                    told_prerelease = true;
                }
                continue;
            }
            let before = mismatches.len();
            mismatches.extend(group.comparisons.iter().filter_map(|comparison| {
                let (relation, explanation) = comparison.check(version, prereleases).err()?;
                Some(Mismatch::Comparison {
                    version: version.clone(),
                    relation,
                    constraint: comparison.written.clone(),
                    explanation,
                })
            }));
            if mismatches.len() == before {
                return Ok(());
            }
        }
        Err(mismatches)
    }
}

impl FromStr for Constraint {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.groups.iter().enumerate() {
            if index > 0 {
                f.write_str(" || ")?;
            }
            for (index, comparison) in group.comparisons.iter().enumerate() {
                if index > 0 {
                    f.write_str(" ")?;
                }
                write!(f, "{}{}", comparison.written_operator, comparison.written)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Constraint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Constraint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a version does not match a comparison; the message is that of Masterminds/semver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// It is a pre-release, and the group names none.
    #[error(
        "{} is a prerelease version and the constraint is only looking for release versions",
        go::quote(version.to_string())
    )]
    Prerelease {
        /// The version.
        version: Version,
    },
    /// It compares the wrong way.
    #[error(
        "{} {relation} {}{}",
        go::quote(version.to_string()),
        go::quote(constraint),
        explanation
    )]
    Comparison {
        /// The version.
        version: Version,
        /// How it relates to the version of the comparison.
        relation: &'static str,
        /// The version of the comparison as it was written.
        constraint: String,
        /// A further sentence; usually empty.
        explanation: &'static str,
    },
}

impl Group {
    fn parse(text: &str) -> Result<Self, VersionError> {
        let comparisons = scan_group(text).ok_or_else(|| VersionError::ImproperConstraint {
            text: text.to_owned(),
        })?;
        let comparisons = comparisons
            .into_iter()
            .map(|(operator, segments, written)| Comparison::new(operator, &segments, written))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            names_prerelease: comparisons
                .iter()
                .any(|comparison| comparison.version.is_prerelease()),
            comparisons,
        })
    }
}

/// An operator (its place in [`OPERATORS`]), the parts of the version, and its text.
type Scanned<'a> = (usize, Segments<'a>, &'a str);

/// Comparisons with commas or space between them, and nothing else.
fn scan_group(text: &str) -> Option<Vec<Scanned<'_>>> {
    let mut comparisons = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    loop {
        let (operator, segments, written, after) = scan_comparison(rest)?;
        comparisons.push((operator, segments, written));
        let next = after.trim_start_matches(is_space);
        rest = match next.strip_prefix(',') {
            Some(next) => next.trim_start_matches(is_space),
            None if next.is_empty() => return Some(comparisons),
            None if next.len() < after.len() => next,
            None => return None,
        };
    }
}

fn scan_comparison(text: &str) -> Option<(usize, Segments<'_>, &str, &str)> {
    let (operator, rest) =
        text.split_at(text.find(|c| !"=!<>~^".contains(c)).unwrap_or(text.len()));
    let operator = OPERATORS
        .iter()
        .position(|(written, _)| *written == operator)?;
    let rest = rest.trim_start_matches(is_space);
    let segments = Segments::scan(rest, is_digit)?;
    let (written, rest) = rest.split_at(segments.length);
    Some((operator, segments, written, rest))
}

/// Characters of the numbers in a constraint. The bar is among them by an accident of the
/// original; such numbers fail later.
fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, 'x' | 'X' | '*' | '|')
}

fn is_space(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\x0c' | '\r' | ' ')
}

fn is_wildcard(number: Option<&str>) -> bool {
    matches!(number, None | Some("x" | "X" | "*"))
}

/// `a - b` as `>= a, <= b `.
fn rewrite_hyphens(text: &str) -> String {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < text.len() {
        if let Some((length, low, high)) = scan_range(&text[start..]) {
            ranges.push((
                &text[start..start + length],
                format!(">= {low}, <= {high} "),
            ));
            start += length;
        } else {
            start += text[start..].chars().next().map_or(1, char::len_utf8);
        }
    }
    ranges
        .into_iter()
        .fold(text.to_owned(), |text, (found, replacement)| {
            text.replacen(found, &replacement, 1)
        })
}

/// The length of a hyphen range at the beginning of a text with the space around it, and its ends.
fn scan_range(text: &str) -> Option<(usize, &str, &str)> {
    let rest = text.trim_start_matches(is_space);
    let (low, rest) = rest.split_at(Segments::scan(rest, is_digit)?.length);
    let between = rest.trim_start_matches(is_space);
    let after = between.strip_prefix('-')?;
    let high = after.trim_start_matches(is_space);
    if between.len() == rest.len() || high.len() == after.len() {
        return None;
    }
    let (high, rest) = high.split_at(Segments::scan(high, is_digit)?.length);
    let rest = rest.trim_start_matches(is_space);
    Some((text.len() - rest.len(), low, high))
}

/// How a version relates to that of a comparison it fails, and a further sentence.
type Relation = (&'static str, &'static str);

impl Comparison {
    fn new(operator: usize, segments: &Segments<'_>, written: &str) -> Result<Self, VersionError> {
        let prerelease = segments
            .prerelease
            .map(|label| format!("-{label}"))
            .unwrap_or_default();
        let (precision, text) = if is_wildcard(Some(segments.major)) {
            (Precision::Nothing, format!("0.0.0{prerelease}"))
        } else if is_wildcard(segments.minor) {
            (
                Precision::Major,
                format!("{}.0.0{prerelease}", segments.major),
            )
        } else if is_wildcard(segments.patch) {
            let minor = segments.minor.unwrap_or_default();
            (
                Precision::Minor,
                format!("{}.{minor}.0{prerelease}", segments.major),
            )
        } else {
            (Precision::Patch, written.to_owned())
        };
        let (written_operator, operator) = OPERATORS[operator];
        Ok(Self {
            operator,
            written_operator,
            version: Version::parse(&text).map_err(|_| VersionError::ConstraintVersion)?,
            written: written.to_owned(),
            precision,
        })
    }

    fn check(&self, version: &Version, prereleases: bool) -> Result<(), Relation> {
        if version.is_prerelease() && !prereleases {
            return Err(("is a pre-release and does not match", ""));
        }
        let (relation, explanation) = match self.operator {
            Operator::Equal if self.precision == Precision::Patch => {
                if version == &self.version {
                    return Ok(());
                }
                ("is not equal to", "")
            }
            Operator::Equal | Operator::Tilde => match self.tilde_mismatch(version) {
                None => return Ok(()),
                Some(relation) => (relation, ""),
            },
            Operator::NotEqual if self.differs(version) => return Ok(()),
            Operator::NotEqual => ("is equal to", ""),
            Operator::Greater if self.is_below(version) => return Ok(()),
            Operator::Greater => ("is less than or equal to", ""),
            Operator::Less if version < &self.version => return Ok(()),
            Operator::Less => ("is greater than or equal to", ""),
            Operator::GreaterOrEqual if version >= &self.version => return Ok(()),
            Operator::GreaterOrEqual => ("is less than", ""),
            Operator::LessOrEqual if self.is_at_least(version) => return Ok(()),
            Operator::LessOrEqual => ("is greater than", ""),
            Operator::Caret => match self.caret_mismatch(version) {
                None => return Ok(()),
                Some(mismatch) => mismatch,
            },
        };
        Err((relation, explanation))
    }

    fn differs(&self, version: &Version) -> bool {
        if self.precision == Precision::Patch {
            return version != &self.version;
        }
        if version.major != self.version.major {
            return true;
        }
        match self.precision {
            Precision::Major => false,
            // Nothing is open below the major number, so `!=*` compares with 0.0.0.
            Precision::Nothing => {
                version.minor != self.version.minor
                    || version.patch != self.version.patch
                    || version != &self.version
            }
            Precision::Minor | Precision::Patch => {
                version.minor != self.version.minor
                    || ((version.is_prerelease() || self.version.is_prerelease())
                        && compare_prereleases(&version.prerelease, &self.version.prerelease)
                            != Ordering::Equal)
            }
        }
    }

    /// `>`: `>1` means 2 or more, `>1.2` means 1.3 or more.
    fn is_below(&self, version: &Version) -> bool {
        if self.precision == Precision::Patch || self.precision == Precision::Nothing {
            return version > &self.version;
        }
        version.major > self.version.major
            || (version.major == self.version.major
                && self.precision == Precision::Minor
                && version.minor > self.version.minor)
    }

    /// `<=`: `<=1` means less than 2, `<=1.2` means less than 1.3.
    fn is_at_least(&self, version: &Version) -> bool {
        if self.precision == Precision::Patch {
            return version <= &self.version;
        }
        version.major < self.version.major
            || (version.major == self.version.major
                && (self.precision == Precision::Major || version.minor <= self.version.minor))
    }

    fn tilde_mismatch(&self, version: &Version) -> Option<&'static str> {
        if version < &self.version {
            return Some("is less than");
        }
        let zero = (self.version.major, self.version.minor, self.version.patch) == (0, 0, 0);
        if zero && matches!(self.precision, Precision::Nothing | Precision::Patch) {
            return None;
        }
        if version.major != self.version.major {
            return Some("does not have same major version as");
        }
        if version.minor != self.version.minor && self.precision != Precision::Major {
            return Some("does not have same major and minor version as");
        }
        None
    }

    fn caret_mismatch(&self, version: &Version) -> Option<Relation> {
        let own = &self.version;
        if version < own {
            return Some(("is less than", ""));
        }
        if version.major != own.major {
            return Some(("does not have same major version as", ""));
        }
        if own.major > 0 || self.precision == Precision::Major {
            return None;
        }
        if own.minor > 0 || self.precision == Precision::Minor {
            if version.minor == own.minor {
                return None;
            }
            return Some((
                "does not have same minor version as",
                ". Expected minor versions to match when constraint major version is 0",
            ));
        }
        if version.minor > 0 {
            return Some(("does not have same minor version as", ""));
        }
        if version.patch == own.patch {
            return None;
        }
        Some((
            "does not equal",
            ". Expect version and constraint to equal when major and minor versions are 0",
        ))
    }
}
