//! Deleting an Application: what it has goes with it, or stays, as its finalizers say.

use crate::{
    app::{
        Application, Condition, ConditionType, FINALIZER_BACKGROUND, FINALIZER_FOREGROUND,
        FINALIZER_POST_DELETE, FINALIZER_PRE_DELETE, OperationPhase,
    },
    cluster::{ClusterError, Patch, Propagation, WriteOptions},
    controller::{Controller, Pass, Seen},
    events::Event,
    object::Manifest,
    pipeline::PipelineError,
    plan::Owner,
};

impl Controller {
    /// Cascades where a finalizer of ours asks for it, then lets the object go.
    pub(super) async fn delete(
        &self,
        owner: &Owner,
        application: &Application,
        object: &Manifest,
        pass: &mut Pass,
    ) {
        let has = |finalizer: &str| application.finalizers().any(|f| f == finalizer);
        let propagation = if has(FINALIZER_FOREGROUND) {
            Some(Propagation::Foreground)
        } else if has(FINALIZER_BACKGROUND) {
            Some(Propagation::Background)
        } else {
            None
        };
        if propagation.is_none() && !application.finalizers().any(is_ours) {
            return;
        }
        let result = self.cascade(owner, application, object, propagation).await;
        let key = (object.namespace().to_owned(), object.name().to_owned());
        let mut status = application.status.clone().unwrap_or_default();
        let (error, summary) = match result {
            Ok(true) => {
                pass.wrote = true;
                let summary = "deleted with all its objects".to_owned();
                let owner = owner.clone();
                self.pipeline().events.event(&Event::ApplicationEnded {
                    owner,
                    summary,
                    wrote: true,
                });
                return;
            }
            Ok(false) => (None, "is being deleted".to_owned()),
            Err(error) => {
                let message = error.to_string();
                status.conditions = vec![Condition {
                    condition: ConditionType::DeletionError,
                    message: message.clone(),
                    last_transition_time: None,
                }];
                (Some(error), message)
            }
        };
        self.pipeline().events.event(&Event::ApplicationEnded {
            owner: owner.clone(),
            summary,
            wrote: false,
        });
        pass.look_again_after.get_or_insert(self.options.settle);
        let seen = Seen {
            status,
            comparison: None,
            report: None,
            error,
            sync_wanted: true,
        };
        pass.applications.insert(key, seen);
    }

    async fn cascade(
        &self,
        owner: &Owner,
        application: &Application,
        object: &Manifest,
        propagation: Option<Propagation>,
    ) -> Result<bool, PipelineError> {
        let pipeline = self.pipeline();
        let report = match propagation {
            Some(propagation) => pipeline.delete(owner, application, propagation).await?,
            None => pipeline.release(owner, application).await?,
        };
        if report.phase != OperationPhase::Succeeded {
            return Err(PipelineError::Deletion {
                reason: report.message,
            });
        }
        let rest: Vec<&str> = application.finalizers().filter(|f| !is_ours(f)).collect();
        let patch = serde_json::json!({"metadata": {
            "finalizers": rest,
            "resourceVersion": object.resource_version(),
        }});
        let options = WriteOptions {
            field_manager: "gitops-controller".to_owned(),
            ..WriteOptions::default()
        };
        let patch = Patch::Merge(patch);
        let application = object.object_ref();
        match self
            .pipeline()
            .cluster
            .patch(&application, &patch, &options)
            .await
        {
            Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(true),
            // Somebody changed the object meanwhile: the next pass sees the new one.
            Err(ClusterError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Finalizers that wait for this controller: of the objects, and of the hooks of the deletion.
fn is_ours(finalizer: &str) -> bool {
    let name = match finalizer.split_once('/') {
        Some((name, _)) => name,
        None => finalizer,
    };
    matches!(finalizer, FINALIZER_FOREGROUND | FINALIZER_BACKGROUND)
        || matches!(name, FINALIZER_PRE_DELETE | FINALIZER_POST_DELETE)
}
