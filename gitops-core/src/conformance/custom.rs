//! CustomResourceDefinitions and their objects.

use serde_json::{Value, json};

use super::{
    Case, Failure, Harness, at, case, fields_of, holds, is_invalid, is_unknown_kind, object,
    refused, same, write_as,
};
use crate::{
    GroupVersionKind, Manifest,
    cluster::{FieldValidation, ListScope, Patch, WriteOptions},
};

/// A definition of the case's own.
struct Definition {
    group: String,
    manifest: Manifest,
}

impl Definition {
    fn new(h: &Harness) -> Self {
        let group = format!("{}.example.com", h.namespace);
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "minimum": 1},
                "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                    "items": {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "name": {"type": "string"}}}},
            }},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}});
        let manifest = object(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("widgets.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [
                    {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": schema},
                    {"name": "v1beta1", "served": true, "storage": false, "subresources": {"status": {}}, "schema": schema},
                ],
            },
        }));
        Self { group, manifest }
    }

    fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.group, "v1", "Widget")
    }

    async fn install(&self, h: &Harness) -> Result<(), Failure> {
        h.apply(&self.manifest).await?;
        h.eventually("the definition is established", || async {
            let live = h.live(&self.manifest).await?;
            let conditions = at(&live, "/status/conditions")
                .as_array()
                .cloned()
                .unwrap_or_default();
            let established = conditions.iter().any(|c| {
                c.get("type") == Some(&"Established".into())
                    && c.get("status") == Some(&"True".into())
            });
            let served = h.cluster.discovery().await?.get(&self.gvk()).is_some();
            Ok(established && served && h.cluster.list(&ListScope::all(self.gvk())).await.is_ok())
        })
        .await
    }

    fn widget(&self, h: &Harness, name: &str, spec: Value) -> Manifest {
        h.inside(json!({
            "apiVersion": format!("{}/v1", self.group), "kind": "Widget", "metadata": {"name": name}, "spec": spec,
        }))
    }
}

/// A case with a definition in place, which is removed afterwards.
fn with_definition<F, R>(cases: &mut Vec<Case>, name: &str, run: F)
where
    F: Fn(Harness, std::sync::Arc<Definition>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    case(cases, format!("custom: {name}"), move |h| {
        let run = run.clone();
        async move {
            let definition = std::sync::Arc::new(Definition::new(&h));
            definition.install(&h).await?;
            let done = run(h.clone(), std::sync::Arc::clone(&definition)).await;
            let _ = h.remove(&definition.manifest).await;
            done
        }
    });
}

pub(super) fn add(cases: &mut Vec<Case>) {
    with_definition(
        cases,
        "the kind is served in all its versions",
        |h, d| async move {
            let discovery = h.cluster.discovery().await?;
            let kind = discovery.get(&d.gvk());
            holds(
                kind.is_some_and(|k| {
                    k.plural == "widgets" && k.subresources.contains(&"status".to_owned())
                }),
                "v1 is served with status",
            )?;
            holds(
                discovery
                    .get(&GroupVersionKind::new(&d.group, "v1beta1", "Widget"))
                    .is_some(),
                "v1beta1 is served",
            )?;
            same(
                &json!(discovery.preferred.get(&d.group)),
                &"v1".into(),
                "the preferred version",
            )
        },
    );
    with_definition(cases, "the kind has a schema", |h, d| async move {
        h.eventually("the schema is there", || async {
            Ok(h.cluster.schemas().await?.schema(&d.gvk()).is_some())
        })
        .await
    });
    with_definition(cases, "defaults are filled in", |h, d| async move {
        let made = h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
        same(at(&made, "/spec/colour"), &"red".into(), "the default")
    });
    with_definition(cases, "a second apply writes nothing", |h, d| async move {
        let made = h.apply(&d.widget(&h, "a", json!({"size": 1}))).await?;
        let again = h.apply(&d.widget(&h, "a", json!({"size": 1}))).await?;
        same(&again.to_value(), &made.to_value(), "the object")
    });
    with_definition(cases, "required fields are required", |h, d| async move {
        refused(
            h.create(&d.widget(&h, "a", json!({}))).await,
            is_invalid,
            "spec.size: Required value",
        )
    });
    with_definition(cases, "types are checked", |h, d| async move {
        refused(
            h.create(&d.widget(&h, "a", json!({"size": "big"}))).await,
            is_invalid,
            "spec.size in body must be of type integer",
        )
    });
    with_definition(cases, "limits are checked", |h, d| async move {
        refused(
            h.create(&d.widget(&h, "a", json!({"size": 0}))).await,
            is_invalid,
            "should be greater than or equal to 1",
        )
    });
    with_definition(cases, "enumerations are checked", |h, d| async move {
        refused(
            h.create(&d.widget(&h, "a", json!({"size": 1, "colour": "green"})))
                .await,
            is_invalid,
            "Unsupported value: \"green\"",
        )
    });
    with_definition(
        cases,
        "unknown fields are refused when strict",
        |h, d| async move {
            refused(
                h.create(&d.widget(&h, "a", json!({"size": 1, "nonsense": 1})))
                    .await,
                is_invalid,
                "unknown field \"spec.nonsense\"",
            )
        },
    );
    with_definition(
        cases,
        "unknown fields are pruned when lenient",
        |h, d| async move {
            let options = WriteOptions {
                field_validation: FieldValidation::Ignore,
                ..write_as("creator")
            };
            let made = h
                .cluster
                .create(
                    &d.widget(&h, "a", json!({"size": 1, "nonsense": 1})),
                    &options,
                )
                .await?;
            same(at(&made, "/spec/nonsense"), &json!(null), "the field")
        },
    );
    with_definition(
        cases,
        "unknown fields are kept where the schema says so",
        |h, d| async move {
            let made = h
                .create(&d.widget(&h, "a", json!({"size": 1, "free": {"any": [1]}})))
                .await?;
            same(at(&made, "/spec/free/any/0"), &1.into(), "the field")
        },
    );
    with_definition(cases, "apply merges keyed lists", |h, d| async move {
        h.apply(&d.widget(&h, "a", json!({"size": 1, "ports": [{"port": 1}]})))
            .await?;
        let after = h
            .apply_as(
                &d.widget(&h, "a", json!({"size": 1, "ports": [{"port": 2}]})),
                "other",
                false,
            )
            .await?;
        same(
            at(&after, "/spec/ports"),
            &json!([{"port": 1}, {"port": 2}]),
            "the list",
        )
    });
    with_definition(
        cases,
        "generation counts the spec, not the status",
        |h, d| async move {
            let made = h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
            let after = h.status(&made, json!({"ready": true})).await?;
            same(
                at(&after, "/metadata/generation"),
                &1.into(),
                "the generation after a status",
            )?;
            let after = h.merge(&made, json!({"spec": {"size": 2}})).await?;
            same(
                at(&after, "/metadata/generation"),
                &2.into(),
                "the generation after a change",
            )
        },
    );
    with_definition(
        cases,
        "status is written through its sub-resource only",
        |h, d| async move {
            let mut widget = d.widget(&h, "a", json!({"size": 1}));
            widget
                .as_map_mut()
                .insert("status".to_owned(), json!({"ready": true}));
            let made = h.create(&widget).await?;
            same(at(&made, "/status"), &json!(null), "the status of a create")?;
            let after = h.status(&made, json!({"ready": true})).await?;
            same(at(&after, "/status/ready"), &true.into(), "the status")?;
            holds(
                fields_of(&after, "controller")
                    .pointer("/f:status")
                    .is_some(),
                "its owner",
            )
        },
    );
    with_definition(
        cases,
        "a replace needs a resource version",
        |h, d| async move {
            h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
            refused(
                h.replace(&d.widget(&h, "a", json!({"size": 2}))).await,
                is_invalid,
                "metadata.resourceVersion",
            )
        },
    );
    with_definition(
        cases,
        "strategic patches are not offered",
        |h, d| async move {
            let made = h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
            refused(
                h.patch(&made, Patch::Strategic(json!({"spec": {"size": 2}})))
                    .await,
                |_| true,
                "",
            )
        },
    );
    with_definition(
        cases,
        "objects are served in every version",
        |h, d| async move {
            let made = h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
            let mut reference = made.object_ref();
            reference.gvk.version = "v1beta1".to_owned();
            let other = h.cluster.get(&reference).await?;
            let other = other.ok_or_else(|| "it does not exist in v1beta1".to_owned())?;
            same(
                &other.api_version().into(),
                &format!("{}/v1beta1", d.group).into(),
                "the version",
            )?;
            same(&other.uid().into(), &made.uid().into(), "the uid")
        },
    );
    with_definition(
        cases,
        "a deleted definition takes its objects and its kind",
        |h, d| async move {
            h.create(&d.widget(&h, "a", json!({"size": 1}))).await?;
            h.remove(&d.manifest).await?;
            h.gone(&d.manifest).await?;
            h.eventually("the kind is not served", || async {
                Ok(h.cluster.discovery().await?.get(&d.gvk()).is_none())
            })
            .await?;
            refused(
                h.cluster.list(&ListScope::all(d.gvk())).await,
                is_unknown_kind,
                "Widget",
            )
        },
    );
    case(
        cases,
        "custom: a definition must be named after plural and group",
        |h| async move {
            let mut crd = Definition::new(&h).manifest;
            crd.metadata_mut()
                .insert("name".to_owned(), "wrong.example.com".into());
            refused(
                h.create(&crd).await,
                is_invalid,
                "must be spec.names.plural+\".\"+spec.group",
            )
        },
    );
    case(
        cases,
        "custom: a definition needs a schema",
        |h| async move {
            let mut crd = Definition::new(&h).manifest;
            crd.as_map_mut()["spec"]["versions"] =
                json!([{"name": "v1", "served": true, "storage": true}]);
            refused(h.create(&crd).await, is_invalid, "schema")
        },
    );
    case(
        cases,
        "custom: a definition has one storage version",
        |h| async move {
            let mut crd = Definition::new(&h).manifest;
            crd.as_map_mut()["spec"]["versions"][1]["storage"] = true.into();
            refused(
                h.create(&crd).await,
                is_invalid,
                "must have exactly one version marked as storage version",
            )
        },
    );
}
