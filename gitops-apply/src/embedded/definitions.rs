//! The life of CustomResourceDefinitions: accepted, established, and gone with their objects.

use gitops_core::{GroupKind, Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{
    custom::CustomDefinition, server::Server, status::ApiError, strategy::remove_finalizer,
};

/// The finalizer that holds a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
const MANAGER: &str = "kube-apiserver";

impl Server {
    pub(crate) fn tend_definition(&mut self, name: &str) -> Result<(), ApiError> {
        let id = ObjectId {
            group: "apiextensions.k8s.io".to_owned(),
            kind: "CustomResourceDefinition".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        let Some(crd) = self.stored(&id).cloned() else {
            self.registry.undefine(name);
            return Ok(());
        };
        let v1 = super::convert::convert(
            &crd,
            &gitops_core::GroupVersionKind::new(
                "apiextensions.k8s.io",
                "v1",
                "CustomResourceDefinition",
            ),
        );
        let Some(definition) = CustomDefinition::parse(&v1) else {
            return Ok(());
        };
        if crd.is_terminating() {
            return self.retire_definition(&id, &definition);
        }
        let conflict = self
            .registry
            .definition_with_names(
                name,
                &definition.group,
                &definition.kind,
                &definition.plural,
            )
            .map(|other| {
                if other.plural == definition.plural {
                    ("PluralConflict", definition.plural.clone())
                } else {
                    ("KindConflict", definition.kind.clone())
                }
            });
        let is_accepted = conflict.is_none();
        let stored_version = definition.stored_version.clone();
        let names = v1
            .pointer("/spec/names")
            .cloned()
            .unwrap_or_else(|| json!({}));
        if is_accepted {
            self.registry.define(definition);
        }
        let now = self.now_text();
        self.control(&id, MANAGER, "status", |crd| {
            let status = crd
                .as_map_mut()
                .entry("status")
                .or_insert_with(|| json!({}));
            let Some(status) = status.as_object_mut() else {
                return;
            };
            let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
            if let Some(stored) = stored.as_array_mut()
                && !stored
                    .iter()
                    .any(|version| version.as_str() == Some(&stored_version))
            {
                stored.push(stored_version.into());
            }
            let accepted = match &conflict {
                None => ("True", "NoConflicts", "no conflicts found".to_owned()),
                Some((reason, taken)) => {
                    ("False", *reason, format!("\"{taken}\" is already in use"))
                }
            };
            let established = if is_accepted {
                (
                    "True",
                    "InitialNamesAccepted",
                    "the initial names have been accepted".to_owned(),
                )
            } else {
                (
                    "False",
                    "NotAccepted",
                    "not all names are accepted".to_owned(),
                )
            };
            if is_accepted {
                status.insert("acceptedNames".to_owned(), names);
            }
            set_condition(status, "NamesAccepted", accepted, &now);
            set_condition(status, "Established", established, &now);
        })
    }

    fn retire_definition(
        &mut self,
        id: &ObjectId,
        definition: &CustomDefinition,
    ) -> Result<(), ApiError> {
        let kind = GroupKind::new(&definition.group, &definition.kind);
        // A definition whose names were never accepted has no objects of its own.
        if self.registry.definition(&id.name).is_some() {
            let objects: Vec<ObjectId> = self
                .store
                .list(&kind, None)
                .filter(|object| !object.is_terminating())
                .map(Manifest::id)
                .collect();
            for object in objects {
                self.control_delete(&object, Propagation::Background)?;
            }
            if self.store.list(&kind, None).next().is_some() {
                return Ok(());
            }
        }
        self.control(id, MANAGER, "", |crd| remove_finalizer(crd, CLEANUP))
    }
}

/// Sets a condition; its time moves where its status does.
pub(crate) fn set_condition(
    status: &mut serde_json::Map<String, Value>,
    kind: &str,
    (value, reason, message): (&str, &str, String),
    now: &str,
) {
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let list = list.as_array_mut().expect("made an array above");
    let known = list
        .iter_mut()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(kind));
    let mut condition = json!({
        "type": kind, "status": value, "reason": reason, "message": message,
        "lastTransitionTime": now,
    });
    match known {
        Some(known) => {
            if known.get("status") == condition.get("status")
                && let Some(time) = known.get("lastTransitionTime").cloned()
            {
                condition["lastTransitionTime"] = time;
            }
            *known = condition;
        }
        None => list.push(condition),
    }
}
