//! Namespaces, finalizers, owners.

use serde_json::{Value, json};

use super::{Case, Harness, at, case, holds, is_forbidden, is_invalid, object, refused, same};
use crate::{
    Manifest,
    cluster::{DeleteOptions, Propagation},
};

pub(super) fn add(cases: &mut Vec<Case>) {
    namespaces(cases);
    finalizers(cases);
    owners(cases);
}

fn other_namespace(h: &Harness, name: &str) -> Manifest {
    object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": h.unique(name)}}))
}

fn namespaces(cases: &mut Vec<Case>) {
    case(
        cases,
        "namespace: it is labelled with its name",
        |h| async move {
            let live = h.live(&h.own_namespace()).await?;
            same(
                &json!(live.label("kubernetes.io/metadata.name")),
                &json!(h.namespace),
                "the label",
            )
        },
    );
    case(
        cases,
        "namespace: it is active and held by its finalizer",
        |h| async move {
            let live = h.live(&h.own_namespace()).await?;
            same(at(&live, "/status/phase"), &"Active".into(), "the phase")?;
            same(
                at(&live, "/spec/finalizers"),
                &json!(["kubernetes"]),
                "the finalizers",
            )
        },
    );
    case(
        cases,
        "namespace: it gets a service account",
        |h| async move {
            let account = h.inside(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}));
            h.eventually("the account is there", || async {
                Ok(h.get(&account).await?.is_some())
            })
            .await
        },
    );
    case(
        cases,
        "namespace: it gets the certificate of the API server",
        |h| async move {
            let config = h.config("kube-root-ca.crt", json!({}));
            h.eventually("the certificate is there", || async {
                Ok(h.get(&config).await?.is_some())
            })
            .await
        },
    );
    case(
        cases,
        "namespace: it goes with its content",
        |h| async move {
            let namespace = other_namespace(&h, "x");
            h.apply(&namespace).await?;
            let mut config = h.config("a", json!({}));
            config.set_namespace(namespace.name());
            h.create(&config).await?;
            h.remove(&namespace).await?;
            h.gone(&namespace).await?;
            holds(h.get(&config).await?.is_none(), "the content is gone")
        },
    );
    case(
        cases,
        "namespace: a held object holds it, and it takes nothing new",
        |h| async move {
            let namespace = other_namespace(&h, "x");
            h.apply(&namespace).await?;
            let mut config = h.config("held", json!({}));
            config.set_namespace(namespace.name());
            config
                .metadata_mut()
                .insert("finalizers".to_owned(), json!(["example.com/hold"]));
            h.create(&config).await?;
            h.remove(&namespace).await?;
            let live = h.live(&namespace).await?;
            let phase = same(
                at(&live, "/status/phase"),
                &"Terminating".into(),
                "the phase",
            );
            let mut new = h.config("new", json!({}));
            new.set_namespace(namespace.name());
            let new = refused(
                h.create(&new).await,
                is_forbidden,
                "because it is being terminated",
            );
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            h.gone(&namespace).await?;
            phase.and(new)
        },
    );
    case(cases, "namespace: its name is a label", |h| async move {
        let namespace =
            object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}}));
        refused(
            h.create(&namespace).await,
            is_invalid,
            "must not contain dots",
        )?;
        let namespace =
            object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "A"}}));
        refused(h.create(&namespace).await, is_invalid, "RFC 1123 label")
    });
    case(
        cases,
        "namespace: cluster-scoped objects have none",
        |h| async move {
            let mut role = object(json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": h.unique("role:x")},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            }));
            role.set_namespace(&h.namespace);
            let made = h.create(&role).await;
            role.set_namespace("");
            let _ = h.remove(&role).await;
            match made {
                Ok(made) => same(&made.namespace().into(), &"".into(), "the namespace"),
                // Some clients say so before they ask.
                Err(error) => holds(
                    error.to_string().contains("namespace"),
                    "the error names the namespace",
                ),
            }
        },
    );
}

fn finalizers(cases: &mut Vec<Case>) {
    let held = |h: &Harness| {
        let mut config = h.config("a", json!({"k": "v"}));
        config
            .metadata_mut()
            .insert("finalizers".to_owned(), json!(["example.com/hold"]));
        config
    };
    case(
        cases,
        "finalizers: a held object stays, marked as terminating",
        move |h| async move {
            let config = held(&h);
            h.create(&config).await?;
            let left = h.remove(&config).await?;
            let live = h.live(&config).await?;
            let done = holds(left.is_some_and(|o| o.is_terminating()), "it comes back")
                .and(holds(live.is_terminating(), "it is terminating"));
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            done
        },
    );
    case(
        cases,
        "finalizers: without them the object goes",
        move |h| async move {
            let config = held(&h);
            h.create(&config).await?;
            h.remove(&config).await?;
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            holds(h.get(&config).await?.is_none(), "it is gone")
        },
    );
    case(
        cases,
        "finalizers: none can be added to what is terminating",
        move |h| async move {
            let config = held(&h);
            h.create(&config).await?;
            h.remove(&config).await?;
            let more =
                json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
            let done = refused(
                h.merge(&config, more).await,
                is_invalid,
                "no new finalizers can be added",
            );
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            done
        },
    );
    case(
        cases,
        "finalizers: what is terminating can change",
        move |h| async move {
            let config = held(&h);
            h.create(&config).await?;
            h.remove(&config).await?;
            let after = h.merge(&config, json!({"data": {"k": "w"}})).await?;
            let done = same(at(&after, "/data/k"), &"w".into(), "the data");
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            done
        },
    );
    case(
        cases,
        "finalizers: a second delete changes nothing",
        move |h| async move {
            let config = held(&h);
            h.create(&config).await?;
            let first = h.remove(&config).await?;
            let second = h.remove(&config).await?;
            let version = |o: Option<Manifest>| o.map(|o| o.resource_version().to_owned());
            let done = same(
                &json!(version(second)),
                &json!(version(first)),
                "the resource version",
            );
            h.merge(&config, json!({"metadata": {"finalizers": null}}))
                .await?;
            done
        },
    );
}

fn owners(cases: &mut Vec<Case>) {
    case(
        cases,
        "owners: what is owned goes with its owner",
        |h| async move {
            let owner = h.create(&h.config("owner", json!({}))).await?;
            let child = h.create(&owned(&h, "child", &[&owner])).await?;
            h.remove(&owner).await?;
            h.gone(&child).await
        },
    );
    case(cases, "owners: so does what that owns", |h| async move {
        let owner = h.create(&h.config("owner", json!({}))).await?;
        let child = h.create(&owned(&h, "child", &[&owner])).await?;
        let grandchild = h.create(&owned(&h, "grandchild", &[&child])).await?;
        h.remove(&owner).await?;
        h.gone(&grandchild).await
    });
    case(cases, "owners: a second owner keeps it", |h| async move {
        let one = h.create(&h.config("one", json!({}))).await?;
        let two = h.create(&h.config("two", json!({}))).await?;
        let child = h.create(&owned(&h, "child", &[&one, &two])).await?;
        h.remove(&one).await?;
        h.eventually("one owner is left", || async {
            let live = h.live(&child).await?;
            Ok(live
                .owner_references()
                .map(|o| o.name.to_owned())
                .collect::<Vec<_>>()
                == ["two"])
        })
        .await
    });
    case(
        cases,
        "owners: an owner that never was does not keep it",
        |h| async move {
            let mut child = h.config("child", json!({}));
            child.metadata_mut().insert("ownerReferences".to_owned(), json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "11111111-1111-4111-8111-111111111111",
        }]));
            let child = h.create(&child).await?;
            h.gone(&child).await
        },
    );
    case(
        cases,
        "owners: orphans stay and lose their reference",
        |h| async move {
            let owner = h.create(&h.config("owner", json!({}))).await?;
            let child = h.create(&owned(&h, "child", &[&owner])).await?;
            let options = DeleteOptions {
                propagation: Propagation::Orphan,
                ..DeleteOptions::default()
            };
            h.cluster.delete(&owner.object_ref(), &options).await?;
            h.gone(&owner).await?;
            same(
                &h.live(&child).await?.owner_references().count().into(),
                &0.into(),
                "the number of owners",
            )
        },
    );
    case(
        cases,
        "owners: in the foreground what is owned goes first",
        |h| async move {
            let owner = h.create(&h.config("owner", json!({}))).await?;
            let mut child = owned(&h, "child", &[&owner]);
            child
                .metadata_mut()
                .insert("finalizers".to_owned(), json!(["example.com/hold"]));
            let child = h.create(&child).await?;
            let options = DeleteOptions {
                propagation: Propagation::Foreground,
                ..DeleteOptions::default()
            };
            let left = h.cluster.delete(&owner.object_ref(), &options).await?;
            let waits = holds(
                left.is_some_and(|o| o.finalizers().any(|f| f == "foregroundDeletion")),
                "the owner waits with a finalizer",
            );
            h.eventually("the child is terminating", || async {
                Ok(h.live(&child).await?.is_terminating())
            })
            .await?;
            let there = holds(h.get(&owner).await?.is_some(), "the owner is still there");
            h.merge(&child, json!({"metadata": {"finalizers": null}}))
                .await?;
            h.gone(&owner).await?;
            waits.and(there)
        },
    );
    case(
        cases,
        "owners: two controllers are refused",
        |h| async move {
            let one = h.create(&h.config("one", json!({}))).await?;
            let two = h.create(&h.config("two", json!({}))).await?;
            let mut child = owned(&h, "child", &[&one, &two]);
            for index in 0..2 {
                child.as_map_mut()["metadata"]["ownerReferences"][index]["controller"] =
                    true.into();
            }
            refused(
                h.create(&child).await,
                is_invalid,
                "Only one reference can have Controller set to true",
            )
        },
    );
}

fn owned(h: &Harness, name: &str, owners: &[&Manifest]) -> Manifest {
    let references: Vec<Value> = owners
        .iter()
        .map(|owner| {
            json!({
                "apiVersion": owner.api_version(), "kind": owner.kind(), "name": owner.name(),
                "uid": owner.uid(), "blockOwnerDeletion": true,
            })
        })
        .collect();
    let mut object = h.config(name, json!({}));
    object
        .metadata_mut()
        .insert("ownerReferences".to_owned(), Value::Array(references));
    object
}
