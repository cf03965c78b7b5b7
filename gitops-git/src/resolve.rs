//! From what a user writes to a commit: pure rules over a list of references, one set as Argo CD
//! has them ([`argocd`]), one as Flux has them ([`flux`]).

use std::cmp::Ordering;

use gitops_core::{
    source::Revision,
    version::{Constraint, Version},
};
use gix::ObjectId;

use crate::remote::{Reference, References};

/// Shorter than this, hex digits are no abbreviated commit (Argo CD's rule).
const ABBREVIATION: usize = 7;

/// What a revision means as far as references tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A commit, found.
    Found(Revision),
    /// Tags of equal versions, of which the one with the newest commit counts.
    Tied(Vec<Revision>),
    /// The first digits of a commit that no reference names.
    Abbreviated(String),
    /// Nothing.
    Unknown,
}

/// The reference of a Flux GitRepository (`spec.ref`). Of several fields the last one in this list
/// counts; none means the branch `master`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FluxReference {
    /// A branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// A range of versions among the tags.
    #[serde(rename = "semver", skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// A full reference name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A full commit id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl FluxReference {
    /// A revision that was found for this reference, as Flux writes it: `main@sha1:<commit>`, `v1.0.0@sha1:<commit>`;
    /// where a full name was asked for, with that (`refs/pull/1/head@sha1:<commit>`); `sha1:<commit>` where none was.
    #[must_use]
    pub fn revision(&self, revision: &Revision) -> String {
        let by_name = self.name.as_deref().filter(|name| !name.is_empty());
        let by_commit = self.commit.as_deref().is_some_and(|id| !id.is_empty());
        match by_name {
            Some(name) if !by_commit => format!("{name}@sha1:{}", revision.id),
            _ => flux_revision(revision),
        }
    }

    pub(crate) fn shown(&self) -> String {
        [
            &self.commit,
            &self.name,
            &self.semver,
            &self.tag,
            &self.branch,
        ]
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .cloned()
        .unwrap_or_else(|| "master".to_owned())
    }
}

/// A revision as Flux writes it: `main@sha1:<commit>`, `v1.0.0@sha1:<commit>`,
/// `refs/pull/1/head@sha1:<commit>`, or `sha1:<commit>` where no reference was named.
#[must_use]
pub fn flux_revision(revision: &Revision) -> String {
    match &revision.reference {
        None => format!("sha1:{}", revision.id),
        Some(name) => {
            let name = name
                .strip_prefix("refs/heads/")
                .or_else(|| name.strip_prefix("refs/tags/"))
                .unwrap_or(name);
            format!("{name}@sha1:{}", revision.id)
        }
    }
}

/// A full commit id, which means itself without a look at the repository.
pub(crate) fn full_commit(spec: &str) -> Option<ObjectId> {
    (spec.len() == 40)
        .then(|| ObjectId::from_hex(spec.as_bytes()).ok())
        .flatten()
}

/// Argo CD's rules for `targetRevision`: HEAD when empty; a full commit as it is; of a version range the
/// highest tag in it; a full or short name (a branch before a tag); an abbreviated commit.
///
/// With `tag_prefix` only tags with that prefix count, the rest of their name is the version, and the
/// revision must be a version or a range.
pub(crate) fn argocd(spec: &str, tag_prefix: &str, references: &References) -> Meaning {
    if let Some(commit) = full_commit(spec) {
        return Meaning::Found(Revision::new(commit.to_string()));
    }
    let name = if spec.is_empty() { "HEAD" } else { spec };
    // An exact version is a name like any other.
    let is_version = Version::parse(name).is_ok();
    if !is_version && let Ok(range) = Constraint::parse(name) {
        if let Some(tag) = highest(&range, tag_prefix, references, Version::parse).first() {
            return Meaning::Found(revision(tag));
        }
    } else if !is_version && !tag_prefix.is_empty() {
        return Meaning::Unknown;
    }
    let name = format!("{tag_prefix}{name}");
    if let Some(reference) = references.named(&name).or_else(|| references.short(&name)) {
        return Meaning::Found(revision(reference));
    }
    if (ABBREVIATION..40).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Meaning::Abbreviated(name.to_ascii_lowercase());
    }
    Meaning::Unknown
}

/// Flux's rules for a GitRepository.
pub(crate) fn flux(reference: &FluxReference, references: &References) -> Meaning {
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let found = if let Some(commit) = given(&reference.commit) {
        return match full_commit(&commit) {
            Some(id) => Meaning::Found(Revision {
                id: id.to_string(),
                reference: given(&reference.branch).map(|branch| format!("refs/heads/{branch}")),
            }),
            None => Meaning::Unknown,
        };
    } else if let Some(name) = given(&reference.name) {
        // `^{}` asks for what a tag names, which is found anyway.
        references.named(name.strip_suffix("^{}").unwrap_or(&name))
    } else if let Some(range) = given(&reference.semver) {
        let Ok(range) = Constraint::parse(&range) else {
            return Meaning::Unknown;
        };
        // Flux takes tags of the exact form of semver.org, with or without `v`.
        let tags = highest(&range, "", references, |tag| {
            Version::parse_strict(tag.strip_prefix('v').unwrap_or(tag))
        });
        if tags.len() > 1 {
            return Meaning::Tied(tags.into_iter().map(revision).collect());
        }
        tags.into_iter().next()
    } else if let Some(tag) = given(&reference.tag) {
        references.named(&format!("refs/tags/{tag}"))
    } else {
        let branch = given(&reference.branch).unwrap_or_else(|| "master".to_owned());
        references.named(&format!("refs/heads/{branch}"))
    };
    found.map_or(Meaning::Unknown, |reference| {
        Meaning::Found(revision(reference))
    })
}

/// The tags with the highest version in a range; several where they differ only in the spelling or in what follows `+`.
fn highest<'a, E>(
    range: &Constraint,
    prefix: &str,
    references: &'a References,
    parse: impl Fn(&str) -> Result<Version, E>,
) -> Vec<&'a Reference> {
    let mut best: Vec<(Version, &Reference)> = Vec::new();
    for (tag, reference) in references.tags() {
        let Some(version) = tag.strip_prefix(prefix).and_then(|rest| parse(rest).ok()) else {
            continue;
        };
        if !range.matches(&version) {
            continue;
        }
        match best.first().map(|(known, _)| version.cmp(known)) {
            Some(Ordering::Less) => {}
            Some(Ordering::Equal) => best.push((version, reference)),
            Some(Ordering::Greater) | None => best = vec![(version, reference)],
        }
    }
    best.into_iter().map(|(_, reference)| reference).collect()
}

/// The commit that a reference names now.
fn revision(reference: &Reference) -> Revision {
    Revision {
        id: reference.target().to_string(),
        reference: Some(
            reference
                .symbolic
                .clone()
                .unwrap_or_else(|| reference.name.clone()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(names: &[&str]) -> References {
        References::new(
            names
                .iter()
                .enumerate()
                .map(|(at, name)| Reference {
                    name: (*name).to_owned(),
                    object: ObjectId::from_hex(format!("{:040x}", at + 1).as_bytes()).unwrap(),
                    peeled: None,
                    symbolic: None,
                })
                .collect(),
        )
    }

    fn named(meaning: Meaning) -> String {
        match meaning {
            Meaning::Found(revision) => revision.reference.unwrap_or(revision.id),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn argo_cd_ranges_and_names() {
        let refs = references(&[
            "HEAD",
            "refs/heads/1.0",
            "refs/heads/main",
            "refs/heads/v1.1.0",
            "refs/tags/app-v2.0.0",
            "refs/tags/app-v2.1.0",
            "refs/tags/not-a-version",
            "refs/tags/v1.0.0",
            "refs/tags/v1.1.0",
            "refs/tags/v1.2.0",
            "refs/tags/v1.3.0-rc.1",
            "refs/tags/v2.0.0",
        ]);
        for (spec, expected) in [
            ("1.*", "refs/tags/v1.2.0"),
            ("^1.0.0", "refs/tags/v1.2.0"),
            ("~1.1", "refs/tags/v1.1.0"),
            (">=1.0.0-0 <2.0.0", "refs/tags/v1.3.0-rc.1"),
            ("*", "refs/tags/v2.0.0"),
            ("", "HEAD"),
            ("v1.1.0", "refs/heads/v1.1.0"),
            ("refs/tags/v1.1.0", "refs/tags/v1.1.0"),
            ("1.0", "refs/heads/1.0"),
            ("1.1.0", "Unknown"),
            ("^9", "Unknown"),
            ("abcdef1", "Abbreviated(\"abcdef1\")"),
            ("abcdef", "Unknown"),
        ] {
            assert_eq!(named(argocd(spec, "", &refs)), expected, "{spec}");
        }
        for (spec, expected) in [
            ("2.*", "refs/tags/app-v2.1.0"),
            ("v2.0.0", "refs/tags/app-v2.0.0"),
            ("main", "Unknown"),
            ("1.*", "Unknown"),
        ] {
            assert_eq!(named(argocd(spec, "app-", &refs)), expected, "{spec}");
        }
    }

    #[test]
    fn equal_versions() {
        let refs = references(&[
            "refs/tags/1.0.0",
            "refs/tags/1.1.0+a",
            "refs/tags/v1.1.0",
            "refs/tags/v1.1.0+b",
        ]);
        let flux = flux(
            &FluxReference {
                semver: Some("1.x".to_owned()),
                ..FluxReference::default()
            },
            &refs,
        );
        let Meaning::Tied(tags) = flux else {
            panic!("{flux:?}");
        };
        assert_eq!(tags.len(), 3);
        assert_eq!(named(argocd("1.x", "", &refs)), "refs/tags/1.1.0+a");
    }

    #[test]
    fn flux_fields_by_precedence() {
        let refs = references(&[
            "refs/heads/main",
            "refs/heads/master",
            "refs/pull/1/head",
            "refs/tags/1.0",
            "refs/tags/v1.1.0",
        ]);
        let parse = |text: &str| -> FluxReference { serde_json::from_str(text).unwrap() };
        for (text, expected) in [
            ("{}", "refs/heads/master"),
            (r#"{"branch":"main"}"#, "refs/heads/main"),
            (r#"{"branch":"main","tag":"1.0"}"#, "refs/tags/1.0"),
            (r#"{"tag":"1.0","semver":">=1.0.0"}"#, "refs/tags/v1.1.0"),
            (r#"{"semver":"<=1.0.0"}"#, "Unknown"),
            (
                r#"{"semver":"*","name":"refs/pull/1/head"}"#,
                "refs/pull/1/head",
            ),
            (r#"{"commit":"abc"}"#, "Unknown"),
        ] {
            assert_eq!(named(flux(&parse(text), &refs)), expected, "{text}");
        }
        let Meaning::Found(revision) = flux(&parse(r#"{"branch":"main"}"#), &refs) else {
            panic!("found");
        };
        assert_eq!(
            flux_revision(&revision),
            "main@sha1:0000000000000000000000000000000000000001"
        );
        assert_eq!(flux_revision(&Revision::new("ab")), "sha1:ab");
        let named = parse(r#"{"branch":"x","name":"refs/heads/main^{}"}"#);
        let Meaning::Found(revision) = flux(&named, &refs) else {
            panic!("found");
        };
        assert!(
            named
                .revision(&revision)
                .starts_with("refs/heads/main^{}@sha1:")
        );
        let branch = parse(r#"{"branch":"main"}"#);
        assert!(branch.revision(&revision).starts_with("main@sha1:"));
    }
}
