//! Fields that a server refuses to change: only deleting and creating the object helps.

use gitops_core::Manifest;
use serde_json::Value;

/// Fields of a kind that cannot change once the object exists.
struct Rule {
    group: &'static str,
    kind: &'static str,
    fields: &'static [&'static str],
}

const fn rule(group: &'static str, kind: &'static str, fields: &'static [&'static str]) -> Rule {
    Rule {
        group,
        kind,
        fields,
    }
}

const RULES: &[Rule] = &[
    rule("apps", "Deployment", &["/spec/selector"]),
    rule("apps", "DaemonSet", &["/spec/selector"]),
    rule("apps", "ReplicaSet", &["/spec/selector"]),
    rule(
        "apps",
        "StatefulSet",
        &[
            "/spec/selector",
            "/spec/serviceName",
            "/spec/podManagementPolicy",
            "/spec/volumeClaimTemplates",
        ],
    ),
    rule(
        "batch",
        "Job",
        &["/spec/selector", "/spec/template", "/spec/completionMode"],
    ),
    rule("", "Secret", &["/type"]),
    rule(
        "",
        "PersistentVolumeClaim",
        &[
            "/spec/accessModes",
            "/spec/selector",
            "/spec/storageClassName",
            "/spec/volumeMode",
            "/spec/volumeName",
            "/spec/dataSource",
        ],
    ),
    rule(
        "storage.k8s.io",
        "StorageClass",
        &[
            "/provisioner",
            "/parameters",
            "/reclaimPolicy",
            "/volumeBindingMode",
        ],
    ),
    rule(
        "scheduling.k8s.io",
        "PriorityClass",
        &["/value", "/preemptionPolicy"],
    ),
    rule("networking.k8s.io", "IngressClass", &["/spec/controller"]),
    rule("rbac.authorization.k8s.io", "RoleBinding", &["/roleRef"]),
    rule(
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        &["/roleRef"],
    ),
    rule("node.k8s.io", "RuntimeClass", &["/handler"]),
    rule(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        &[
            "/spec/group",
            "/spec/scope",
            "/spec/names/kind",
            "/spec/names/plural",
        ],
    ),
];

/// The first immutable field that the declared object states otherwise than the live one has it.
pub(super) fn changed_field(desired: &Manifest, live: &Manifest) -> Option<&'static str> {
    let rule = RULES
        .iter()
        .find(|rule| rule.group == desired.group() && rule.kind == desired.kind());
    let field = rule.and_then(|rule| {
        rule.fields.iter().copied().find(|field| {
            match (desired.pointer(field), live.pointer(field)) {
                (Some(desired), Some(live)) => !states(desired, live),
                _ => false,
            }
        })
    });
    if field.is_some() {
        return field;
    }
    let frozen = desired.group().is_empty()
        && matches!(desired.kind(), "Secret" | "ConfigMap")
        && live.pointer("/immutable") == Some(&Value::Bool(true));
    if !frozen {
        return None;
    }
    let encoded = |field: &&str| {
        matches!((desired.pointer(field), live.pointer(field)),
            (Some(desired), Some(live)) if desired != live)
    };
    ["/data", "/binaryData"]
        .into_iter()
        .find(|field| encoded(field))
}

/// Whether the binding is one that is always made anew for another role, as `kubectl auth reconcile`
/// does: nothing is lost by it.
pub(super) fn is_harmless(desired: &Manifest) -> bool {
    desired.group() == "rbac.authorization.k8s.io"
        && matches!(desired.kind(), "RoleBinding" | "ClusterRoleBinding")
}

/// Whether `live` has everything that `desired` states; what a server adds by default is no
/// difference.
fn states(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().all(|(key, value)| {
            live.get(key).map_or(
                value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty),
                |live| states(value, live),
            )
        }),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len()
                && desired
                    .iter()
                    .zip(live)
                    .all(|(desired, live)| states(desired, live))
        }
        // Quantities and the like: `1` and `"1"`, `1Gi` and `1024Mi` are left to the server.
        (Value::Number(_) | Value::String(_), Value::Number(_) | Value::String(_)) => {
            desired == live || (is_quantity(desired) && is_quantity(live))
        }
        _ => desired == live,
    }
}

fn is_quantity(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.starts_with(|c: char| c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(image: &str) -> Manifest {
        Manifest::try_from(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
            "spec": {"template": {"spec": {"containers": [{"name": "a", "image": image}]}}},
        }))
        .unwrap()
    }

    #[test]
    fn what_a_server_adds_is_no_change() {
        let mut live = job("a");
        live.as_map_mut()["spec"]["selector"] = json!({"matchLabels": {"uid": "x"}});
        live.as_map_mut()["spec"]["template"]["metadata"] = json!({"labels": {"uid": "x"}});
        live.as_map_mut()["spec"]["template"]["spec"]["dnsPolicy"] = json!("ClusterFirst");
        assert_eq!(changed_field(&job("a"), &live), None);
        assert_eq!(changed_field(&job("b"), &live), Some("/spec/template"));
    }

    #[test]
    fn frozen_configuration_cannot_change() {
        let config = |value: &str, immutable: bool| {
            Manifest::try_from(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                "data": {"key": value}, "immutable": immutable,
            }))
            .unwrap()
        };
        assert_eq!(
            changed_field(&config("2", true), &config("1", true)),
            Some("/data")
        );
        assert_eq!(changed_field(&config("2", true), &config("1", false)), None);
    }
}
