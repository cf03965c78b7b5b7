//! Server-side apply.

use serde_json::{Value, json};

use super::{
    Case, at, case, fields_of, holds, is_conflict, is_field_conflict, is_invalid, is_not_found,
    is_unknown_kind, managers, object, refused, same,
};
use crate::cluster::{ApplyOptions, ClusterError, FieldValidation};

pub(super) fn add(cases: &mut Vec<Case>) {
    basics(cases);
    ownership(cases);
    lists(cases);
}

fn basics(cases: &mut Vec<Case>) {
    case(
        cases,
        "apply: creates what does not exist",
        |h| async move {
            let made = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            same(at(&made, "/data/k"), &"v".into(), "the data")?;
            same(
                &json!(managers(&made)),
                &json!(["suite/Apply/"]),
                "the managers",
            )
        },
    );
    case(
        cases,
        "apply: a second apply writes nothing",
        |h| async move {
            let made = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            let again = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            same(&again.to_value(), &made.to_value(), "the object")
        },
    );
    case(
        cases,
        "apply: a second apply of a deployment writes nothing",
        |h| async move {
            let made = h.apply(&h.deployment("a")).await?;
            let again = h.apply(&h.deployment("a")).await?;
            same(
                at(&again, "/metadata/generation"),
                at(&made, "/metadata/generation"),
                "the generation",
            )?;
            same(at(&again, "/spec"), at(&made, "/spec"), "the spec")?;
            same(
                fields_of(&again, "suite"),
                fields_of(&made, "suite"),
                "what the manager owns",
            )
        },
    );
    case(
        cases,
        "apply: a second apply of a service writes nothing",
        |h| async move {
            let service = h.inside(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"name": "web", "port": 80, "targetPort": "http"}], "selector": {"a": "b"}},
        }));
            let made = h.apply(&service).await?;
            let again = h.apply(&service).await?;
            same(at(&again, "/spec"), at(&made, "/spec"), "the spec")
        },
    );
    case(cases, "apply: changed values are written", |h| async move {
        h.apply(&h.config("a", json!({"k": "v"}))).await?;
        let after = h.apply(&h.config("a", json!({"k": "w"}))).await?;
        same(at(&after, "/data"), &json!({"k": "w"}), "the data")
    });
    case(
        cases,
        "apply: fields that are no longer stated go",
        |h| async move {
            h.apply(&h.config("a", json!({"k": "v", "l": "w"}))).await?;
            let after = h.apply(&h.config("a", json!({"l": "w"}))).await?;
            same(at(&after, "/data"), &json!({"l": "w"}), "the data")
        },
    );
    case(cases, "apply: fields of others stay", |h| async move {
        h.apply(&h.config("a", json!({"k": "v"}))).await?;
        h.apply_as(&h.config("a", json!({"l": "w"})), "other", false)
            .await?;
        let after = h.apply(&h.config("a", json!({"k": "x"}))).await?;
        same(
            at(&after, "/data"),
            &json!({"k": "x", "l": "w"}),
            "the data",
        )
    });
    case(
        cases,
        "apply: a dry run of a create stores nothing",
        |h| async move {
            let options = ApplyOptions {
                dry_run: true,
                ..ApplyOptions::default()
            };
            let config = h.config("a", json!({"k": "v"}));
            let made = h.cluster.apply(&config, &options).await?;
            same(at(&made, "/data/k"), &"v".into(), "the answer")?;
            holds(h.get(&config).await?.is_none(), "nothing is stored")
        },
    );
    case(
        cases,
        "apply: a dry run of a change stores nothing",
        |h| async move {
            let before = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            let options = ApplyOptions {
                dry_run: true,
                field_manager: "suite".to_owned(),
                ..ApplyOptions::default()
            };
            let made = h
                .cluster
                .apply(&h.config("a", json!({"k": "w"})), &options)
                .await?;
            same(at(&made, "/data/k"), &"w".into(), "the answer")?;
            same(
                &h.live(&before).await?.to_value(),
                &before.to_value(),
                "the live object",
            )
        },
    );
    case(
        cases,
        "apply: a missing namespace is refused in the server's words",
        |h| async move {
            let mut config = h.config("a", json!({}));
            let missing = h.unique("nope");
            config.set_namespace(&missing);
            refused(
                h.apply(&config).await,
                is_not_found,
                &format!("namespaces \"{missing}\" not found"),
            )
        },
    );
    case(
        cases,
        "apply: managedFields may not be stated",
        |h| async move {
            let made = h.apply(&h.config("a", json!({}))).await?;
            let mut stated = h.config("a", json!({}));
            let fields: Vec<Value> = made.managed_fields().cloned().collect();
            let fields = if fields.is_empty() {
                vec![json!({"manager": "x"})]
            } else {
                fields
            };
            stated
                .metadata_mut()
                .insert("managedFields".to_owned(), Value::Array(fields));
            refused(
                h.apply(&stated).await,
                is_invalid,
                "managedFields must be nil",
            )
        },
    );
    case(
        cases,
        "apply: unknown fields are refused by the schema",
        |h| async move {
            let mut deployment = h.deployment("a");
            deployment.as_map_mut()["spec"]["nonsense"] = 1.into();
            refused(
                h.apply(&deployment).await,
                is_invalid,
                ".spec.nonsense: field not declared in schema",
            )
        },
    );
    case(
        cases,
        "apply: unknown fields are refused however lenient the validation",
        |h| async move {
            let mut deployment = h.deployment("a");
            deployment.as_map_mut()["spec"]["nonsense"] = 1.into();
            let options = ApplyOptions {
                field_validation: FieldValidation::Ignore,
                ..ApplyOptions::default()
            };
            refused(
                h.cluster.apply(&deployment, &options).await,
                is_invalid,
                ".spec.nonsense: field not declared in schema",
            )
        },
    );
    case(
        cases,
        "apply: a wrong type is refused with its path",
        |h| async move {
            let mut deployment = h.deployment("a");
            deployment.as_map_mut()["spec"]["replicas"] = "many".into();
            refused(h.apply(&deployment).await, is_invalid, ".spec.replicas")
        },
    );
    case(
        cases,
        "apply: an old resource version is a conflict",
        |h| async move {
            let made = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            h.apply(&h.config("a", json!({"k": "w"}))).await?;
            let mut stale = h.config("a", json!({"k": "x"}));
            stale
                .metadata_mut()
                .insert("resourceVersion".to_owned(), made.resource_version().into());
            refused(
                h.apply(&stale).await,
                is_conflict,
                "the object has been modified",
            )
        },
    );
    case(
        cases,
        "apply: the uid of an object that is gone is a conflict",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config.metadata_mut().insert(
                "uid".to_owned(),
                "11111111-1111-4111-8111-111111111111".into(),
            );
            refused(h.apply(&config).await, is_conflict, "uid")
        },
    );
    case(
        cases,
        "apply: an unknown kind is an error of its own",
        |h| async move {
            let nothing = h.inside(json!({"apiVersion": "nowhere.example.com/v1", "kind": "Nothing", "metadata": {"name": "a"}}));
            refused(h.apply(&nothing).await, is_unknown_kind, "Nothing")
        },
    );
    case(
        cases,
        "apply: status of built-in kinds is ignored",
        |h| async move {
            let mut deployment = h.deployment("a");
            deployment
                .as_map_mut()
                .insert("status".to_owned(), json!({"collisionCount": 9}));
            let made = h.apply(&deployment).await?;
            holds(
                at(&made, "/status/collisionCount") != &json!(9),
                "it is not written",
            )?;
            same(
                at(
                    &object(
                        json!({"apiVersion": "v1", "kind": "X", "f": fields_of(&made, "suite")}),
                    ),
                    "/f/f:status",
                ),
                &json!(null),
                "ownership of status",
            )
        },
    );
    case(
        cases,
        "apply: a changed spec counts as a generation",
        |h| async move {
            h.apply(&h.deployment("a")).await?;
            let mut changed = h.deployment("a");
            changed.as_map_mut()["spec"]["minReadySeconds"] = 3.into();
            same(
                at(&h.apply(&changed).await?, "/metadata/generation"),
                &2.into(),
                "the generation",
            )
        },
    );
    case(
        cases,
        "apply: quantities that differ in text only do not count",
        |h| async move {
            let with = |cpu: &str| {
                let mut deployment = h.deployment("a");
                deployment.as_map_mut()["spec"]["template"]["spec"]["containers"][0]["resources"] =
                    json!({"requests": {"cpu": cpu}});
                deployment
            };
            h.apply(&with("1")).await?;
            let after = h.apply(&with("1")).await?;
            same(
                at(&after, "/metadata/generation"),
                &1.into(),
                "the generation",
            )
        },
    );
}

fn ownership(cases: &mut Vec<Case>) {
    case(
        cases,
        "apply: another manager's value is a conflict with field and manager",
        |h| async move {
            h.apply(&h.config("a", json!({"k": "v"}))).await?;
            match h
                .apply_as(&h.config("a", json!({"k": "w"})), "other", false)
                .await
            {
                Err(ClusterError::FieldConflicts { conflicts, .. }) => {
                    same(
                        &conflicts.len().into(),
                        &1.into(),
                        "the number of conflicts",
                    )?;
                    same(
                        &conflicts[0].field.as_str().into(),
                        &".data.k".into(),
                        "the field",
                    )?;
                    holds(
                        conflicts[0].manager.contains("\"suite\""),
                        "the manager is named",
                    )
                }
                other => Err(format!("should be a conflict: {other:?}").into()),
            }
        },
    );
    case(
        cases,
        "apply: all conflicting fields are reported",
        |h| async move {
            h.apply(&h.config("a", json!({"k": "v", "l": "v"}))).await?;
            match h
                .apply_as(&h.config("a", json!({"k": "w", "l": "w"})), "other", false)
                .await
            {
                Err(ClusterError::FieldConflicts { conflicts, .. }) => {
                    let fields: Vec<&str> = conflicts.iter().map(|c| c.field.as_str()).collect();
                    same(&json!(fields), &json!([".data.k", ".data.l"]), "the fields")
                }
                other => Err(format!("should be a conflict: {other:?}").into()),
            }
        },
    );
    case(cases, "apply: a conflict writes nothing", |h| async move {
        let before = h.apply(&h.config("a", json!({"k": "v"}))).await?;
        refused(
            h.apply_as(&h.config("a", json!({"k": "w", "l": "x"})), "other", false)
                .await,
            is_field_conflict,
            ".data.k",
        )?;
        same(
            &h.live(&before).await?.to_value(),
            &before.to_value(),
            "the object",
        )
    });
    case(cases, "apply: force takes the field over", |h| async move {
        h.apply(&h.config("a", json!({"k": "v", "l": "v"}))).await?;
        let after = h
            .apply_as(&h.config("a", json!({"k": "w"})), "other", true)
            .await?;
        same(at(&after, "/data/k"), &"w".into(), "the value")?;
        same(
            fields_of(&after, "suite"),
            &json!({"f:data": {"f:l": {}}}),
            "what the first manager keeps",
        )
    });
    case(cases, "apply: the same value is shared", |h| async move {
        h.apply(&h.config("a", json!({"k": "v"}))).await?;
        let after = h
            .apply_as(&h.config("a", json!({"k": "v"})), "other", false)
            .await?;
        same(
            &json!(managers(&after)),
            &json!(["other/Apply/", "suite/Apply/"]),
            "the managers",
        )
    });
    case(
        cases,
        "apply: a shared field stays when one manager lets go",
        |h| async move {
            h.apply(&h.config("a", json!({"k": "v", "l": "v"}))).await?;
            h.apply_as(&h.config("a", json!({"k": "v"})), "other", false)
                .await?;
            let after = h.apply(&h.config("a", json!({"l": "v"}))).await?;
            same(
                at(&after, "/data"),
                &json!({"k": "v", "l": "v"}),
                "the data",
            )
        },
    );
    case(
        cases,
        "apply: a field goes when its last manager lets go",
        |h| async move {
            h.apply(&h.config("a", json!({"k": "v", "l": "v"}))).await?;
            h.apply_as(&h.config("a", json!({"k": "v", "m": "v"})), "other", false)
                .await?;
            h.apply(&h.config("a", json!({"l": "v"}))).await?;
            let after = h
                .apply_as(&h.config("a", json!({"m": "v"})), "other", false)
                .await?;
            same(
                at(&after, "/data"),
                &json!({"l": "v", "m": "v"}),
                "the data",
            )
        },
    );
    case(
        cases,
        "apply: updates of others are conflicts too",
        |h| async move {
            let made = h.apply(&h.config("a", json!({"k": "v"}))).await?;
            h.merge(&made, json!({"data": {"k": "w"}})).await?;
            refused(
                h.apply(&h.config("a", json!({"k": "v"}))).await,
                is_field_conflict,
                "\"patcher\"",
            )
        },
    );
    case(cases, "apply: defaults are nobody's", |h| async move {
        let made = h.apply(&h.deployment("a")).await?;
        let owned = fields_of(&made, "suite");
        same(
            &json!(owned.pointer("/f:spec/f:strategy")),
            &json!(null),
            "ownership of the strategy",
        )?;
        holds(
            owned.pointer("/f:spec/f:replicas").is_some(),
            "stated fields are owned",
        )
    });
    case(
        cases,
        "apply: creates are noted as updates of their manager",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            same(
                &json!(managers(&made)),
                &json!(["creator/Update/"]),
                "the managers",
            )?;
            same(
                fields_of(&made, "creator"),
                &json!({"f:data": {".": {}, "f:k": {}}}),
                "the fields",
            )
        },
    );
    case(
        cases,
        "apply: status writes are noted with their sub-resource",
        |h| async move {
            let made = h.apply(&h.deployment("a")).await?;
            let after = h.status(&made, json!({"collisionCount": 2})).await?;
            holds(
                managers(&after).contains(&"controller/Update/status".to_owned()),
                "the sub-resource is stated",
            )
        },
    );
}

fn lists(cases: &mut Vec<Case>) {
    case(
        cases,
        "apply: items of keyed lists merge by their keys",
        |h| async move {
            h.apply(&h.deployment("a")).await?;
            let mut sidecar = h.deployment("a");
            sidecar.as_map_mut()["spec"]["template"]["spec"]["containers"] =
                json!([{"name": "sidecar", "image": "example.com/sidecar:1"}]);
            let after = h.apply_as(&sidecar, "other", false).await?;
            let names: Vec<&Value> = at(&after, "/spec/template/spec/containers")
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|c| c.get("name"))
                .collect();
            same(&json!(names), &json!(["main", "sidecar"]), "the containers")
        },
    );
    case(
        cases,
        "apply: items of keyed lists go with their manager",
        |h| async move {
            let mut both = h.deployment("a");
            both.as_map_mut()["spec"]["template"]["spec"]["containers"] = json!([
                {"name": "main", "image": "example.com/app:1"}, {"name": "sidecar", "image": "example.com/sidecar:1"},
            ]);
            h.apply(&both).await?;
            let after = h.apply(&h.deployment("a")).await?;
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
    case(
        cases,
        "apply: keys of ports take their default protocol",
        |h| async move {
            let service = |ports: Value| {
                h.inside(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports},
            }))
            };
            let made = h.apply(&service(json!([{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]))).await?;
            let owned = fields_of(&made, "suite")
                .pointer("/f:spec/f:ports")
                .cloned()
                .unwrap_or_default();
            holds(
                owned.get("k:{\"port\":53,\"protocol\":\"TCP\"}").is_some(),
                "the default is part of the key",
            )?;
            holds(
                owned.get("k:{\"port\":53,\"protocol\":\"UDP\"}").is_some(),
                "and so is what is stated",
            )
        },
    );
    case(cases, "apply: sets merge item by item", |h| async move {
        let with = |finalizer: &str| {
            let mut config = h.config("a", json!({}));
            config
                .metadata_mut()
                .insert("finalizers".to_owned(), json!([finalizer]));
            config
        };
        h.apply(&with("example.com/a")).await?;
        let after = h.apply_as(&with("example.com/b"), "other", false).await?;
        let mut found: Vec<String> = after.finalizers().map(str::to_owned).collect();
        found.sort();
        let expected = json!(["example.com/a", "example.com/b"]);
        let done = same(&json!(found), &expected, "the finalizers");
        h.merge(&after, json!({"metadata": {"finalizers": null}}))
            .await?;
        done
    });
    case(
        cases,
        "apply: atomic lists are replaced as a whole",
        |h| async move {
            let with = |args: Value| {
                let mut deployment = h.deployment("a");
                deployment.as_map_mut()["spec"]["template"]["spec"]["containers"][0]["args"] = args;
                deployment
            };
            h.apply(&with(json!(["a", "b"]))).await?;
            refused(
                h.apply_as(&with(json!(["c"])), "other", false).await,
                is_field_conflict,
                "args",
            )?;
            let after = h.apply(&with(json!(["c"]))).await?;
            same(
                at(&after, "/spec/template/spec/containers/0/args"),
                &json!(["c"]),
                "the arguments",
            )
        },
    );
    case(
        cases,
        "apply: atomic maps are owned as a whole",
        |h| async move {
            let made = h.apply(&h.deployment("a")).await?;
            same(
                &json!(fields_of(&made, "suite").pointer("/f:spec/f:selector")),
                &json!({}),
                "ownership of the selector",
            )
        },
    );
}
