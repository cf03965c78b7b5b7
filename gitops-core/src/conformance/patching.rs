//! Patches and sub-resources.

use serde_json::{Value, json};

use super::{
    Case, at, case, fields_of, holds, is_conflict, is_invalid, is_not_found, managers, refused,
    same, write_as,
};
use crate::cluster::{FieldValidation, Patch, WriteOptions};

pub(super) fn add(cases: &mut Vec<Case>) {
    case(
        cases,
        "merge patch: sets and removes fields",
        |h| async move {
            let made = h
                .create(&h.config("a", json!({"k": "v", "l": "w"})))
                .await?;
            let after = h
                .merge(&made, json!({"data": {"k": null, "m": "x"}}))
                .await?;
            same(
                at(&after, "/data"),
                &json!({"l": "w", "m": "x"}),
                "the data",
            )
        },
    );
    case(
        cases,
        "merge patch: what does not exist is refused",
        |h| async move {
            refused(
                h.merge(&h.config("a", json!({})), json!({"data": {"k": "v"}}))
                    .await,
                is_not_found,
                "configmaps \"a\" not found",
            )
        },
    );
    case(
        cases,
        "merge patch: an old resource version is a conflict",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            h.merge(&made, json!({"data": {"k": "v"}})).await?;
            let stale = json!({"metadata": {"resourceVersion": made.resource_version()}, "data": {"k": "w"}});
            refused(
                h.merge(&made, stale).await,
                is_conflict,
                "the object has been modified",
            )
        },
    );
    case(
        cases,
        "merge patch: no change writes nothing",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let after = h.merge(&made, json!({"data": {"k": "v"}})).await?;
            same(
                &after.resource_version().into(),
                &made.resource_version().into(),
                "the resource version",
            )
        },
    );
    case(
        cases,
        "merge patch: the manager owns what it changes",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let after = h.merge(&made, json!({"data": {"l": "w"}})).await?;
            same(
                fields_of(&after, "patcher"),
                &json!({"f:data": {"f:l": {}}}),
                "the fields",
            )
        },
    );
    case(
        cases,
        "merge patch: another name is refused",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            refused(
                h.merge(&made, json!({"metadata": {"name": "b"}})).await,
                is_invalid,
                "does not match the name on the URL",
            )
        },
    );
    case(
        cases,
        "merge patch: unknown fields are refused when strict",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            refused(
                h.merge(&made, json!({"spec": {"nonsense": 1}})).await,
                is_invalid,
                "unknown field \"spec.nonsense\"",
            )
        },
    );
    case(
        cases,
        "merge patch: a dry run stores nothing",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let options = WriteOptions {
                dry_run: true,
                ..write_as("patcher")
            };
            let patch = Patch::Merge(json!({"data": {"k": "w"}}));
            let after = h
                .cluster
                .patch(&made.object_ref(), &patch, &options)
                .await?;
            same(at(&after, "/data/k"), &"w".into(), "the answer")?;
            same(
                at(&h.live(&made).await?, "/data/k"),
                &"v".into(),
                "the live object",
            )
        },
    );
    case(cases, "merge patch: lists are replaced", |h| async move {
        let made = h.create(&h.deployment("a")).await?;
        let containers = json!([{"name": "other", "image": "example.com/other:1"}]);
        let after = h
            .merge(
                &made,
                json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            )
            .await?;
        same(
            &json!(
                at(&after, "/spec/template/spec/containers")
                    .as_array()
                    .map(Vec::len)
            ),
            &1.into(),
            "the number of containers",
        )?;
        same(
            at(&after, "/spec/template/spec/containers/0/name"),
            &"other".into(),
            "the container",
        )
    });
    case(
        cases,
        "strategic patch: items of lists merge by their keys",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            let containers = json!([{"name": "main", "image": "example.com/app:2"}, {"name": "other", "image": "example.com/other:1"}]);
            let patch = Patch::Strategic(
                json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            );
            let after = h.patch(&made, patch).await?;
            same(
                &json!(
                    at(&after, "/spec/template/spec/containers")
                        .as_array()
                        .map(Vec::len)
                ),
                &2.into(),
                "the number of containers",
            )
        },
    );
    case(
        cases,
        "strategic patch: items are deleted by directive",
        |h| async move {
            let mut two = h.deployment("a");
            two.as_map_mut()["spec"]["template"]["spec"]["containers"] = json!([
                {"name": "main", "image": "example.com/app:1"}, {"name": "other", "image": "example.com/other:1"},
            ]);
            let made = h.create(&two).await?;
            let containers = json!([{"name": "other", "$patch": "delete"}]);
            let patch = Patch::Strategic(
                json!({"spec": {"template": {"spec": {"containers": containers}}}}),
            );
            let after = h.patch(&made, patch).await?;
            same(
                &json!(
                    at(&after, "/spec/template/spec/containers")
                        .as_array()
                        .map(Vec::len)
                ),
                &1.into(),
                "the number of containers",
            )
        },
    );
    json_patches(cases);
    subresources(cases);
}

fn json_patch(value: Value) -> Patch {
    Patch::Json(serde_json::from_value(value).expect("a JSON patch of the suite"))
}

fn json_patches(cases: &mut Vec<Case>) {
    case(
        cases,
        "json patch: adds, replaces and removes",
        |h| async move {
            let made = h
                .create(&h.config("a", json!({"k": "v", "l": "w"})))
                .await?;
            let patch = json_patch(json!([
                {"op": "add", "path": "/data/m", "value": "x"},
                {"op": "replace", "path": "/data/k", "value": "y"},
                {"op": "remove", "path": "/data/l"},
            ]));
            same(
                at(&h.patch(&made, patch).await?, "/data"),
                &json!({"k": "y", "m": "x"}),
                "the data",
            )
        },
    );
    case(
        cases,
        "json patch: a failed test is refused and writes nothing",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let patch = json_patch(json!([
                {"op": "add", "path": "/data/m", "value": "x"}, {"op": "test", "path": "/data/k", "value": "w"},
            ]));
            refused(h.patch(&made, patch).await, is_invalid, "")?;
            same(
                &h.live(&made).await?.to_value(),
                &made.to_value(),
                "the object",
            )
        },
    );
    case(
        cases,
        "json patch: a missing path is refused",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            refused(
                h.patch(
                    &made,
                    json_patch(json!([{"op": "remove", "path": "/data/nope"}])),
                )
                .await,
                is_invalid,
                "",
            )
        },
    );
    case(
        cases,
        "json patch: keys with slashes are escaped",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config.set_annotation("example.com/x", "1");
            let made = h.create(&config).await?;
            let patch = json_patch(
                json!([{"op": "replace", "path": "/metadata/annotations/example.com~1x", "value": "2"}]),
            );
            same(
                &json!(h.patch(&made, patch).await?.annotation("example.com/x")),
                &"2".into(),
                "the annotation",
            )
        },
    );
}

fn subresources(cases: &mut Vec<Case>) {
    case(
        cases,
        "status: a patch of the status leaves the spec",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            let options = WriteOptions {
                subresource: Some("status".to_owned()),
                ..write_as("controller")
            };
            let patch = Patch::Merge(
                json!({"status": {"collisionCount": 4}, "spec": {"minReadySeconds": 9}}),
            );
            let after = h
                .cluster
                .patch(&made.object_ref(), &patch, &options)
                .await?;
            same(
                at(&after, "/status/collisionCount"),
                &4.into(),
                "the status",
            )?;
            same(
                at(&after, "/spec/minReadySeconds"),
                &json!(null),
                "the spec",
            )?;
            same(
                at(&after, "/metadata/generation"),
                &1.into(),
                "the generation",
            )
        },
    );
    case(
        cases,
        "status: a patch of the object leaves the status",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            let after = h
                .merge(&made, json!({"status": {"collisionCount": 4}}))
                .await?;
            same(
                at(&after, "/status/collisionCount"),
                &json!(null),
                "the status",
            )
        },
    );
    case(
        cases,
        "status: labels do not change through it",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            let options = WriteOptions {
                subresource: Some("status".to_owned()),
                ..write_as("controller")
            };
            let patch = Patch::Merge(
                json!({"metadata": {"labels": {"x": "y"}}, "status": {"collisionCount": 4}}),
            );
            let after = h
                .cluster
                .patch(&made.object_ref(), &patch, &options)
                .await?;
            same(&json!(after.label("x")), &json!(null), "the label")
        },
    );
    case(cases, "status: a replace writes it", |h| async move {
        let mut live = h.create(&h.deployment("a")).await?;
        live.as_map_mut()
            .insert("status".to_owned(), json!({"collisionCount": 6}));
        let live = {
            live.metadata_mut().remove("resourceVersion");
            live
        };
        let options = WriteOptions {
            subresource: Some("status".to_owned()),
            ..write_as("controller")
        };
        let after = h.cluster.replace(&live, &options).await?;
        same(
            at(&after, "/status/collisionCount"),
            &6.into(),
            "the status",
        )
    });
    case(cases, "status: kinds without it refuse", |h| async move {
        let made = h.create(&h.config("a", json!({}))).await?;
        refused(h.status(&made, json!({"x": 1})).await, |_| true, "")
    });
    case(
        cases,
        "writes: lenient validation drops unknown fields",
        |h| async move {
            let mut deployment = h.deployment("a");
            deployment.as_map_mut()["spec"]["nonsense"] = 1.into();
            let options = WriteOptions {
                field_validation: FieldValidation::Ignore,
                ..write_as("creator")
            };
            let made = h.cluster.create(&deployment, &options).await?;
            same(at(&made, "/spec/nonsense"), &json!(null), "the field")
        },
    );
    case(
        cases,
        "writes: managers that own nothing are not listed",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let after = h.merge(&made, json!({"data": {"k": "w"}})).await?;
            holds(
                managers(&after).contains(&"patcher/Update/".to_owned()),
                "the new owner is listed",
            )?;
            let owned = fields_of(&after, "creator");
            holds(
                owned.pointer("/f:data/f:k").is_none(),
                "the old owner lost the field",
            )
        },
    );
}
