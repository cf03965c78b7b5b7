//! Applications with hooks for their deletion, under a controller.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use gitops_core::{
    Manifest,
    cluster::{ApplyOptions, Cluster, DeleteOptions},
    controller::{Controller, ControllerOptions},
};
use serde_json::json;

use crate::{
    stage::{Stage, application_object},
    sync::{annotated, config, job},
};

const HOOK: &str = "argocd.argoproj.io/hook";

fn definition(kind: &str, plural: &str) -> Manifest {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    Manifest::try_from(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.argoproj.io")},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": anything}}]},
    }))
    .unwrap()
}

async fn controller(stage: &Stage) -> Controller {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
    for object in [
        definition("Application", "applications"),
        definition("AppProject", "appprojects"),
        Manifest::try_from(namespace).unwrap(),
        application_object(json!({"finalizers": ["resources-finalizer.argocd.argoproj.io"]})),
    ] {
        let options = ApplyOptions {
            field_manager: "tests".to_owned(),
            ..ApplyOptions::default()
        };
        stage.cluster.apply(&object, &options).await.unwrap();
    }
    Controller::new(Arc::new(stage.pipeline()), ControllerOptions::default())
}

fn finalizers(stage: &Stage) -> Vec<String> {
    let application = stage.get("Application", "shop").unwrap();
    application.finalizers().map(str::to_owned).collect()
}

#[tokio::test]
async fn hooks_of_the_deletion_hold_the_application_until_they_have_run() {
    let before = annotated(job("farewell"), &[(HOOK, "PreDelete")]);
    let after = annotated(job("clean-up"), &[("helm.sh/hook", "post-delete")]);
    let stage = Stage::new(&[config("a", "1"), before.clone(), after]);
    let controller = controller(&stage).await;
    controller.pass().await.unwrap();
    assert_eq!(
        finalizers(&stage),
        [
            "resources-finalizer.argocd.argoproj.io",
            "pre-delete-finalizer.argocd.argoproj.io",
            "pre-delete-finalizer.argocd.argoproj.io/cleanup",
            "post-delete-finalizer.argocd.argoproj.io",
            "post-delete-finalizer.argocd.argoproj.io/cleanup",
        ]
    );
    assert!(stage.get("ConfigMap", "a").is_some());
    controller.converge().await.unwrap();
    stage.cluster.clear_requests();
    controller.pass().await.unwrap();
    assert_eq!(
        stage.cluster.requests().writes,
        0,
        "nothing is put on twice"
    );

    stage.declare(&[config("a", "1"), before]);
    controller.pass().await.unwrap();
    assert_eq!(finalizers(&stage).len(), 3, "{:?}", finalizers(&stage));

    let application = stage.get("Application", "shop").unwrap().object_ref();
    let options = DeleteOptions::default();
    stage.cluster.delete(&application, &options).await.unwrap();
    assert!(stage.get("Application", "shop").is_some());
    controller.converge().await.unwrap();
    assert!(stage.get("Application", "shop").is_none());
    assert!(stage.get("ConfigMap", "a").is_none());
    assert!(stage.get("Job", "farewell").is_some());
}

#[tokio::test]
async fn an_application_without_such_hooks_keeps_its_finalizers() {
    let stage = Stage::new(&[config("a", "1")]);
    let controller = controller(&stage).await;
    controller.converge().await.unwrap();
    assert_eq!(
        finalizers(&stage),
        ["resources-finalizer.argocd.argoproj.io"]
    );
}
