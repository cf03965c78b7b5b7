//! Deleting an Application: what it has goes with it, or stays, as its finalizers say.

use crate::{
    app::{
        Application, Condition, ConditionType, FINALIZER_BACKGROUND, FINALIZER_FOREGROUND,
        FINALIZER_POST_DELETE, FINALIZER_PRE_DELETE, OperationPhase,
    },
    apply::DeletionHooks,
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

    /// Keeps an Application that declares hooks for its deletion from going before they have run, by
    /// the finalizers that Argo CD puts on it; takes them off one that declares none any more.
    /// Returns whether it wrote.
    pub(super) async fn hold_for_hooks(
        &self,
        application: &Application,
        object: &Manifest,
        hooks: DeletionHooks,
    ) -> Result<bool, ClusterError> {
        let before: Vec<&str> = application.finalizers().collect();
        let after = held_for_hooks(&before, hooks);
        if before == after {
            return Ok(false);
        }
        match self.set_finalizers(object, &after).await {
            Ok(()) => Ok(true),
            // The next pass sees the new object.
            Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn set_finalizers(
        &self,
        object: &Manifest,
        finalizers: &[&str],
    ) -> Result<(), ClusterError> {
        let patch = serde_json::json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.resource_version(),
        }});
        let options = WriteOptions {
            field_manager: "gitops-controller".to_owned(),
            ..WriteOptions::default()
        };
        let address = object.object_ref();
        let patched = self
            .pipeline()
            .patch(&address, &Patch::Merge(patch), &options)
            .await;
        patched.map(|_| ())
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
        match self.set_finalizers(object, &rest).await {
            Ok(()) | Err(ClusterError::NotFound { .. }) => Ok(true),
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

/// The finalizers of an Application with these hooks: those that it has, with those of its hooks.
fn held_for_hooks<'a>(finalizers: &[&'a str], hooks: DeletionHooks) -> Vec<&'a str> {
    const BEFORE: [&str; 2] = [
        FINALIZER_PRE_DELETE,
        "pre-delete-finalizer.argocd.argoproj.io/cleanup",
    ];
    const AFTER: [&str; 2] = [
        FINALIZER_POST_DELETE,
        "post-delete-finalizer.argocd.argoproj.io/cleanup",
    ];
    let mut held = finalizers.to_vec();
    for (names, wanted) in [(BEFORE, hooks.before), (AFTER, hooks.after)] {
        for name in names {
            if !wanted {
                held.retain(|finalizer| *finalizer != name);
            } else if !held.contains(&name) {
                held.push(name);
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalizers_follow_the_hooks() {
        let hooks = |before, after| DeletionHooks { before, after };
        let theirs = ["other", FINALIZER_FOREGROUND];
        assert_eq!(held_for_hooks(&theirs, hooks(false, false)), theirs);
        let held = held_for_hooks(&theirs, hooks(true, true));
        assert_eq!(held[..2], theirs);
        assert_eq!(held.len(), 6);
        assert!(held.iter().skip(1).all(|finalizer| is_ours(finalizer)));
        assert_eq!(held_for_hooks(&held, hooks(true, true)), held);
        assert_eq!(
            held_for_hooks(&held, hooks(true, false))[2..],
            [
                FINALIZER_PRE_DELETE,
                "pre-delete-finalizer.argocd.argoproj.io/cleanup"
            ]
        );
    }
}
