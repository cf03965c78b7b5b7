//! The seed's objects on the embedded cluster: each can be applied, and a second apply changes nothing.

use std::fs;

use futures::executor::block_on;
use gitops_apply::embedded::EmbeddedCluster;
use gitops_core::{
    Manifest, Scope,
    cluster::{ApplyOptions, Cluster},
    yaml,
};
use serde_json::{Value, json};

use crate::corpus::{Score, root};

fn documents(path: &std::path::Path) -> Vec<Manifest> {
    let text = fs::read_to_string(path).expect("a golden file can be read");
    let values: Vec<Value> = if path.extension().is_some_and(|e| e == "json") {
        match serde_json::from_str(&text).expect("golden JSON") {
            Value::Array(items) => items,
            one => vec![one],
        }
    } else {
        yaml::documents(&text)
            .map(|document| document.expect("golden YAML"))
            .filter(|value| !value.is_null())
            .collect()
    };
    values
        .into_iter()
        .filter_map(|value| Manifest::try_from(value).ok())
        .collect()
}

fn rank(object: &Manifest) -> u8 {
    match object.kind() {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => 2,
    }
}

#[test]
fn corpus_embedded_seed() {
    let Some(root) = root() else { return };
    let golden = root.join("seed/golden");
    if !golden.is_dir() {
        println!("{} is missing: skipped", golden.display());
        return;
    }
    let mut files: Vec<_> = fs::read_dir(&golden)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|name| name != "counts.json"))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "json"))
        .collect();
    files.sort();
    let cluster = EmbeddedCluster::builder()
        .kubernetes("1.21")
        .build()
        .expect("1.21 is bundled");
    let mut score = Score::of("embedded seed");
    // The last version that serves all that these charts of 2020 and today write is 1.21.
    for file in &files {
        for object in documents(file).iter().filter(|object| rank(object) == 1) {
            block_on(cluster.apply(object, &ApplyOptions::default())).expect("a definition");
        }
    }
    for file in files {
        let application = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let namespace = Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": application},
        }))
        .expect("a namespace");
        block_on(cluster.apply(&namespace, &ApplyOptions::default())).expect("a namespace");
        let mut objects = documents(&file);
        objects.sort_by_key(rank);
        for (index, mut object) in objects.into_iter().enumerate() {
            let id = format!("{application}#{index} {}", object.id());
            let discovery = block_on(cluster.discovery()).expect("discovery");
            let is_namespaced = discovery
                .get(&object.gvk())
                .is_some_and(|kind| kind.scope == Scope::Namespaced);
            if is_namespaced && object.namespace().is_empty() {
                object.set_namespace(&application);
            }
            if is_namespaced && object.namespace() != application {
                let mut other = namespace.clone();
                other
                    .metadata_mut()
                    .insert("name".to_owned(), object.namespace().into());
                block_on(cluster.apply(&other, &ApplyOptions::default())).expect("a namespace");
            }
            if !is_namespaced {
                object.set_namespace("");
            }
            score.case(&id, twice(&cluster, &object));
        }
    }
    score.finish();
}

fn twice(cluster: &EmbeddedCluster, object: &Manifest) -> Result<(), String> {
    let options = ApplyOptions::default();
    block_on(cluster.apply(object, &options)).map_err(|error| error.to_string())?;
    let get = || block_on(cluster.get(&object.object_ref())).map_err(|error| error.to_string());
    let mut before = get()?.ok_or("it is not there")?;
    if before.managed_fields().next().is_none() {
        // Nothing but a name was applied: the next apply notes who owned the rest before.
        block_on(cluster.apply(object, &options)).map_err(|error| error.to_string())?;
        before = get()?.ok_or("it is not there")?;
    }
    missing(&object.to_value(), &before.to_value(), "")?;
    block_on(cluster.apply(object, &options)).map_err(|error| error.to_string())?;
    let after = get()?.ok_or("it is gone")?;
    if before.resource_version() != after.resource_version() {
        return Err(format!(
            "a second apply wrote: {:?}",
            json_patch::diff(&before.to_value(), &after.to_value())
        ));
    }
    Ok(())
}

/// The first field that was applied and is not there. Fields that are as if left out may be gone.
fn missing(applied: &Value, live: &Value, path: &str) -> Result<(), String> {
    match (applied, live) {
        (Value::Object(applied), Value::Object(live)) => {
            for (key, value) in applied {
                let at = format!("{path}/{key}");
                let is_nothing = match value {
                    Value::Null => true,
                    Value::String(text) => text.is_empty(),
                    Value::Array(items) => items.is_empty(),
                    Value::Object(map) => map.is_empty(),
                    Value::Bool(flag) => !flag,
                    Value::Number(number) => number.as_f64() == Some(0.0),
                };
                match live.get(key) {
                    Some(found) => missing(value, found, &at)?,
                    None if is_nothing
                        || at == "/status"
                        || at == "/metadata/creationTimestamp" => {}
                    None => return Err(format!("{at} is missing")),
                }
            }
            Ok(())
        }
        (Value::Array(applied), Value::Array(live)) => {
            for (index, value) in applied.iter().enumerate() {
                let Some(found) = live.get(index) else {
                    return Err(format!("{path}/{index} is missing"));
                };
                missing(value, found, &format!("{path}/{index}"))?;
            }
            Ok(())
        }
        (Value::Null, _) => Ok(()),
        _ if path.starts_with("/status") || path == "/metadata/creationTimestamp" => Ok(()),
        (a, b) if a == b => Ok(()),
        (a, b) => Err(format!("{path}: {a} became {b}")),
    }
}
