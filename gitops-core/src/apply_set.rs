//! ApplySets (KEP-3659): the objects of an application as a set that `kubectl` and other tools know.
//!
//! A parent object names the kinds and namespaces of the members; each member carries a label with
//! the id of the set. The parent is written before anything is applied, with all that was and will
//! be a member, and shrunk afterwards: what was applied can always be found.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Classified, ErrorClass},
    object::{GroupKind, GroupVersionKind, Manifest, ObjectId, ObjectRef},
    plan::Owner,
};

/// Label of members, with the id of the set.
pub const PART_OF_LABEL: &str = "applyset.kubernetes.io/part-of";
/// Label of parents, with the id of the set.
pub const ID_LABEL: &str = "applyset.kubernetes.io/id";
/// Annotation of parents: which tool manages the set, as `name/version`.
pub const TOOLING_ANNOTATION: &str = "applyset.kubernetes.io/tooling";
/// Annotation of parents: the kinds of the members, as `Kind.group`.
pub const GROUP_KINDS_ANNOTATION: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation of parents: the namespaces of the members beside the parent's own.
pub const NAMESPACES_ANNOTATION: &str = "applyset.kubernetes.io/additional-namespaces";
/// Field manager of parents.
pub const FIELD_MANAGER: &str = "gitops-applyset";

const TOOL: &str = "gitops";

/// One set, by its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplySet {
    parent: ObjectRef,
}

/// What a set contains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The kinds.
    pub kinds: BTreeSet<GroupKind>,
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
}

/// An object cannot be the parent of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplySetError {
    /// Another tool manages the set.
    #[error(
        "the ApplySet of {parent} is managed by `{tooling}`; give the application another name, or remove the set with that tool"
    )]
    ForeignTool {
        /// The parent.
        parent: String,
        /// The tool, as it names itself.
        tooling: String,
    },
    /// The parent carries the id of another set.
    #[error(
        "{parent} is the parent of the ApplySet `{id}`, which is not its own; remove the label {ID_LABEL}"
    )]
    ForeignId {
        /// The parent.
        parent: String,
        /// The id found.
        id: String,
    },
}

impl Classified for ApplySetError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Conflict
    }
}

impl Contents {
    /// What these objects make up.
    #[must_use]
    pub fn of<'a>(members: impl IntoIterator<Item = &'a ObjectId>) -> Self {
        let mut contents = Self::default();
        for member in members {
            contents.kinds.insert(member.group_kind());
            if !member.namespace.is_empty() {
                contents.namespaces.insert(member.namespace.clone());
            }
        }
        contents
    }

    /// What a parent says.
    #[must_use]
    pub fn of_parent(parent: &Manifest) -> Self {
        let list = |annotation| {
            let text = parent.annotation(annotation).unwrap_or_default();
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
        };
        let kinds = list(GROUP_KINDS_ANNOTATION).map(|item| {
            let (kind, group) = item.split_once('.').unwrap_or((item, ""));
            GroupKind::new(group, kind)
        });
        let mut namespaces: BTreeSet<String> =
            list(NAMESPACES_ANNOTATION).map(str::to_owned).collect();
        namespaces.insert(parent.namespace().to_owned());
        Self {
            kinds: kinds.collect(),
            namespaces,
        }
    }

    /// Both together.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        self.kinds.extend(other.kinds);
        self.namespaces.extend(other.namespaces);
        self
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

impl ApplySet {
    /// The set with this parent.
    #[must_use]
    pub fn new(parent: ObjectRef) -> Self {
        Self { parent }
    }

    /// The set of an application: its parent is a Secret beside the Application object.
    #[must_use]
    pub fn of(owner: &Owner) -> Self {
        let kind = if owner.bootstrap { "bootstrap-" } else { "" };
        // Instance names of applications in other namespaces contain `_`, which names may not.
        let name = format!("gitops-applyset-{kind}{}", owner.name.replace('_', "."));
        let namespace = match owner.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        Self::new(ObjectRef::new(
            GroupVersionKind::new("", "v1", "Secret"),
            namespace,
            name,
        ))
    }

    /// The parent.
    #[must_use]
    pub fn parent(&self) -> &ObjectRef {
        &self.parent
    }

    /// The id, which follows from the parent.
    #[must_use]
    pub fn id(&self) -> String {
        let ObjectRef {
            gvk,
            namespace,
            name,
        } = &self.parent;
        let text = format!("{name}.{namespace}.{}.{}", gvk.kind, gvk.group);
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        format!("applyset-{hash}-v1")
    }

    /// The parent as it is applied.
    #[must_use]
    pub fn parent_object(&self, contents: &Contents) -> Manifest {
        let kinds: BTreeSet<String> = contents.kinds.iter().map(ToString::to_string).collect();
        let namespaces = contents
            .namespaces
            .iter()
            .filter(|namespace| **namespace != self.parent.namespace);
        let join = |items: &mut dyn Iterator<Item = &String>| {
            items.map(String::as_str).collect::<Vec<_>>().join(",")
        };
        let mut metadata = json!({
            "name": self.parent.name,
            "labels": {ID_LABEL: self.id()},
            "annotations": {
                TOOLING_ANNOTATION: format!("{TOOL}/{}", env!("CARGO_PKG_VERSION")),
                GROUP_KINDS_ANNOTATION: join(&mut kinds.iter()),
                NAMESPACES_ANNOTATION: join(&mut namespaces.into_iter()),
            },
        });
        if !self.parent.namespace.is_empty() {
            metadata["namespace"] = Value::from(self.parent.namespace.as_str());
        }
        Manifest::try_from(json!({
            "apiVersion": self.parent.gvk.api_version(),
            "kind": self.parent.gvk.kind,
            "metadata": metadata,
        }))
        .expect("apiVersion and kind are given")
    }

    /// Whether an object that exists can be the parent.
    ///
    /// # Errors
    /// When another tool manages it, or it carries the id of another set.
    pub fn accepts(&self, parent: &Manifest) -> Result<(), ApplySetError> {
        let name = || self.parent.to_string();
        if let Some(tooling) = parent.annotation(TOOLING_ANNOTATION)
            && tooling.split('/').next() != Some(TOOL)
        {
            return Err(ApplySetError::ForeignTool {
                parent: name(),
                tooling: tooling.to_owned(),
            });
        }
        match parent.label(ID_LABEL) {
            Some(id) if id != self.id() => Err(ApplySetError::ForeignId {
                parent: name(),
                id: id.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_kubectl() {
        let secret = GroupVersionKind::new("", "v1", "Secret");
        let set = ApplySet::new(ObjectRef::new(secret, "test", "my-set"));
        assert_eq!(
            set.id(),
            "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1"
        );
        let custom = GroupVersionKind::new("company.com", "v1", "ApplySet");
        let set = ApplySet::new(ObjectRef::new(custom, "", "my-set"));
        assert_eq!(
            set.id(),
            "applyset-rhp1a-HVAVT_dFgyEygyA1BEB82HPp2o10UiFTpqtAs-v1"
        );
    }

    #[test]
    fn a_parent_names_kinds_and_namespaces() {
        let set = ApplySet::of(&Owner {
            name: "shop".into(),
            namespace: "argocd".into(),
            bootstrap: false,
        });
        let member = |group: &str, kind: &str, namespace: &str| ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: "x".into(),
        };
        let members = [
            member("apps", "Deployment", "shop"),
            member("", "ConfigMap", "argocd"),
            member("", "Namespace", ""),
        ];
        let contents = Contents::of(&members);
        let parent = set.parent_object(&contents);
        assert_eq!(
            parent.annotation(GROUP_KINDS_ANNOTATION),
            Some("ConfigMap,Deployment.apps,Namespace")
        );
        assert_eq!(parent.annotation(NAMESPACES_ANNOTATION), Some("shop"));
        assert_eq!(Contents::of_parent(&parent), contents);
        assert_eq!(set.accepts(&parent), Ok(()));

        let mut foreign = parent;
        foreign.set_annotation(TOOLING_ANNOTATION, "kubectl/v1.34");
        let error = set.accepts(&foreign).unwrap_err();
        assert!(error.to_string().contains("kubectl/v1.34"), "{error}");
    }
}
