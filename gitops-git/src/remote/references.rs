//! The references of a repository.

use gix::ObjectId;

/// One reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Full name.
    pub(crate) name: String,
    /// What it holds; an annotated tag's own id.
    pub(crate) object: ObjectId,
    /// What an annotated tag names.
    pub(crate) peeled: Option<ObjectId>,
    /// The full name of the reference that this one follows.
    pub(crate) symbolic: Option<String>,
}

impl Reference {
    /// The commit that it means.
    pub(crate) fn target(&self) -> ObjectId {
        self.peeled.unwrap_or(self.object)
    }

    /// The name by which people call it: without `refs/heads/`, `refs/tags/` and so on.
    pub(crate) fn short(&self) -> &str {
        for prefix in ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"] {
            if let Some(short) = self.name.strip_prefix(prefix) {
                return short;
            }
        }
        &self.name
    }
}

/// The references of a repository in the server's order, which is HEAD first, then by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    list: Vec<Reference>,
}

impl References {
    pub(crate) fn new(list: Vec<Reference>) -> Self {
        Self { list }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.list.iter()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Reference> {
        self.list.iter().find(|reference| reference.name == name)
    }

    /// The first one with this short name, which for one that is branch and tag is the branch.
    pub(crate) fn short(&self, name: &str) -> Option<&Reference> {
        self.list.iter().find(|reference| reference.short() == name)
    }

    /// Short names of the tags, with the commits that they mean.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &Reference)> {
        self.list.iter().filter_map(|reference| {
            reference
                .name
                .strip_prefix("refs/tags/")
                .map(|tag| (tag, reference))
        })
    }

    /// Whether a reference names this commit now.
    pub(crate) fn has_target(&self, commit: &ObjectId) -> bool {
        self.list
            .iter()
            .any(|reference| reference.target() == *commit || reference.object == *commit)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
