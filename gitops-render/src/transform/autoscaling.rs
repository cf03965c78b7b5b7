//! HorizontalPodAutoscaler of `v2beta1` as `v2`, and what autoscalers refer to.

use gitops_core::Manifest;
use serde_json::{Map, Value, json};

use super::{
    Target,
    draft::{Draft, Fields, object_mut, objects_mut, rename, text},
};

/// Metrics say what is measured in `metric` and what is aimed at in `target`.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn metrics(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    let Some(spec) = draft.spec() else {
        return Ok(());
    };
    let mut count = 0;
    for metric in objects_mut(spec, "metrics") {
        count += 1;
        for source in ["resource", "containerResource"] {
            if let Some(source) = object_mut(metric, source) {
                let utilization = take(source, "targetAverageUtilization");
                let average = take(source, "targetAverageValue");
                let kind = match utilization {
                    Some(_) => "Utilization",
                    None => "AverageValue",
                };
                let target = target(kind, None, average, utilization);
                source.insert("target".to_owned(), target);
            }
        }
        if let Some(pods) = object_mut(metric, "pods") {
            let average = take(pods, "targetAverageValue");
            let target = target("AverageValue", None, average, None);
            identify(pods, "selector");
            pods.insert("target".to_owned(), target);
        }
        if let Some(object) = object_mut(metric, "object") {
            let average = take(object, "averageValue");
            let value = take(object, "targetValue");
            let target = match average {
                Some(average) => target("AverageValue", None, Some(average), None),
                None => target("Value", value, None, None),
            };
            rename(object, "target", "describedObject");
            identify(object, "selector");
            object.insert("target".to_owned(), target);
        }
        if let Some(external) = object_mut(metric, "external") {
            let value = take(external, "targetValue");
            let average = take(external, "targetAverageValue");
            let kind = match value {
                Some(_) => "Value",
                None => "AverageValue",
            };
            let target = target(kind, value, average, None);
            identify(external, "metricSelector");
            external.insert("target".to_owned(), target);
        }
    }
    if count > 0 {
        draft.changed("metrics name metric and target");
    }
    Ok(())
}

/// `metricName` and the selector as `metric`.
fn identify(source: &mut Fields, selector: &str) {
    let mut metric = Map::new();
    if let Some(name) = take(source, "metricName") {
        metric.insert("name".to_owned(), name);
    }
    if let Some(selector) = take(source, selector) {
        metric.insert("selector".to_owned(), selector);
    }
    source.insert("metric".to_owned(), Value::Object(metric));
}

fn target(
    kind: &str,
    value: Option<Value>,
    average: Option<Value>,
    utilization: Option<Value>,
) -> Value {
    let mut target = json!({ "type": kind });
    let parts = [
        ("value", value),
        ("averageValue", average),
        ("averageUtilization", utilization),
    ];
    for (field, part) in parts {
        if let Some(part) = part {
            target[field] = part;
        }
    }
    target
}

fn take(fields: &mut Fields, key: &str) -> Option<Value> {
    fields.remove(key).filter(|value| !value.is_null())
}

/// Whether an object refers to another by version and kind.
pub(super) fn concerns(manifest: &Manifest) -> bool {
    manifest.kind() == "HorizontalPodAutoscaler" && manifest.group() == "autoscaling"
}

/// An autoscaler finds what it scales by group and kind: a removed one is found no more.
pub(super) fn references(draft: &mut Draft, target: &Target<'_>) {
    if !concerns(draft.manifest()) {
        return;
    }
    let Some(spec) = draft.spec() else { return };
    let mut notes = Vec::new();
    let mut lift = |reference: &mut Fields, at: &str| {
        let next = target.reference(text(reference, "apiVersion"), text(reference, "kind"));
        if let Some(next) = next {
            reference.insert("apiVersion".to_owned(), next.into());
            notes.push(format!("{at}.apiVersion: {next}"));
        }
    };
    if let Some(reference) = object_mut(spec, "scaleTargetRef") {
        lift(reference, "spec.scaleTargetRef");
    }
    for metric in objects_mut(spec, "metrics") {
        if let Some(object) = object_mut(metric, "object")
            && let Some(reference) = object_mut(object, "describedObject")
        {
            lift(reference, "describedObject");
        }
    }
    for note in notes {
        draft.changed(note);
    }
}
