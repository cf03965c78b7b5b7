//! From edits to the objects of a commit.

use std::collections::BTreeMap;

use bytes::Bytes;
use gitops_core::source::clean_path;
use gix::{ObjectId, bstr::BString};

use super::{CommitOptions, Edit, Identity, pack::NewObject, proposal_failed};
use crate::{
    error::GitError,
    store::{Kind, Objects},
    tree::GitTree,
    write::Proposal,
};

/// A commit and everything new that it needs.
pub(crate) struct NewCommit {
    pub(crate) id: ObjectId,
    pub(crate) objects: Vec<NewObject>,
}

/// The edits as a tree: what happens at each name of a directory.
#[derive(Default)]
struct Plan {
    names: BTreeMap<String, Step>,
}

enum Step {
    Write(Bytes),
    Remove,
    Into(Plan),
}

/// The commit that the proposal makes on top of `parent`; `None` where it changes no file.
pub(crate) fn build(
    tree: &GitTree,
    parent: Option<ObjectId>,
    proposal: &Proposal,
    options: &CommitOptions,
) -> Result<Option<NewCommit>, GitError> {
    let mut plan = Plan::default();
    for edit in &proposal.edits {
        let (path, step) = match edit {
            Edit::Write { path, content } => (path, Step::Write(content.clone())),
            Edit::Remove { path } => (path, Step::Remove),
        };
        plan.add(path, step)?;
    }
    let mut objects = Vec::new();
    let root = apply(&plan, Some(tree.root()), tree.objects(), "", &mut objects)?;
    let root = match root {
        Some(root) => root,
        None => add(Kind::Tree, Vec::new(), &mut objects)?,
    };
    if root == tree.root() && parent.is_some() {
        return Ok(None);
    }
    let id = commit(root, parent, proposal, options, &mut objects)?;
    Ok(Some(NewCommit { id, objects }))
}

impl Plan {
    fn add(&mut self, path: &str, step: Step) -> Result<(), GitError> {
        let invalid = |reason: &str| GitError::InvalidOption {
            what: "edit",
            reason: format!("`{path}` {reason}"),
        };
        let clean = clean_path(path).map_err(|_| invalid("is not a path inside the tree"))?;
        if clean.is_empty() {
            return Err(invalid("names no file"));
        }
        let mut plan = self;
        let mut parts = clean.split('/').peekable();
        while let Some(name) = parts.next() {
            if !crate::tree::is_usable_name(name) {
                return Err(invalid("has a name that Git does not allow"));
            }
            if parts.peek().is_none() {
                plan.names.insert(name.to_owned(), step);
                return Ok(());
            }
            let entry = plan
                .names
                .entry(name.to_owned())
                .or_insert_with(|| Step::Into(Self::default()));
            if !matches!(entry, Step::Into(_)) {
                return Err(invalid(
                    "lies below a file that another edit writes or removes",
                ));
            }
            let Step::Into(next) = entry else {
                unreachable!("checked just above");
            };
            plan = next;
        }
        Err(invalid("names no file"))
    }
}

/// Applies a plan to a directory; `None` where nothing is left in it.
fn apply(
    plan: &Plan,
    old: Option<ObjectId>,
    database: &Objects,
    place: &str,
    objects: &mut Vec<NewObject>,
) -> Result<Option<ObjectId>, GitError> {
    use gix::objs::tree::{Entry, EntryKind};
    let mut entries: Vec<Entry> = match old {
        None => Vec::new(),
        Some(id) if id.is_empty_tree() => Vec::new(),
        Some(id) => {
            let Some((Kind::Tree, data)) = database.read(&id)? else {
                return Err(database.corrupt(&format!("the directory `{place}` is missing")));
            };
            gix::objs::TreeRef::from_bytes(&data, gix::hash::Kind::Sha1)
                .map_err(|error| database.corrupt(&error))?
                .to_owned()
                .entries
        }
    };
    for (name, step) in &plan.names {
        let path = crate::tree::join(place, name);
        let at = entries
            .iter()
            .position(|entry| entry.filename == name.as_bytes());
        let known = at.map(|at| (entries[at].mode.kind(), entries[at].oid));
        let new = match step {
            Step::Remove => None,
            Step::Write(content) => {
                let kind = match known {
                    Some((kind @ (EntryKind::Blob | EntryKind::BlobExecutable), _)) => kind,
                    None => EntryKind::Blob,
                    Some((EntryKind::Tree, _)) => {
                        return Err(in_the_way(&path, "is a directory"));
                    }
                    Some((EntryKind::Link, _)) => return Err(in_the_way(&path, "is a symlink")),
                    Some((EntryKind::Commit, _)) => {
                        return Err(in_the_way(&path, "is a submodule"));
                    }
                };
                let id = match &known {
                    Some((_, id)) if same(*id, content) => *id,
                    _ => add(Kind::Blob, content.to_vec(), objects)?,
                };
                Some((kind, id))
            }
            Step::Into(below) => {
                let old = match known {
                    Some((EntryKind::Tree, id)) => Some(id),
                    None => None,
                    Some(_) => return Err(in_the_way(&path, "is not a directory")),
                };
                apply(below, old, database, &path, objects)?.map(|id| (EntryKind::Tree, id))
            }
        };
        match (new, at) {
            (Some((kind, oid)), Some(at)) => {
                entries[at].oid = oid;
                entries[at].mode = kind.into();
            }
            (Some((kind, oid)), None) => entries.push(Entry {
                mode: kind.into(),
                filename: BString::from(name.as_str()),
                oid,
            }),
            (None, Some(at)) => {
                entries.remove(at);
            }
            (None, None) => {}
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    entries.sort();
    let mut data = Vec::new();
    let tree = gix::objs::Tree { entries };
    gix::objs::WriteTo::write_to(&tree, &mut data).map_err(|error| database.corrupt(&error))?;
    let id = name_of(Kind::Tree, &data)?;
    if Some(id) != old {
        objects.push(NewObject {
            id,
            kind: Kind::Tree,
            data,
        });
    }
    Ok(Some(id))
}

fn same(id: ObjectId, content: &[u8]) -> bool {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, content)
        .is_ok_and(|found| found == id)
}

fn name_of(kind: Kind, data: &[u8]) -> Result<ObjectId, GitError> {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data).map_err(|error| {
        GitError::InvalidOption {
            what: "edit",
            reason: error.to_string(),
        }
    })
}

fn add(kind: Kind, data: Vec<u8>, objects: &mut Vec<NewObject>) -> Result<ObjectId, GitError> {
    let object = NewObject::new(kind, data).ok_or_else(|| GitError::InvalidOption {
        what: "edit",
        reason: "its content collides with another object's name".to_owned(),
    })?;
    let id = object.id;
    if !objects.iter().any(|known| known.id == id) {
        objects.push(object);
    }
    Ok(id)
}

fn in_the_way(path: &str, reason: &str) -> GitError {
    GitError::InvalidOption {
        what: "edit",
        reason: format!("`{path}` {reason}"),
    }
}

fn commit(
    tree: ObjectId,
    parent: Option<ObjectId>,
    proposal: &Proposal,
    options: &CommitOptions,
    objects: &mut Vec<NewObject>,
) -> Result<ObjectId, GitError> {
    let time = options.at.as_second();
    let mut head = format!("tree {tree}\n");
    if let Some(parent) = parent {
        head.push_str(&format!("parent {parent}\n"));
    }
    head.push_str(&format!(
        "author {} {time} +0000\n",
        person(&options.author)?
    ));
    let committer = options.committer.as_ref().unwrap_or(&options.author);
    head.push_str(&format!("committer {} {time} +0000\n", person(committer)?));
    if proposal.message.contains('\0') {
        return Err(in_the_way("message", "contains a NUL character"));
    }
    let mut message = proposal.message.trim_end().to_owned();
    message.push('\n');
    let unsigned = format!("{head}\n{message}");
    let data = match &options.signer {
        None => unsigned,
        Some(signer) => {
            let signature = signer.sign(unsigned.as_bytes()).map_err(proposal_failed)?;
            // Further lines of a header begin with a space.
            let signature = signature.trim_end().replace('\n', "\n ");
            format!("{head}gpgsig {signature}\n\n{message}")
        }
    };
    add(Kind::Commit, data.into_bytes(), objects)
}

fn person(identity: &Identity) -> Result<String, GitError> {
    let bad = |text: &str| text.contains(['<', '>', '\n', '\0']);
    if identity.name.trim().is_empty() || bad(&identity.name) || bad(&identity.email) {
        return Err(GitError::InvalidOption {
            what: "author",
            reason:
                "name and address must not contain `<`, `>` or line ends, and the name not be empty"
                    .to_owned(),
        });
    }
    Ok(format!(
        "{} <{}>",
        identity.name.trim(),
        identity.email.trim()
    ))
}
