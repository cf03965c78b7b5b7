//! Which application an object belongs to: the tracking mark on the object itself.
//!
//! The mark is Argo CD's annotation `argocd.argoproj.io/tracking-id` with the value
//! `<application>:<group>/<Kind>:<namespace>/<name>`. Objects of a bootstrap set carry a mark of
//! their own, so that the Application that renders them later can tell that it may take them over.

use crate::{
    object::{Manifest, ObjectId},
    plan::Owner,
};

/// Annotation on objects of an Application.
pub const TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";
/// Annotation on objects of a bootstrap set.
pub const BOOTSTRAP_ANNOTATION: &str = "bootstrap.gitops/tracking-id";

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

/// Marks an object as the owner's and removes a bootstrap set's mark from what an Application takes
/// over. `destination_namespace` stands in for the namespace of cluster-scoped objects.
pub fn mark(object: &mut Manifest, owner: &Owner, destination_namespace: &str) {
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
    let annotation = if owner.bootstrap {
        BOOTSTRAP_ANNOTATION
    } else {
        TRACKING_ANNOTATION
    };
    object.set_annotation(annotation, value);
}

/// The mark of an object. Where it carries an Application's mark, a bootstrap set's does not count.
#[must_use]
pub fn mark_of(object: &Manifest) -> Option<Mark> {
    let read = |annotation, bootstrap| {
        let (name, object) = parse(object.annotation(annotation)?)?;
        Some(Mark {
            name,
            bootstrap,
            object,
        })
    };
    read(TRACKING_ANNOTATION, false).or_else(|| read(BOOTSTRAP_ANNOTATION, true))
}

/// The mark of an object, if it was made for this very object. A copy that a controller made of a
/// tracked object carries the mark of the original: it belongs to nobody.
#[must_use]
pub fn own_mark_of(object: &Manifest) -> Option<Mark> {
    mark_of(object).filter(|mark| {
        mark.object.group == object.group()
            && mark.object.kind == object.kind()
            && mark.object.name == object.name()
            && (object.namespace().is_empty() || mark.object.namespace == object.namespace())
    })
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
}
