//! Desired objects as they are sent: at their scope, in their namespace, with the owner's mark.

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::{
    GroupVersionKind, Manifest, ObjectId, Scope, apply::PlanError, plan::DesiredSet,
    schema::Schemas, tracking::Tracking,
};
use serde_json::{Value, json};

use super::earlier::PreparedSet;
use crate::hooks;

/// Scopes of kinds: what the cluster serves, and what CustomResourceDefinitions of the same set bring.
pub(super) struct Scopes<'a> {
    schemas: &'a dyn Schemas,
    brought: BTreeMap<GroupVersionKind, Scope>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(schemas: &'a dyn Schemas, objects: &[Manifest]) -> Self {
        let brought = objects.iter().flat_map(defined_versions).collect();
        Self { schemas, brought }
    }

    fn scope(&self, gvk: &GroupVersionKind) -> Option<Scope> {
        self.schemas
            .scope(gvk)
            .or_else(|| self.brought.get(gvk).copied())
    }
}

/// The kinds that a CustomResourceDefinition makes the cluster serve.
fn defined_versions(object: &Manifest) -> Vec<(GroupVersionKind, Scope)> {
    let Some(kind) = hooks::defined_kind(object) else {
        return Vec::new();
    };
    let scope = match object.pointer("/spec/scope").and_then(Value::as_str) {
        Some("Cluster") => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    let listed = object.pointer("/spec/versions").and_then(Value::as_array);
    let mut versions: Vec<&str> = listed
        .into_iter()
        .flatten()
        .filter(|version| version["served"] != json!(false))
        .filter_map(|version| version["name"].as_str())
        .collect();
    // `apiextensions.k8s.io/v1beta1` can name the only version apart.
    versions.extend(object.pointer("/spec/version").and_then(Value::as_str));
    versions
        .into_iter()
        .map(|version| {
            let gvk = GroupVersionKind::new(&kind.group, version, &kind.kind);
            (gvk, scope)
        })
        .collect()
}

/// The desired objects that satisfy `wanted`, ready to be compared and sent. Of equal objects the
/// last one counts.
pub(super) fn prepare(
    desired: &DesiredSet,
    scopes: &Scopes<'_>,
    tracking: &Tracking,
    earlier: &mut PreparedSet,
    wanted: &dyn Fn(&Manifest) -> bool,
) -> Result<Vec<Manifest>, PlanError> {
    let destination = desired.destination.namespace.as_deref().unwrap_or_default();
    let allow_missing = desired.sync_policy.option("SkipDryRunOnMissingResource") == Some("true");
    let mut unserved = BTreeSet::new();
    let mut prepared: Vec<Option<Manifest>> = Vec::new();
    let mut places: BTreeMap<ObjectId, usize> = BTreeMap::new();
    for declared in desired.objects.iter().filter(|object| wanted(object)) {
        let mut object = declared.clone();
        let gvk = object.gvk();
        if object.name().is_empty()
            && (object.generate_name().is_empty() || !hooks::is_hook(&object))
        {
            return Err(PlanError::MissingName {
                kind: gvk.to_string(),
            });
        }
        let scope = match scopes.scope(&gvk) {
            Some(scope) => scope,
            None if allow_missing
                || hooks::sync_option(&object, "SkipDryRunOnMissingResource") == Some("true") =>
            {
                Scope::Namespaced
            }
            None => {
                unserved.insert(gvk);
                continue;
            }
        };
        let id = object.id();
        if let Some(sent) = earlier.get(declared, &id, scope) {
            if let Some(before) = places.insert(sent.id(), prepared.len()) {
                prepared[before] = None;
            }
            prepared.push(Some(sent));
            continue;
        }
        match scope {
            Scope::Cluster => {
                if !object.namespace().is_empty() {
                    object.set_namespace("");
                }
            }
            Scope::Namespaced if object.namespace().is_empty() => {
                if destination.is_empty() {
                    return Err(PlanError::MissingNamespace {
                        object: object.id().to_string(),
                    });
                }
                object.set_namespace(destination);
            }
            Scope::Namespaced => {}
        }
        // What a server sets has no place in what is declared.
        strip_server_fields(&mut object);
        tracking.mark(&mut object, &desired.owner, destination);
        if object.name().is_empty() {
            prepared.push(Some(object));
            continue;
        }
        if let Some(before) = places.insert(object.id(), prepared.len()) {
            prepared[before] = None;
        }
        earlier.keep(id, declared, scope, &object);
        prepared.push(Some(object));
    }
    earlier.keep_only(desired);
    if !unserved.is_empty() {
        return Err(PlanError::UnservedKinds {
            kinds: unserved.into_iter().collect(),
        });
    }
    Ok(prepared.into_iter().flatten().collect())
}

fn strip_server_fields(object: &mut Manifest) {
    const FIELDS: [&str; 6] = [
        "creationTimestamp",
        "resourceVersion",
        "uid",
        "generation",
        "managedFields",
        "selfLink",
    ];
    let has = |object: &Manifest| {
        object
            .metadata()
            .is_some_and(|metadata| FIELDS.iter().any(|field| metadata.contains_key(*field)))
    };
    if has(object) {
        let metadata = object.metadata_mut();
        for field in FIELDS {
            metadata.remove(field);
        }
    }
}

/// The Namespace that `CreateNamespace=true` asks for: missing, or with metadata to be managed.
/// `None` where nothing is to be done, or where the set declares it itself.
pub(super) fn namespace_to_create(
    desired: &DesiredSet,
    objects: &[Manifest],
    live: &BTreeMap<ObjectId, &Manifest>,
) -> Option<Manifest> {
    let name = desired.destination.namespace.as_deref()?;
    if name.is_empty()
        || desired.sync_policy.option("CreateNamespace") != Some("true")
        || objects
            .iter()
            .any(|object| hooks::is_namespace(object) && object.name() == name)
    {
        return None;
    }
    let mut namespace = Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
    }))
    .expect("apiVersion and kind are given");
    let metadata = desired.sync_policy.managed_namespace_metadata.as_ref();
    if metadata.is_none() && live.contains_key(&namespace.id()) {
        return None;
    }
    for (key, value) in metadata.into_iter().flat_map(|metadata| &metadata.labels) {
        namespace.set_label(key, value);
    }
    for (key, value) in metadata
        .into_iter()
        .flat_map(|metadata| &metadata.annotations)
    {
        namespace.set_annotation(key, value);
    }
    Some(namespace)
}
