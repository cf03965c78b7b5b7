//! Flux's `.sourceignore`: which files of a tree belong to the source.
//!
//! The rules are those of source-controller, which uses go-git's reading of gitignore: all
//! `.sourceignore` files, each for its own directory and below, then the object's `spec.ignore`; the last pattern
//! that matches decides. Git's own files never belong; pictures, archives and files of CI systems are left out
//! where nothing else is said.

use std::sync::Arc;

use bytes::Bytes;
use gitops_core::{
    glob::file_path_match,
    source::{ContentId, Entry, EntryKind, FileTree, TreeError, clean_path},
};
use sha2::{Digest, Sha256};

use crate::tree::join;

/// The name of the files with patterns.
const FILE: &str = ".sourceignore";
/// Patterns of all files together, at most.
const PATTERNS: usize = 10_000;

const VCS: &str = ".git/\n.gitignore\n.gitmodules\n.gitattributes";
const DEFAULTS: &str = "*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip\n\
    .github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\ncloudbuild.yaml\n\
    codeship-services.yml\ncodeship-steps.yml\n\
    **/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml";

/// A tree without what its ignore rules leave out.
#[derive(Clone)]
pub struct SourceIgnore {
    tree: Arc<dyn FileTree>,
    patterns: Arc<Vec<Pattern>>,
    /// Whether a file can belong although its directory does not.
    includes: bool,
}

impl SourceIgnore {
    /// Reads all `.sourceignore` files of `tree` and adds `spec_ignore`, patterns one a line.
    pub fn new(tree: Arc<dyn FileTree>, spec_ignore: Option<&str>) -> Result<Self, TreeError> {
        let mut patterns = parse(VCS, &[]);
        let mut own = Vec::new();
        collect(&*tree, &mut Vec::new(), &mut own)?;
        own.extend(parse(spec_ignore.unwrap_or_default(), &[]));
        if own.len() > PATTERNS {
            return Err(TreeError::LimitExceeded {
                path: FILE.to_owned(),
                limit: "ignore patterns",
                allowed: PATTERNS as u64,
            });
        }
        if own.is_empty() {
            own = parse(DEFAULTS, &[]);
        }
        patterns.extend(own);
        Ok(Self {
            tree,
            includes: patterns.iter().any(|pattern| pattern.include),
            patterns: Arc::new(patterns),
        })
    }

    /// Whether a path is left out.
    fn leaves_out(&self, path: &str, is_directory: bool) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        self.patterns
            .iter()
            .rev()
            .find(|pattern| pattern.matches(&parts, is_directory))
            .is_some_and(|pattern| !pattern.include)
    }

    fn hides_directory(&self, path: &str) -> bool {
        !path.is_empty() && !self.includes && self.leaves_out(path, true)
    }
}

impl FileTree for SourceIgnore {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        if self.leaves_out(&clean_path(path)?, false) {
            return Ok(None);
        }
        self.tree.read(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let dir = clean_path(dir)?;
        if self.hides_directory(&dir) {
            return Ok(Vec::new());
        }
        let mut entries = self.tree.list(&dir)?;
        entries.retain(|entry| {
            let path = join(&dir, &entry.name);
            match entry.kind {
                EntryKind::File => !self.leaves_out(&path, false),
                EntryKind::Directory => !self.hides_directory(&path),
            }
        });
        Ok(entries)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        let path = clean_path(path)?;
        let entries = self.list(&path)?;
        if entries.is_empty() {
            // A file, or nothing that belongs.
            return Ok(match self.read(&path)? {
                Some(_) => self.tree.id(&path)?,
                None => None,
            });
        }
        let mut hash = Sha256::new();
        for entry in entries {
            let id = self.id(&join(&path, &entry.name))?;
            let id = id.map_or_else(String::new, |id| id.0);
            for part in [entry.name.as_bytes(), id.as_bytes()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(Some(ContentId::of(&hash.finalize())))
    }
}

/// The patterns of all files, a directory's after those of the ones above it.
fn collect(
    tree: &dyn FileTree,
    dir: &mut Vec<String>,
    patterns: &mut Vec<Pattern>,
) -> Result<(), TreeError> {
    let place = dir.join("/");
    if let Some(text) = tree.read(&join(&place, FILE))? {
        patterns.extend(parse(&String::from_utf8_lossy(&text), dir));
    }
    for entry in tree.list(&place)? {
        if entry.kind == EntryKind::Directory {
            dir.push(entry.name);
            collect(tree, dir, patterns)?;
            dir.pop();
        }
    }
    Ok(())
}

fn parse(text: &str, domain: &[String]) -> Vec<Pattern> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| Pattern::parse(line, domain))
        .collect()
}

/// One pattern, as go-git reads it.
#[derive(Debug, Clone)]
struct Pattern {
    domain: Vec<String>,
    parts: Vec<String>,
    include: bool,
    directories_only: bool,
    /// It has a `/` and so says where a path must be.
    anchored: bool,
}

impl Pattern {
    fn parse(line: &str, domain: &[String]) -> Self {
        let (include, mut text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        if !text.ends_with("\\ ") {
            text = text.trim_end_matches(' ');
        }
        let directories_only = text.ends_with('/');
        text = text.strip_suffix('/').unwrap_or(text);
        Self {
            domain: domain.to_vec(),
            parts: text.split('/').map(str::to_owned).collect(),
            include,
            directories_only,
            anchored: text.contains('/'),
        }
    }

    fn matches(&self, path: &[&str], is_directory: bool) -> bool {
        if path.len() <= self.domain.len() || self.domain.iter().zip(path).any(|(a, b)| a != b) {
            return false;
        }
        let path = &path[self.domain.len()..];
        if self.anchored {
            self.place_matches(path, is_directory)
        } else {
            self.name_matches(path, is_directory)
        }
    }

    /// Any part of the path has the name.
    fn name_matches(&self, path: &[&str], is_directory: bool) -> bool {
        path.iter()
            .position(|name| segment_matches(&self.parts[0], name))
            .is_some_and(|at| !self.directories_only || is_directory || at + 1 < path.len())
    }

    fn place_matches(&self, mut path: &[&str], is_directory: bool) -> bool {
        let mut matched = false;
        let mut skipping = false;
        for (at, part) in self.parts.iter().enumerate() {
            if part.is_empty() {
                skipping = false;
                continue;
            }
            if part == "**" {
                if at + 1 == self.parts.len() {
                    break;
                }
                skipping = true;
                continue;
            }
            if part.contains("**") {
                return false;
            }
            let Some((first, rest)) = path.split_first() else {
                return false;
            };
            if skipping {
                skipping = false;
                while let Some((first, rest)) = path.split_first() {
                    path = rest;
                    if segment_matches(part, first) {
                        matched = true;
                        break;
                    }
                    if path.is_empty() {
                        matched = false;
                    }
                }
            } else {
                if !segment_matches(part, first) {
                    return false;
                }
                matched = true;
                path = rest;
            }
        }
        matched && !(self.directories_only && !is_directory && path.is_empty())
    }
}

/// As Git has it, a malformed pattern matches nothing.
fn segment_matches(pattern: &str, name: &str) -> bool {
    file_path_match(pattern, name).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use gitops_core::source::MemoryTree;

    use super::*;

    fn visible(tree: &dyn FileTree, dir: &str, out: &mut Vec<String>) {
        for entry in tree.list(dir).unwrap() {
            let path = join(dir, &entry.name);
            match entry.kind {
                EntryKind::File => out.push(path),
                EntryKind::Directory => visible(tree, &path, out),
            }
        }
    }

    fn files(ignore: &[(&str, &str)], spec: Option<&str>) -> Vec<String> {
        let mut tree = MemoryTree::new();
        for path in [
            ".gitignore",
            ".github/workflows/ci.yml",
            ".sops.yaml",
            "apps/a/kustomization.yaml",
            "apps/a/picture.png",
            "apps/b/secret.yaml",
            "docs/readme.md",
            "logo.jpg",
            "top.yaml",
        ] {
            tree.insert(path, path.to_owned());
        }
        for (path, text) in ignore {
            tree.insert(*path, (*text).to_owned());
        }
        let filtered = SourceIgnore::new(Arc::new(tree), spec).unwrap();
        let mut out = Vec::new();
        visible(&filtered, "", &mut out);
        for path in &out {
            assert!(filtered.read(path).unwrap().is_some());
        }
        out
    }

    #[test]
    fn the_defaults_hold_where_nothing_is_said() {
        let kept = [
            "apps/a/kustomization.yaml",
            "apps/b/secret.yaml",
            "docs/readme.md",
            "top.yaml",
        ];
        assert_eq!(files(&[], None), kept);
    }

    #[test]
    fn one_file_switches_the_defaults_off() {
        assert_eq!(
            files(
                &[(
                    "apps/b/.sourceignore",
                    "secret.yaml\n.sourceignore\n# x\n\n"
                )],
                None
            ),
            [
                ".github/workflows/ci.yml",
                ".sops.yaml",
                "apps/a/kustomization.yaml",
                "apps/a/picture.png",
                "docs/readme.md",
                "logo.jpg",
                "top.yaml"
            ]
        );
    }

    #[test]
    fn the_last_match_decides() {
        let spec = "/*\n!/apps\n/apps/*\n!/apps/a\n*.png";
        assert_eq!(files(&[], Some(spec)), ["apps/a/kustomization.yaml"]);
        let spec = "/*\n!/apps/a/*.yaml\n";
        assert_eq!(files(&[], Some(spec)), ["apps/a/kustomization.yaml"]);
        let spec = "**/a/\ndocs/**\n.*\n";
        assert_eq!(
            files(&[], Some(spec)),
            ["apps/b/secret.yaml", "logo.jpg", "top.yaml"]
        );
    }

    #[test]
    fn patterns_match_as_go_git_has_them() {
        for (pattern, path, is_directory, expected) in [
            ("a", "x/a/y", false, true),
            ("a/", "a", false, false),
            ("a/", "a/b", false, true),
            ("/a", "b/a", false, false),
            ("*/**", "a", true, true),
            ("a/**", "a", false, true),
            ("**/a/", "x/y/a", true, true),
            ("**/a/", "x/y/a", false, false),
            ("a**/b", "ax/b", false, false),
            ("[ab]/?.yaml", "b/x.yaml", false, true),
        ] {
            let parts: Vec<&str> = path.split('/').collect();
            let found = Pattern::parse(pattern, &[]).matches(&parts, is_directory);
            assert_eq!(found, expected, "{pattern} {path}");
        }
    }

    #[test]
    fn ids_tell_what_belongs() {
        let tree = |extra: &str| {
            let tree = MemoryTree::new()
                .with("a/x.yaml", "1")
                .with("a/x.png", extra.to_owned())
                .with("b/x.png", extra.to_owned());
            SourceIgnore::new(Arc::new(tree), None).unwrap()
        };
        assert_eq!(tree("1").id("").unwrap(), tree("2").id("").unwrap());
        assert_eq!(tree("1").id("b").unwrap(), None);
        assert_eq!(tree("1").id("b/x.png").unwrap(), None);
        assert!(tree("1").id("a/x.yaml").unwrap().is_some());
    }
}
