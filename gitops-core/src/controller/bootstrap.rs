//! The first application of a cluster: applied by hand, it brings the Applications.

use std::time::Duration;

use serde_json::json;

use crate::{
    app::{
        Application, ApplicationDestination, ApplicationSource, ApplicationStatus, HelmParameter,
        HelmSource, IN_CLUSTER_SERVER, OperationPhase, SyncPolicy, application_crd,
        default_project, project_crd,
    },
    cluster::{ApplyOptions, ClusterError, ListScope},
    controller::Controller,
    object::{GroupVersionKind, Manifest},
    pipeline::{Outcome, PipelineError, SyncRequest},
    plan::Owner,
    state::{StateItem, StateKey, load_json, save_json},
};

/// How often a kind just defined is looked for.
const SERVED_TRIES: u32 = 40;

/// What to bootstrap from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootstrapSet {
    /// Name of the set: also the release name of its chart.
    pub name: String,
    /// URL of the repository.
    pub repository: String,
    /// Directory of a chart or of plain manifests.
    pub path: String,
    /// Revision; `HEAD` where it is empty.
    pub revision: String,
    /// Namespace of objects that name none.
    pub namespace: String,
    /// Values of the chart by path.
    pub parameters: Vec<(String, String)>,
}

impl BootstrapSet {
    fn application(&self, status: Option<ApplicationStatus>) -> Application {
        let helm = (!self.parameters.is_empty()).then(|| HelmSource {
            parameters: self
                .parameters
                .iter()
                .map(|(name, value)| HelmParameter {
                    name: name.clone(),
                    value: value.clone(),
                    ..HelmParameter::default()
                })
                .collect(),
            ..HelmSource::default()
        });
        let mut application = Application {
            status,
            spec: crate::app::ApplicationSpec {
                source: Some(ApplicationSource {
                    repo_url: self.repository.clone(),
                    path: Some(self.path.clone()),
                    target_revision: Some(self.revision.clone()),
                    helm,
                    ..ApplicationSource::default()
                }),
                destination: ApplicationDestination {
                    server: Some(IN_CLUSTER_SERVER.to_owned()),
                    namespace: Some(self.namespace.clone()),
                    ..ApplicationDestination::default()
                },
                sync_policy: Some(SyncPolicy {
                    sync_options: vec!["CreateNamespace=true".to_owned()],
                    ..SyncPolicy::default()
                }),
                ..crate::app::ApplicationSpec::default()
            },
            ..Application::default()
        };
        application
            .metadata
            .insert("name".to_owned(), self.name.clone().into());
        application
            .metadata
            .insert("namespace".to_owned(), self.namespace.clone().into());
        application
    }
}

impl Controller {
    /// Applies a bootstrap set, after the CustomResourceDefinitions of Application and AppProject
    /// where neither the cluster nor the set has them.
    ///
    /// The set is not an Application: it has an inventory of its own, and an Application that renders
    /// one of its objects takes the object over for good. Applying the same set again writes nothing.
    ///
    /// # Errors
    /// When the set's status cannot be read or written. Everything else is part of the outcome.
    pub async fn bootstrap(&self, set: &BootstrapSet) -> Result<Outcome, PipelineError> {
        let pipeline = self.pipeline();
        let owner = Owner {
            name: set.name.clone(),
            namespace: String::new(),
            bootstrap: true,
        };
        let key = StateKey {
            owner: owner.clone(),
            item: StateItem::Status,
        };
        let before: Option<ApplicationStatus> = load_json(&*pipeline.state, &key).await?;
        let application = set.application(before.clone());
        let rendered: Vec<Manifest> = match pipeline.desired(&owner, &application).await {
            Ok(desired) => desired.set.objects,
            // The reconcile below meets the same error and reports it.
            Err(_) => Vec::new(),
        };
        self.install_crds(&rendered).await?;
        let outcome = pipeline
            .reconcile(
                &owner,
                &application,
                &default_project(),
                Some(&SyncRequest::default()),
            )
            .await;
        let failed = outcome.error.is_some()
            || outcome
                .report
                .as_ref()
                .is_some_and(|r| r.phase != OperationPhase::Succeeded);
        // The namespace of the state may be one that the set itself was to make.
        if before.as_ref() != Some(&outcome.status) && (outcome.wrote() || !failed) {
            save_json(&*pipeline.state, &key, &outcome.status).await?;
        }
        Ok(outcome)
    }

    /// A kind is served a moment after its definition was applied.
    async fn wait_until_served(&self, crd: &Manifest) -> Result<(), PipelineError> {
        let text = |pointer: &str| {
            crd.pointer(pointer)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let gvk = GroupVersionKind::new(
            text("/spec/group"),
            text("/spec/versions/0/name"),
            text("/spec/names/kind"),
        );
        let scope = ListScope::all(gvk);
        for _ in 0..SERVED_TRIES {
            match self.pipeline().cluster.list(&scope).await {
                Err(ClusterError::UnknownKind { .. }) => {}
                result => return result.map(|_| ()).map_err(Into::into),
            }
            self.pipeline()
                .clock
                .sleep(Duration::from_millis(250))
                .await;
        }
        Err(ClusterError::UnknownKind { gvk: scope.gvk }.into())
    }

    async fn install_crds(&self, rendered: &[Manifest]) -> Result<(), PipelineError> {
        let cluster = &self.pipeline().cluster;
        let discovery = cluster.discovery().await?;
        for crd in [application_crd(), project_crd()] {
            let group = crd.pointer("/spec/group").cloned();
            let kind = crd.pointer("/spec/names/kind").cloned();
            let served = discovery
                .kinds
                .keys()
                .any(|gvk| Some(json!(gvk.group)) == group && Some(json!(gvk.kind)) == kind);
            let brought = rendered
                .iter()
                .any(|m| m.kind() == "CustomResourceDefinition" && m.name() == crd.name());
            if !served && !brought {
                cluster.apply(&crd, &ApplyOptions::default()).await?;
                self.wait_until_served(&crd).await?;
            }
        }
        Ok(())
    }
}
