//! Which application an object belongs to: the tracking mark on the object itself.
//!
//! The mark is Argo CD's annotation `argocd.argoproj.io/tracking-id` with the value
//! `<application>:<group>/<Kind>:<namespace>/<name>`, or, with another [`TrackingMethod`], a label.
//! Objects of a bootstrap set carry a mark of their own, so that the Application that renders them
//! later can tell that it may take them over.

use serde::{Deserialize, Serialize};

use crate::{
    apply_set::ApplySet,
    object::{Manifest, ObjectId},
    plan::Owner,
};

/// Annotation on objects of an Application.
pub const TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";
/// Annotation on objects of a bootstrap set.
pub const BOOTSTRAP_ANNOTATION: &str = "bootstrap.gitops/tracking-id";
/// Label on objects of an Application, where nothing else is asked for.
pub const TRACKING_LABEL: &str = "app.kubernetes.io/instance";
/// Annotation with the installation that an object belongs to.
pub const INSTALLATION_ANNOTATION: &str = "argocd.argoproj.io/installation-id";

/// How objects are marked (Argo CD's `application.resourceTrackingMethod`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum TrackingMethod {
    /// By annotation.
    #[default]
    #[serde(rename = "annotation")]
    Annotation,
    /// By label.
    #[serde(rename = "label")]
    Label,
    /// By annotation; a label, cut to the length that labels can have, informs people and tools.
    #[serde(rename = "annotation+label")]
    AnnotationAndLabel,
}

/// How objects are marked, and which marks count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracking {
    /// The method.
    pub method: TrackingMethod,
    /// Key of the label, for the methods that have one.
    pub label: String,
    /// Name of this installation, where several share a cluster: annotations of others do not
    /// count. Empty: no installation is named.
    pub installation: String,
    /// Also makes an [`ApplySet`] of each application: members carry its label, and `kubectl` and
    /// other tools can find and prune them.
    pub apply_sets: bool,
}

impl Default for Tracking {
    fn default() -> Self {
        Self {
            method: TrackingMethod::Annotation,
            label: TRACKING_LABEL.to_owned(),
            installation: String::new(),
            apply_sets: false,
        }
    }
}

/// A tracking mark read from an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the application or bootstrap set.
    pub name: String,
    /// Whether it is a bootstrap set's.
    pub bootstrap: bool,
    /// The object that the mark was made for.
    pub object: ObjectId,
}

impl Mark {
    /// Whether the mark is the owner's.
    #[must_use]
    pub fn is_of(&self, owner: &Owner) -> bool {
        self.bootstrap == owner.bootstrap && self.name == owner.name
    }
}

impl Tracking {
    /// Whether everything is as it is by default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Marks an object as the owner's. `destination_namespace` stands in for the namespace of
    /// cluster-scoped objects.
    pub fn mark(&self, object: &mut Manifest, owner: &Owner, destination_namespace: &str) {
        if self.apply_sets {
            object.set_label(crate::apply_set::PART_OF_LABEL, ApplySet::of(owner).id());
        }
        if self.method == TrackingMethod::Label && !owner.bootstrap {
            object.set_label(self.label.as_str(), owner.name.as_str());
            return;
        }
        let namespace = match object.namespace() {
            "" => destination_namespace,
            namespace => namespace,
        };
        let value = format!(
            "{}:{}/{}:{namespace}/{}",
            owner.name,
            object.group(),
            object.kind(),
            object.name()
        );
        if owner.bootstrap {
            object.set_annotation(BOOTSTRAP_ANNOTATION, value);
            return;
        }
        object.set_annotation(TRACKING_ANNOTATION, value);
        if !self.installation.is_empty() {
            object.set_annotation(INSTALLATION_ANNOTATION, self.installation.as_str());
        }
        if self.method == TrackingMethod::AnnotationAndLabel {
            object.set_label(self.label.as_str(), label_value(&owner.name));
        }
    }

    /// The mark of an object. Where it carries an Application's mark, a bootstrap set's does not
    /// count.
    #[must_use]
    pub fn mark_of(&self, object: &Manifest) -> Option<Mark> {
        let read = |annotation, bootstrap| {
            let (name, object) = parse(object.annotation(annotation)?)?;
            Some(Mark {
                name,
                bootstrap,
                object,
            })
        };
        let own = if self.method == TrackingMethod::Label {
            self.label_mark(object)
        } else if self.is_of_this_installation(object) {
            read(TRACKING_ANNOTATION, false)
        } else {
            None
        };
        own.or_else(|| read(BOOTSTRAP_ANNOTATION, true))
    }

    /// The mark of an object, if it was made for this very object. A copy that a controller made of
    /// a tracked object carries the mark of the original: it belongs to nobody.
    #[must_use]
    pub fn own_mark_of(&self, object: &Manifest) -> Option<Mark> {
        self.mark_of(object).filter(|mark| {
            mark.object.group == object.group()
                && mark.object.kind == object.kind()
                && mark.object.name == object.name()
                && (object.namespace().is_empty() || mark.object.namespace == object.namespace())
        })
    }

    fn is_of_this_installation(&self, object: &Manifest) -> bool {
        self.installation.is_empty()
            || object.annotation(INSTALLATION_ANNOTATION) == Some(self.installation.as_str())
    }

    fn label_mark(&self, object: &Manifest) -> Option<Mark> {
        let name = object.label(&self.label).filter(|name| !name.is_empty())?;
        // A cluster copies the labels of a Service to its endpoints.
        let is_copy = matches!(
            (object.group(), object.kind()),
            ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice")
        );
        (!is_copy).then(|| Mark {
            name: name.to_owned(),
            bootstrap: false,
            object: object.id(),
        })
    }
}

/// Marks an object as the owner's by annotation; see [`Tracking::mark`].
pub fn mark(object: &mut Manifest, owner: &Owner, destination_namespace: &str) {
    Tracking::default().mark(object, owner, destination_namespace);
}

/// The annotation of an object; see [`Tracking::mark_of`].
#[must_use]
pub fn mark_of(object: &Manifest) -> Option<Mark> {
    Tracking::default().mark_of(object)
}

/// The annotation of an object, if it was made for this very object; see [`Tracking::own_mark_of`].
#[must_use]
pub fn own_mark_of(object: &Manifest) -> Option<Mark> {
    Tracking::default().own_mark_of(object)
}

/// A name as the value of a label: at most 63 bytes that end in a letter or digit.
fn label_value(name: &str) -> &str {
    const LONGEST: usize = 63;
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    if end == name.len() {
        return name;
    }
    name[..end].trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
}

fn parse(value: &str) -> Option<(String, ObjectId)> {
    let mut parts = value.splitn(3, ':');
    let (name, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, kind) = kind.split_once('/')?;
    let (namespace, object_name) = object.split_once('/')?;
    if name.is_empty() || kind.contains('/') || object_name.contains('/') {
        return None;
    }
    let object = ObjectId {
        group: group.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: object_name.to_owned(),
    };
    Some((name.to_owned(), object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service() -> Manifest {
        Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}
        }))
        .unwrap()
    }

    #[test]
    fn an_application_marks_with_argo_cds_annotation() {
        let owner = Owner {
            name: "shop".into(),
            ..Owner::default()
        };
        let mut object = service();
        mark(&mut object, &owner, "other");
        assert_eq!(
            object.annotation(TRACKING_ANNOTATION),
            Some("shop:/Service:shop/web")
        );
        assert!(own_mark_of(&object).unwrap().is_of(&owner));
    }

    #[test]
    fn an_applications_mark_counts_more_than_a_bootstrap_sets() {
        let bootstrap = Owner {
            name: "seed".into(),
            bootstrap: true,
            ..Owner::default()
        };
        let owner = Owner {
            name: "shop".into(),
            ..Owner::default()
        };
        let mut object = service();
        mark(&mut object, &bootstrap, "");
        assert!(mark_of(&object).unwrap().is_of(&bootstrap));
        mark(&mut object, &owner, "");
        assert!(mark_of(&object).unwrap().is_of(&owner));
    }

    #[test]
    fn a_copy_of_a_tracked_object_belongs_to_nobody() {
        let owner = Owner {
            name: "shop".into(),
            ..Owner::default()
        };
        let mut object = service();
        mark(&mut object, &owner, "");
        object.metadata_mut().insert("name".into(), "copy".into());
        assert_eq!(own_mark_of(&object), None);
    }

    #[test]
    fn malformed_marks_are_none() {
        for value in ["", "a", "a:b", "a:b:c", "a:/Service:x/y/z", ":/Service:x/y"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }

    #[test]
    fn labels_mark_where_asked() {
        let owner = Owner {
            name: format!("{}-x", "a".repeat(62)),
            ..Owner::default()
        };
        let by = |method| Tracking {
            method,
            ..Tracking::default()
        };
        let (label, both) = (
            by(TrackingMethod::Label),
            by(TrackingMethod::AnnotationAndLabel),
        );
        let mut object = service();
        label.mark(&mut object, &owner, "");
        assert_eq!(object.annotation(TRACKING_ANNOTATION), None);
        assert!(label.own_mark_of(&object).unwrap().is_of(&owner));
        assert_eq!(both.own_mark_of(&object), None);

        let mut object = service();
        both.mark(&mut object, &owner, "");
        assert_eq!(object.label(TRACKING_LABEL), Some(&*"a".repeat(62)));
        assert!(both.own_mark_of(&object).unwrap().is_of(&owner));
    }

    #[test]
    fn marks_of_other_installations_do_not_count() {
        let installation = |name: &str| Tracking {
            installation: name.to_owned(),
            ..Tracking::default()
        };
        let owner = Owner {
            name: "shop".into(),
            ..Owner::default()
        };
        let mut object = service();
        installation("east").mark(&mut object, &owner, "");
        assert!(installation("east").own_mark_of(&object).is_some());
        assert_eq!(installation("west").own_mark_of(&object), None);
        assert!(own_mark_of(&object).is_some());
    }
}
