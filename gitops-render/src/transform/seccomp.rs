//! Seccomp profiles that Pods name by annotations, which servers from 1.27 on do not read any more.

use gitops_core::Manifest;
use serde_json::{Value, json};

use super::draft::{Draft, Fields, is_unset, object_at, object_mut, objects_mut, text};

/// The first minor version that ignores the annotations.
const IGNORED_SINCE: u64 = 27;
const POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// Where the template of a Pod is, by kind.
fn template_path(group: &str, kind: &str) -> Option<&'static [&'static str]> {
    match (group, kind) {
        ("", "Pod") => Some(&[]),
        ("", "PodTemplate") => Some(&["template"]),
        ("", "ReplicationController")
        | ("apps", "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet")
        | ("batch", "Job") => Some(&["spec", "template"]),
        ("batch", "CronJob") => Some(&["spec", "jobTemplate", "spec", "template"]),
        _ => None,
    }
}

/// Whether an object may hold Pods with such annotations.
pub(super) fn concerns(manifest: &Manifest) -> bool {
    let Some(path) = template_path(manifest.group(), manifest.kind()) else {
        return false;
    };
    let mut fields = manifest.as_map();
    for key in path {
        match fields.get(*key).and_then(Value::as_object) {
            Some(inner) => fields = inner,
            None => return false,
        }
    }
    fields
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"))
        .and_then(Value::as_object)
        .is_some_and(|annotations| annotations.keys().any(|key| is_seccomp(key)))
}

fn is_seccomp(key: &str) -> bool {
    key == POD || key.starts_with(CONTAINER)
}

/// Writes the profiles into security contexts, where those say nothing themselves.
pub(super) fn annotations(draft: &mut Draft) {
    if draft.minor < IGNORED_SINCE || !concerns(draft.manifest()) {
        return;
    }
    let manifest = draft.manifest();
    let Some(path) = template_path(manifest.group(), manifest.kind()) else {
        return;
    };
    let mut template = Some(draft.fields());
    for key in path {
        template = template.and_then(|fields| object_mut(fields, key));
    }
    let Some(template) = template else { return };
    let mut profiles = Vec::new();
    if let Some(metadata) = object_mut(template, "metadata")
        && let Some(annotations) = object_mut(metadata, "annotations")
    {
        annotations.retain(|key, value| {
            let keep = !is_seccomp(key);
            if !keep {
                profiles.push((key.clone(), value.as_str().unwrap_or_default().to_owned()));
            }
            keep
        });
    }
    let mut unknown = Vec::new();
    for (key, name) in profiles {
        let Some(profile) = profile(&name) else {
            unknown.push(format!("the annotation {key}: {name}"));
            continue;
        };
        let Some(spec) = object_mut(template, "spec") else {
            continue;
        };
        match key.strip_prefix(CONTAINER) {
            None => set_profile(spec, profile),
            Some(container) => {
                for list in ["containers", "initContainers"] {
                    objects_mut(spec, list)
                        .filter(|fields| text(fields, "name") == container)
                        .for_each(|fields| set_profile(fields, profile.clone()));
                }
            }
        }
    }
    draft.changed("seccomp annotations are seccompProfile");
    for unknown in unknown {
        draft.lost(unknown);
    }
}

fn profile(name: &str) -> Option<Value> {
    match name {
        "runtime/default" | "docker/default" => Some(json!({"type": "RuntimeDefault"})),
        "unconfined" => Some(json!({"type": "Unconfined"})),
        name => name
            .strip_prefix("localhost/")
            .map(|file| json!({"type": "Localhost", "localhostProfile": file})),
    }
}

fn set_profile(fields: &mut Fields, profile: Value) {
    if let Some(context) = object_at(fields, "securityContext")
        && is_unset(context, "seccompProfile")
    {
        context.insert("seccompProfile".to_owned(), profile);
    }
}
