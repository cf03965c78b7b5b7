//! Behaviours that differ in data only: refused objects, defaults, immutable fields, selectors.

mod defaults;
mod immutable;
mod refusals;
mod selectors;

use serde_json::{Value, json};

use super::Case;

pub(super) fn add(cases: &mut Vec<Case>) {
    refusals::add(cases);
    defaults::add(cases);
    immutable::add(cases);
    selectors::add(cases);
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "main", "image": "example.com/app:1"}]})
}

fn template() -> Value {
    json!({"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()})
}

fn job_template() -> Value {
    json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/app:1"}]}})
}
