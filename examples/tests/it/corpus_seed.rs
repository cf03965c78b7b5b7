//! The seed corpus: a real app-of-apps repository of 2020, from nothing to converged.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use gitops_core::{Manifest, ObjectId, yaml};
use serde_json::Value;

use crate::support::{Ran, World};

pub(crate) const SEED: &str = "https://github.com/edgelevel/gitops-k8s.git";

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let seed = root.join("seed");
    if seed.join("urls.json").exists() {
        return Some(seed);
    }
    assert!(
        std::env::var_os("CI").is_none() || root.exists(),
        "the corpus is missing at {}",
        root.display()
    );
    println!("no seed corpus at {}: skipped", seed.display());
    None
}

pub(crate) fn world(seed: &Path) -> World {
    let mut world = World::new();
    let urls = std::fs::read_to_string(seed.join("urls.json")).expect("the corpus is readable");
    let urls: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&urls).expect("a map of texts");
    for (url, path) in &urls {
        let from = seed.join(path);
        let name = path.replace('/', "-");
        if path.starts_with("repos/") {
            world.repository(url, &name, &from);
        } else {
            world.map(url, from.to_str().expect("a text"));
        }
    }
    world
}

fn bootstrap(world: &World, more: &[&str]) -> Ran {
    let mut arguments = vec![
        "bootstrap",
        SEED,
        "--path",
        "charts/seed",
        "--kube-version",
        "1.17.0",
    ];
    arguments.extend(more);
    world.gitops(&arguments)
}

#[test]
fn corpus_seed_bootstraps_and_stays_converged() {
    let Some(seed) = corpus() else { return };
    let world = world(&seed);
    let first = bootstrap(&world, &["--sync-all"]);
    // Prometheus-operator's project does not permit its webhooks: refused as a whole.
    assert_eq!(first.status, 1, "{}\n{}", first.out, first.err);
    for named in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "clusterResourceWhitelist",
    ] {
        assert!(first.out.contains(named), "{}", first.out);
    }
    let again = bootstrap(&world, &["--sync-all"]);
    assert_eq!(again.status, 1);
    assert!(again.out.contains("nothing was written"), "{}", again.out);
    let live = world.objects();
    assert!(!live.iter().any(|object| object["kind"] == "Prometheus"));

    // A commit permits the two kinds; the next pass converges.
    world.edit(
        "repos-gitops-k8s",
        "applications/templates/observe/project.yaml",
        "  clusterResourceWhitelist:\n",
        "  clusterResourceWhitelist:\n    \
         - group: admissionregistration.k8s.io\n      kind: MutatingWebhookConfiguration\n    \
         - group: admissionregistration.k8s.io\n      kind: ValidatingWebhookConfiguration\n",
    );
    let permitted = bootstrap(&world, &["--sync-all"]);
    assert_eq!(permitted.status, 0, "{}\n{}", permitted.out, permitted.err);
    let (passed, missing) = golden(&seed, &world);
    println!("seed: {passed}/{}", passed + missing.len());
    assert!(missing.is_empty(), "{}", missing.join("\n"));

    // Nothing that a chart made at random has changed on the way.
    let before = world.objects();
    let last = bootstrap(&world, &["--sync-all"]);
    assert!(last.out.contains("nothing was written"), "{}", last.out);
    let secrets = |objects: &[Value]| -> Vec<Value> {
        objects
            .iter()
            .filter(|object| object["kind"] == "Secret")
            .cloned()
            .collect()
    };
    assert_eq!(secrets(&before), secrets(&world.objects()));
}

#[test]
fn corpus_seed_drift_is_shown_and_healed() {
    let Some(seed) = corpus() else { return };
    let world = world(&seed);
    assert_eq!(
        bootstrap(&world, &[]).status,
        1 - 1,
        "applications alone are automated"
    );
    let synced = world.gitops(&["sync", "guestbook", "--kube-version", "1.17.0"]);
    assert_eq!(synced.status, 0, "{}\n{}", synced.out, synced.err);
    world.edit(
        "repos-argocd-example-apps",
        "guestbook/guestbook-ui-deployment.yaml",
        "replicas: 1",
        "replicas: 2",
    );
    let diff = world.gitops(&["diff", "guestbook", "--fields", "--kube-version", "1.17.0"]);
    assert_eq!(diff.status, 2);
    assert!(diff.out.contains("spec.replicas: 1 -> 2"), "{}", diff.out);
    assert_eq!(diff.out.matches("update ").count(), 1, "{}", diff.out);
}

/// How many golden objects live in the cluster with all their fields, and which do not.
fn golden(seed: &Path, world: &World) -> (usize, Vec<String>) {
    let live: Vec<Manifest> = world
        .objects()
        .into_iter()
        .map(|object| Manifest::try_from(object).expect("an object"))
        .collect();
    let mut passed = 0;
    let mut missing = Vec::new();
    let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
    let folder = seed.join("golden");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("the corpus is readable")
        .map(|entry| entry.expect("the corpus is readable").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    // What `seed` and `argocd` both render, `argocd` has taken over.
    names.sort_by_key(|path| path.ends_with("seed.yaml"));
    for path in names {
        let application = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mask: Vec<usize> = std::fs::read_to_string(path.with_extension("mask"))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let text: String = std::fs::read_to_string(&path)
            .expect("the corpus is readable")
            .lines()
            .enumerate()
            .filter(|(index, _)| !mask.contains(&(index + 1)))
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        for document in yaml::documents(&text) {
            let Ok(value) = document else { continue };
            let Ok(object) = Manifest::try_from(value) else {
                continue;
            };
            // The project is the one that the commit above changed; a text with masked lines in it
            // cannot be compared.
            let is_changed = object.kind() == "AppProject" && object.name() == "observe";
            let is_masked = object.kind() == "ConfigMap" && !mask.is_empty();
            if is_hook(&object) || is_changed || is_masked {
                continue;
            }
            let found = live.iter().find(|live| {
                live.kind() == object.kind()
                    && live.name() == object.name()
                    && (object.namespace().is_empty()
                        || live.namespace().is_empty()
                        || live.namespace() == object.namespace())
            });
            let key = ObjectId {
                namespace: String::new(),
                ..object.id()
            };
            if !seen.insert(key) {
                continue;
            }
            match found {
                Some(live) => {
                    let spec = object.to_value();
                    match uncovered(&spec, &live.to_value(), "") {
                        None => passed += 1,
                        Some(path) => {
                            missing.push(format!("{application}: {} {path}", object.id()))
                        }
                    }
                }
                None => missing.push(format!("{application}: {} does not exist", object.id())),
            }
        }
    }
    (passed, missing)
}

/// Hooks run and go; `crd-install` is an ordinary object.
fn is_hook(object: &Manifest) -> bool {
    object
        .annotation("helm.sh/hook")
        .is_some_and(|hook| hook != "crd-install")
}

/// The first field of `wanted` that `live` lacks or holds otherwise. Metadata counts as far as it is
/// labels and annotations; the version can be another one.
fn uncovered(wanted: &Value, live: &Value, path: &str) -> Option<String> {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().find_map(|(key, value)| {
            let path = format!("{path}/{key}");
            let is_versioned = matches!(path.as_str(), "/apiVersion" | "/status" | "/stringData");
            if is_versioned || path == "/metadata/creationTimestamp" || is_empty(value) {
                return None;
            }
            match live.get(key) {
                Some(other) => uncovered(value, other, &path),
                // The namespace of an object of the whole cluster is cleared.
                None if path == "/metadata/namespace" => None,
                // A definition is stored in its v1 form, a binding's group is written out.
                None if path.starts_with("/spec/validation")
                    || path == "/spec/preserveUnknownFields"
                    || path.starts_with("/spec/version")
                    || path.starts_with("/spec/subresources")
                    || path.starts_with("/spec/additionalPrinterColumns") =>
                {
                    None
                }
                None => Some(path),
            }
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted
                .iter()
                .enumerate()
                .find_map(|(index, value)| match live.get(index) {
                    Some(other) => uncovered(value, other, &format!("{path}/{index}")),
                    None => Some(format!("{path}/{index}")),
                })
        }
        (wanted, live) => {
            let same = wanted == live
                || text(wanted) == text(live)
                || path.contains("/resources/")
                || path.contains("/checksum");
            (!same).then(|| format!("{path}: {wanted} is {live}"))
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
