//! What the fuzz targets do, shared with the tests that replay their seeds.

use gitops_core::{
    Manifest,
    clock::Timestamp,
    diff::{DiffOptions, Differ as _},
    schema::Schemas as _,
};
use gitops_diff::{
    SchemaSet, StructuralDiffer, bundled_schemas,
    fields::{FieldSet, ManagedFields},
    mask::mask_pair,
    merge::{ApplyRequest, UpdateRequest, record_update, server_side_apply},
    patch::json_patch,
    strategic,
    view::{View, ViewOptions},
};
use serde_json::Value;

/// `fieldsV1` and `managedFields`: what can be read is written as it was understood.
pub fn fields_v1(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let Ok(set) = FieldSet::from_fields_v1(&value) {
        let again = FieldSet::from_fields_v1(&set.to_fields_v1()).expect("written by ourselves");
        assert_eq!(set, again);
        assert!(set.difference(&again).is_empty());
        assert_eq!(set.union(&again), set);
        let _ = set.leaves().paths();
    }
    if let Ok(managers) = ManagedFields::from_values(value.as_array().into_iter().flatten()) {
        let _ = managers.to_value();
    }
}

/// OpenAPI documents and CustomResourceDefinitions.
pub fn schema(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let mut set = SchemaSet::new();
    let _ = set.add_openapi(&value);
    if let Ok(crd) = Manifest::try_from(value) {
        let _ = set.add_crd(&crd);
    }
    let kinds: Vec<_> = set.kinds().cloned().collect();
    for gvk in kinds {
        let object = serde_json::json!({"apiVersion": gvk.api_version(), "kind": gvk.kind, "spec": {"a": [1]}});
        if let (Some(schema), Ok(object)) = (set.schema(&gvk), Manifest::try_from(object)) {
            let request = ApplyRequest::new(None, &object, "fuzz", Timestamp::UNIX_EPOCH)
                .schema(Some(&schema));
            let _ = server_side_apply(&request);
        }
    }
}

/// A list of two objects: desired and live.
pub fn merge(data: &[u8]) {
    let Ok([desired, live]) = serde_json::from_slice::<[Value; 2]>(data) else {
        return;
    };
    let gvk = |value: &Value| Manifest::try_from(value.clone()).map(|object| object.gvk());
    if let Ok(gvk) = gvk(&desired)
        && let Ok(patch) = strategic::three_way(&gvk, &live, &desired, &live)
    {
        let _ = strategic::apply(&gvk, &live, &patch);
    }
    let mut patched = live.clone();
    json_patch::patch(&mut patched, &json_patch(None, &live, &desired)).expect("it fits");
    assert_eq!(patched, desired);
    let (Ok(desired), Ok(live)) = (Manifest::try_from(desired), Manifest::try_from(live)) else {
        return;
    };
    let schemas = bundled_schemas();
    let schema = schemas.schema(&desired.gvk());
    let now = Timestamp::UNIX_EPOCH;
    let request = ApplyRequest::new(Some(&live), &desired, "fuzz", now)
        .schema(schema.as_deref())
        .force(true);
    if let Ok(applied) = server_side_apply(&request) {
        // A second apply of the same may change times and order only once.
        let again = ApplyRequest::new(Some(&applied.object), &desired, "fuzz", now)
            .schema(schema.as_deref());
        let _ = server_side_apply(&again);
    }
    let request = UpdateRequest::new(Some(&live), &desired, "fuzz", now).schema(schema.as_deref());
    let _ = record_update(&request);
    let differ = StructuralDiffer::default();
    let _ = differ.diff(&desired, Some(&live), &schemas, &DiffOptions::default());
    let _ = differ.diff(&desired, None, &schemas, &DiffOptions::default());
    let _ = mask_pair(Some(&live), Some(&desired));
    let view = View::new(Some(&live), Some(&desired), ViewOptions::default());
    let _ = (
        view.unified(),
        view.side_by_side(),
        view.html(),
        view.markdown(),
    );
    let options = gitops_diff::argocd::ArgoOptions {
        way: gitops_diff::argocd::Way::Default,
        ignore_aggregated_roles: false,
        manager: "fuzz",
        schemas: &schemas,
        normalizer: &|_| {},
    };
    let (desired, live) = (desired.to_value(), live.to_value());
    let _ = gitops_diff::argocd::diff(Some(&desired), Some(&live), &options);
}
