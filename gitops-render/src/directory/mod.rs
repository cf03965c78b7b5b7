//! Plain directories of manifests, with Argo CD's rules: which files are read, what is taken for a
//! manifest and what is silently left aside.

use std::sync::Arc;

use gitops_core::{
    Manifest,
    app::{ApplicationSource, DirectorySource},
    glob::Glob,
    render::{Prepared, RenderError, RenderInput, RenderOutcome, Rendered, Renderer, Trees},
    source::{EntryKind, FileTree},
    yaml,
};
use serde_json::Value;

use crate::{
    manifests::add_objects,
    recording::RecordingTree,
    source_options::{Tool, detected_tool, overridden},
    tree::join,
};

/// Renders directories of plain manifests.
#[derive(Debug, Clone, Default)]
pub struct DirectoryRenderer {
    options: DirectoryOptions,
}

/// Bounds on a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryOptions {
    /// Sum of all files that are read, in bytes; 10,000,000 by default, as in Argo CD.
    pub total_bytes: u64,
    /// Depth of directories below the application's; 100 by default.
    pub depth: usize,
    /// Number of files and directories; 100,000 by default. Symlinks can make a small tree large.
    pub entries: usize,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        Self {
            total_bytes: 10_000_000,
            depth: 100,
            entries: 100_000,
        }
    }
}

impl DirectoryRenderer {
    /// A renderer with these bounds.
    #[must_use]
    pub fn new(options: DirectoryOptions) -> Self {
        Self { options }
    }
}

impl Renderer for DirectoryRenderer {
    fn detects(&self, trees: &Trees, source: &ApplicationSource) -> Result<bool, RenderError> {
        Ok(detected_tool(trees, source)? == Some(Tool::Directory))
    }

    fn prepare(
        &self,
        trees: &Trees,
        _source: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError> {
        Ok(Arc::new(PreparedDirectory {
            trees: trees.clone(),
            options: self.options.clone(),
        }))
    }
}

struct PreparedDirectory {
    trees: Trees,
    options: DirectoryOptions,
}

impl Prepared for PreparedDirectory {
    fn render(&self, input: &RenderInput) -> Result<RenderOutcome, RenderError> {
        let tree = RecordingTree::new(self.trees.root.clone(), "");
        let source = overridden(&tree, &self.trees.path, &input.source, &input.application)?;
        let directory = source.directory.unwrap_or_default();
        if let Some(jsonnet) = &directory.jsonnet
            && jsonnet
                .as_object()
                .is_some_and(|options| !options.is_empty())
        {
            return Err(RenderError::Unsupported {
                what: "Jsonnet".to_owned(),
            });
        }
        let mut walk = Walk {
            tree: &tree,
            root: &self.trees.path,
            options: &self.options,
            filter: Filter::new(&directory),
            recurse: directory.recurse,
            remaining: self.options.total_bytes,
            entries: 0,
            manifests: Vec::new(),
        };
        walk.directory(&self.trees.path, 0)?;
        Ok(RenderOutcome::Rendered(Rendered {
            manifests: walk.manifests,
            source_type: "Directory",
            inputs_read: tree.inputs(),
            ..Rendered::default()
        }))
    }
}

/// Which files are read. A malformed glob matches nothing.
struct Filter {
    include: Option<Option<Glob>>,
    exclude: Option<Option<Glob>>,
}

impl Filter {
    fn new(source: &DirectorySource) -> Self {
        let compile = |glob: &Option<String>| {
            let glob = glob.as_deref().filter(|glob| !glob.is_empty())?;
            Some(Glob::new(glob, &[]).ok())
        };
        Self {
            include: compile(&source.include),
            exclude: compile(&source.exclude),
        }
    }

    fn takes(&self, path: &str) -> bool {
        let matches = |glob: &Option<Glob>| glob.as_ref().is_some_and(|glob| glob.matches(path));
        !self.exclude.as_ref().is_some_and(matches) && self.include.as_ref().is_none_or(matches)
    }
}

struct Walk<'a> {
    tree: &'a dyn FileTree,
    root: &'a str,
    options: &'a DirectoryOptions,
    filter: Filter,
    recurse: bool,
    remaining: u64,
    entries: usize,
    manifests: Vec<Manifest>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), RenderError> {
        if depth > self.options.depth {
            return Err(RenderError::LimitExceeded {
                limit: "directory depth",
                allowed: self.options.depth as u64,
                at: Some(path.to_owned()),
            });
        }
        for entry in self.tree.list(path)? {
            self.entries += 1;
            if self.entries > self.options.entries {
                return Err(RenderError::LimitExceeded {
                    limit: "number of files and directories",
                    allowed: self.options.entries as u64,
                    at: Some(path.to_owned()),
                });
            }
            let path = join(path, &entry.name);
            match entry.kind {
                EntryKind::Directory if self.recurse => self.directory(&path, depth + 1)?,
                EntryKind::Directory => {}
                EntryKind::File => self.file(&path)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<(), RenderError> {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        if !matches!(extension, "yaml" | "yml" | "json" | "jsonnet") {
            return Ok(());
        }
        let relative = match self.root {
            "" => path,
            root => path[root.len()..].trim_start_matches('/'),
        };
        if !self.filter.takes(relative) {
            return Ok(());
        }
        if extension == "jsonnet" {
            return Err(RenderError::Unsupported {
                what: format!("Jsonnet (`{path}`)"),
            });
        }
        let Some(content) = self.tree.read(path)? else {
            return Ok(());
        };
        self.remaining = self
            .remaining
            .checked_sub(content.len() as u64)
            .ok_or_else(|| RenderError::LimitExceeded {
                limit: "combined size of manifests in bytes",
                allowed: self.options.total_bytes,
                at: Some(path.to_owned()),
            })?;
        const SKIP: &[u8] = b"+argocd:skip-file-rendering";
        if contains(&content, SKIP) {
            return Ok(());
        }
        if extension == "json" {
            let value: Value = serde_json::from_slice(strip_mark(&content))
                .map_err(|error| invalid(path, error.to_string()))?;
            return add_objects(value, path, &mut self.manifests);
        }
        self.yaml(path, &content)
    }

    fn yaml(&mut self, path: &str, content: &[u8]) -> Result<(), RenderError> {
        let text = decoded(content);
        let before = self.manifests.len();
        let mut failure = None;
        for document in yaml::documents(&text) {
            let value = match document {
                Ok(value) => value,
                Err(error) => {
                    failure = Some(error.to_string());
                    break;
                }
            };
            let has_kind = value
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| !kind.is_empty());
            if !value.is_null() && !has_kind {
                failure = Some("`kind` is missing or not a string".to_owned());
                break;
            }
            add_objects(value, path, &mut self.manifests)?;
        }
        let Some(reason) = failure else { return Ok(()) };
        // What no document of it says to be a manifest is somebody's else file.
        let looks_like_manifest = self.manifests.len() > before
            || ["apiVersion:", "kind:", "metadata:"]
                .iter()
                .all(|mark| text.contains(mark));
        if looks_like_manifest {
            return Err(invalid(path, reason));
        }
        Ok(())
    }
}

fn invalid(path: &str, reason: String) -> RenderError {
    RenderError::InvalidManifest {
        path: path.to_owned(),
        reason,
    }
}

fn contains(content: &[u8], mark: &[u8]) -> bool {
    content.windows(mark.len()).any(|window| window == mark)
}

fn strip_mark(content: &[u8]) -> &[u8] {
    content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)
}

/// Text in UTF-8, or in UTF-16 with a byte order mark.
fn decoded(content: &[u8]) -> String {
    let units = |decode: fn([u8; 2]) -> u16| -> Vec<u16> {
        content[2..]
            .chunks_exact(2)
            .map(|pair| decode([pair[0], pair[1]]))
            .collect()
    };
    match content {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        _ => String::from_utf8_lossy(strip_mark(content)).into_owned(),
    }
}

#[cfg(test)]
mod tests;
