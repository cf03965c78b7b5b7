//! Creating, reading, replacing, deleting.

use serde_json::json;

use super::{
    Case, at, case, holds, is_conflict, is_existing, is_forbidden, is_invalid, is_not_found,
    is_unknown_kind, object, refused, same, write_as,
};
use crate::{
    GroupVersionKind, ObjectRef, Scope,
    cluster::{DeleteOptions, ListScope, WriteOptions},
};

pub(super) fn add(cases: &mut Vec<Case>) {
    reads(cases);
    creates(cases);
    replaces(cases);
    deletes(cases);
}

fn reads(cases: &mut Vec<Case>) {
    case(
        cases,
        "discovery: core kinds are served with their scopes",
        |h| async move {
            let discovery = h.cluster.discovery().await?;
            let kind =
                |group, version, kind| discovery.get(&GroupVersionKind::new(group, version, kind));
            holds(
                kind("", "v1", "ConfigMap").is_some_and(|k| k.scope == Scope::Namespaced),
                "ConfigMaps are namespaced",
            )?;
            holds(
                kind("", "v1", "Namespace").is_some_and(|k| k.scope == Scope::Cluster),
                "Namespaces are not",
            )?;
            holds(
                kind("apps", "v1", "Deployment").is_some_and(|k| k.plural == "deployments"),
                "the plural is deployments",
            )
        },
    );
    case(
        cases,
        "discovery: status sub-resources are listed",
        |h| async move {
            let discovery = h.cluster.discovery().await?;
            let deployment = discovery.get(&GroupVersionKind::new("apps", "v1", "Deployment"));
            holds(
                deployment.is_some_and(|k| k.subresources.iter().any(|s| s == "status")),
                "Deployments have status",
            )?;
            let config = discovery.get(&GroupVersionKind::new("", "v1", "ConfigMap"));
            holds(
                config.is_some_and(|k| k.subresources.is_empty()),
                "ConfigMaps have none",
            )
        },
    );
    case(
        cases,
        "discovery: the preferred version of apps is v1",
        |h| async move {
            let discovery = h.cluster.discovery().await?;
            same(
                &json!(discovery.preferred.get("apps")),
                &json!("v1"),
                "the preferred version",
            )
        },
    );
    case(cases, "schemas: built-in kinds have one", |h| async move {
        let schemas = h.cluster.schemas().await?;
        let gvk = GroupVersionKind::new("apps", "v1", "Deployment");
        holds(schemas.schema(&gvk).is_some(), "Deployments have a schema")?;
        holds(
            schemas.scope(&gvk) == Some(Scope::Namespaced),
            "and a scope",
        )
    });
    case(cases, "get: what does not exist is none", |h| async move {
        holds(
            h.get(&h.config("nope", json!({}))).await?.is_none(),
            "it is none",
        )
    });
    case(
        cases,
        "get: an unknown kind is an error of its own",
        |h| async move {
            let gvk = GroupVersionKind::new("nowhere.example.com", "v1", "Nothing");
            refused(
                h.cluster.get(&ObjectRef::new(gvk, &h.namespace, "x")).await,
                is_unknown_kind,
                "Nothing",
            )
        },
    );
    case(cases, "get: what was created comes back", |h| async move {
        let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
        let live = h.live(&made).await?;
        same(&live.to_value(), &made.to_value(), "the object")
    });
    case(
        cases,
        "list: a namespace that does not exist is empty",
        |h| async move {
            let scope = ListScope {
                namespace: Some(h.unique("nope")),
                ..h.configs("")
            };
            holds(
                h.cluster.list(&scope).await?.items.is_empty(),
                "the list is empty",
            )
        },
    );
    case(cases, "list: names come in order", |h| async move {
        for name in ["c", "a", "b"] {
            h.create(&h.config(name, json!({}))).await?;
        }
        same(
            &json!(h.names(&h.configs("")).await?),
            &json!(["a", "b", "c"]),
            "the names",
        )
    });
    case(cases, "list: items state their kind", |h| async move {
        h.create(&h.config("a", json!({}))).await?;
        let list = h.cluster.list(&h.configs("")).await?;
        holds(
            list.items
                .iter()
                .all(|o| o.kind() == "ConfigMap" && o.api_version() == "v1"),
            "apiVersion and kind are there",
        )
    });
    case(
        cases,
        "list: metadata comes without content",
        |h| async move {
            let mut config = h.config("a", json!({"k": "v"}));
            config.set_annotation("note", "kept");
            let made = h.create(&config).await?;
            let list = h.cluster.list(&h.configs("").metadata_only()).await?;
            let found = list.items.iter().find(|object| object.uid() == made.uid());
            let found = found.ok_or_else(|| "the object is not listed".to_owned())?;
            holds(
                found.kind() == "ConfigMap" && found.api_version() == "v1",
                "apiVersion and kind are those of the object",
            )?;
            same(
                &json!([found.as_map().get("data"), found.annotation("note")]),
                &json!([null, "kept"]),
                "content and annotation",
            )?;
            same(
                &json!(found.metadata()),
                &json!(made.metadata()),
                "the metadata",
            )
        },
    );
    case(
        cases,
        "list: metadata is selected by label",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config.set_label("x", "y");
            h.create(&config).await?;
            h.create(&h.config("b", json!({}))).await?;
            let scope = h.configs("x=y").metadata_only();
            same(&json!(h.names(&scope).await?), &json!(["a"]), "the names")
        },
    );
    case(
        cases,
        "list: all namespaces include this one",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            let all = h
                .cluster
                .list(&ListScope {
                    namespace: None,
                    ..h.configs("")
                })
                .await?;
            holds(
                all.items.iter().any(|o| o.uid() == made.uid()),
                "the object is listed",
            )
        },
    );
    case(
        cases,
        "list: it has a resource version no older than its items",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            let list = h.cluster.list(&h.configs("")).await?;
            let number = |text: &str| text.parse::<u64>().unwrap_or(0);
            holds(
                number(&list.resource_version) >= number(made.resource_version()),
                "it is not older",
            )
        },
    );
    case(
        cases,
        "list: an unknown kind is an error of its own",
        |h| async move {
            let scope = h.scope("nowhere.example.com", "v1", "Nothing", "");
            refused(h.cluster.list(&scope).await, is_unknown_kind, "Nothing")
        },
    );
}

fn creates(cases: &mut Vec<Case>) {
    case(
        cases,
        "create: the server sets uid, time and resource version",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            holds(
                !made.uid().is_empty() && !made.resource_version().is_empty(),
                "uid and resourceVersion are set",
            )?;
            holds(
                at(&made, "/metadata/creationTimestamp").is_string(),
                "creationTimestamp is set",
            )
        },
    );
    case(cases, "create: what exists is refused", |h| async move {
        h.create(&h.config("a", json!({}))).await?;
        refused(h.create(&h.config("a", json!({}))).await, is_existing, "a")
    });
    case(cases, "create: names are generated", |h| async move {
        let mut config = h.config("x", json!({}));
        config.metadata_mut().remove("name");
        config
            .metadata_mut()
            .insert("generateName".to_owned(), "made-".into());
        let (one, two) = (h.create(&config).await?, h.create(&config).await?);
        holds(
            one.name().starts_with("made-") && one.name().len() > 5,
            "the name has the prefix",
        )?;
        holds(one.name() != two.name(), "two names differ")
    });
    case(
        cases,
        "create: a namespace that does not exist is refused in the server's words",
        |h| async move {
            let mut config = h.config("a", json!({}));
            let missing = h.unique("nope");
            config.set_namespace(&missing);
            refused(
                h.create(&config).await,
                is_not_found,
                &format!("namespaces \"{missing}\" not found"),
            )
        },
    );
    case(
        cases,
        "create: a resource version is refused",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config
                .metadata_mut()
                .insert("resourceVersion".to_owned(), "5".into());
            refused(
                h.create(&config).await,
                |_| true,
                "resourceVersion should not be set",
            )
        },
    );
    case(cases, "create: a dry run stores nothing", |h| async move {
        let options = WriteOptions {
            dry_run: true,
            ..write_as("creator")
        };
        let config = h.config("a", json!({"k": "v"}));
        let made = h.cluster.create(&config, &options).await?;
        same(at(&made, "/data/k"), &"v".into(), "the answer")?;
        holds(h.get(&config).await?.is_none(), "nothing is stored")
    });
    case(cases, "create: a given uid is not kept", |h| async move {
        let mut config = h.config("a", json!({}));
        config
            .metadata_mut()
            .insert("uid".to_owned(), "mine".into());
        let made = h.create(&config).await?;
        holds(made.uid() != "mine", "the server gives the uid")
    });
    case(cases, "create: status is not written", |h| async move {
        let mut deployment = h.deployment("a");
        deployment
            .as_map_mut()
            .insert("status".to_owned(), json!({"replicas": 7}));
        let made = h.create(&deployment).await?;
        holds(
            at(&made, "/status/replicas") != &json!(7),
            "the status is the server's",
        )
    });
    case(cases, "create: generation starts at one", |h| async move {
        same(
            at(&h.create(&h.deployment("a")).await?, "/metadata/generation"),
            &1.into(),
            "the generation",
        )
    });
    case(
        cases,
        "create: config maps have no generation",
        |h| async move {
            same(
                at(
                    &h.create(&h.config("a", json!({}))).await?,
                    "/metadata/generation",
                ),
                &json!(null),
                "the generation",
            )
        },
    );
    case(
        cases,
        "create: an unknown kind is an error of its own",
        |h| async move {
            let nothing = h.inside(json!({"apiVersion": "nowhere.example.com/v1", "kind": "Nothing", "metadata": {"name": "a"}}));
            refused(h.create(&nothing).await, is_unknown_kind, "Nothing")
        },
    );
    case(
        cases,
        "create: string data of secrets becomes data",
        |h| async move {
            let secret = h.inside(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"},
        }));
            let made = h.create(&secret).await?;
            same(at(&made, "/data/a"), &"Yg==".into(), "the data")?;
            same(at(&made, "/stringData"), &json!(null), "stringData")
        },
    );
}

fn replaces(cases: &mut Vec<Case>) {
    case(
        cases,
        "replace: fields that are left out go",
        |h| async move {
            h.create(&h.config("a", json!({"k": "v", "l": "w"})))
                .await?;
            let live = h.replace(&h.config("a", json!({"k": "x"}))).await?;
            same(at(&live, "/data"), &json!({"k": "x"}), "the data")
        },
    );
    case(
        cases,
        "replace: what does not exist is refused",
        |h| async move {
            refused(
                h.replace(&h.config("a", json!({}))).await,
                is_not_found,
                "configmaps \"a\" not found",
            )
        },
    );
    case(
        cases,
        "replace: an old resource version is refused",
        |h| async move {
            let old = h.create(&h.config("a", json!({"k": "v"}))).await?;
            h.merge(&old, json!({"data": {"k": "w"}})).await?;
            refused(
                h.replace(&old).await,
                is_conflict,
                "the object has been modified",
            )
        },
    );
    case(
        cases,
        "replace: the present resource version is accepted",
        |h| async move {
            let mut live = h.create(&h.config("a", json!({"k": "v"}))).await?;
            live.as_map_mut()
                .insert("data".to_owned(), json!({"k": "w"}));
            let after = h.replace(&live).await?;
            holds(
                after.resource_version() != live.resource_version(),
                "the resource version moves",
            )
        },
    );
    case(cases, "replace: another uid is refused", |h| async move {
        let mut live = h.create(&h.config("a", json!({}))).await?;
        live.metadata_mut().insert(
            "uid".to_owned(),
            "11111111-1111-4111-8111-111111111111".into(),
        );
        refused(
            h.replace(&live).await,
            |e| is_conflict(e) || is_invalid(e),
            "",
        )
    });
    case(
        cases,
        "replace: the same object writes nothing",
        |h| async move {
            let live = h.create(&h.config("a", json!({"k": "v"}))).await?;
            let after = h.cluster.replace(&live, &write_as("creator")).await?;
            same(
                &after.resource_version().into(),
                &live.resource_version().into(),
                "the resource version",
            )
        },
    );
    case(cases, "replace: status is kept", |h| async move {
        let made = h.create(&h.deployment("a")).await?;
        h.status(&made, json!({"collisionCount": 3})).await?;
        let mut again = h.deployment("a");
        again.set_label("x", "y");
        let after = h.replace(&again).await?;
        same(
            at(&after, "/status/collisionCount"),
            &3.into(),
            "the status",
        )
    });
    case(
        cases,
        "generation: a changed spec counts, labels do not",
        |h| async move {
            let made = h.create(&h.deployment("a")).await?;
            let before = at(&made, "/metadata/generation").as_i64().unwrap_or(0);
            let after = h
                .merge(&made, json!({"metadata": {"labels": {"x": "y"}}}))
                .await?;
            same(
                at(&after, "/metadata/generation"),
                &before.into(),
                "the generation after a label",
            )?;
            let after = h
                .merge(&made, json!({"spec": {"minReadySeconds": 4}}))
                .await?;
            same(
                at(&after, "/metadata/generation"),
                &(before + 1).into(),
                "the generation after a change",
            )
        },
    );
    case(
        cases,
        "replace: a service keeps its cluster IP",
        |h| async move {
            let service = h.inside(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                "spec": {"ports": [{"port": 80}]},
            }));
            let made = h.create(&service).await?;
            let after = h.replace(&service).await?;
            same(
                at(&after, "/spec/clusterIP"),
                at(&made, "/spec/clusterIP"),
                "the cluster IP",
            )
        },
    );
}

fn deletes(cases: &mut Vec<Case>) {
    case(cases, "delete: the object is gone", |h| async move {
        let config = h.config("a", json!({}));
        h.create(&config).await?;
        holds(h.remove(&config).await?.is_none(), "nothing comes back")?;
        holds(h.get(&config).await?.is_none(), "it is gone")
    });
    case(
        cases,
        "delete: what does not exist is refused",
        |h| async move {
            refused(
                h.remove(&h.config("a", json!({}))).await,
                is_not_found,
                "configmaps \"a\" not found",
            )
        },
    );
    case(cases, "delete: another uid is refused", |h| async move {
        let made = h.create(&h.config("a", json!({}))).await?;
        let options = DeleteOptions {
            uid: Some("other".to_owned()),
            ..DeleteOptions::default()
        };
        refused(
            h.cluster.delete(&made.object_ref(), &options).await,
            is_conflict,
            "UID in the precondition",
        )?;
        holds(h.get(&made).await?.is_some(), "it is still there")
    });
    case(
        cases,
        "delete: an old resource version is refused",
        |h| async move {
            let made = h.create(&h.config("a", json!({"k": "v"}))).await?;
            h.merge(&made, json!({"data": {"k": "w"}})).await?;
            let options = DeleteOptions {
                resource_version: Some(made.resource_version().to_owned()),
                ..DeleteOptions::default()
            };
            refused(
                h.cluster.delete(&made.object_ref(), &options).await,
                is_conflict,
                "ResourceVersion in the precondition",
            )
        },
    );
    case(
        cases,
        "delete: the right uid and resource version are accepted",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            let options = DeleteOptions {
                uid: Some(made.uid().to_owned()),
                resource_version: Some(made.resource_version().to_owned()),
                ..DeleteOptions::default()
            };
            h.cluster.delete(&made.object_ref(), &options).await?;
            holds(h.get(&made).await?.is_none(), "it is gone")
        },
    );
    case(cases, "delete: a dry run deletes nothing", |h| async move {
        let made = h.create(&h.config("a", json!({}))).await?;
        let options = DeleteOptions {
            dry_run: true,
            ..DeleteOptions::default()
        };
        h.cluster.delete(&made.object_ref(), &options).await?;
        holds(h.get(&made).await?.is_some(), "it is still there")
    });
    case(
        cases,
        "delete: made again it has another uid",
        |h| async move {
            let first = h.create(&h.config("a", json!({}))).await?;
            h.remove(&first).await?;
            let second = h.create(&h.config("a", json!({}))).await?;
            holds(first.uid() != second.uid(), "the uids differ")
        },
    );
    case(
        cases,
        "delete: the namespace default may not be deleted",
        |h| async move {
            let default = object(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
            );
            refused(
                h.remove(&default).await,
                is_forbidden,
                "this namespace may not be deleted",
            )
        },
    );
}
