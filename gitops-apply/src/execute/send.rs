//! Sends one request, with patience for a cluster that is busy.

use std::{future::Future, time::Duration};

use gitops_core::{
    Classified, ErrorClass, Manifest, ObjectRef,
    clock::Clock,
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, FieldValidation, Patch, Propagation,
        WriteOptions,
    },
    plan::{Delivery, Method},
};
use serde_json::{Value, json};

use super::{
    client, ownership,
    request::{Completion, Refusal, Request, RequestKind, Sent},
};
use crate::hooks::{self, HOOK_FINALIZER};

/// What all requests of a sync share.
pub(super) struct Sender<'a> {
    pub(super) cluster: &'a dyn Cluster,
    pub(super) clock: &'a dyn Clock,
    pub(super) field_manager: &'a str,
    pub(super) propagation: Propagation,
    pub(super) poll_interval: Duration,
    /// Whether kinds that the cluster does not serve may come with this very sync.
    pub(super) brings_kinds: bool,
}

/// How often a request is sent before its failure counts.
const ATTEMPTS: u32 = 6;
/// How often an object that has to go is looked at.
const DELETION_POLLS: u32 = 240;

impl Sender<'_> {
    pub(super) async fn send(&self, request: Request) -> Completion {
        let outcome = match &request.kind {
            RequestKind::DryRun { object, delivery } => self.dry_run(object, delivery).await,
            RequestKind::Write {
                object,
                delivery,
                recreate,
            } => self.write(object, delivery, *recreate).await,
            RequestKind::Prune { object } | RequestKind::DeleteHook { object } => {
                self.delete(object).await.map(|()| Sent::default())
            }
            RequestKind::RemoveFinalizer { object } => {
                let removed = self.remove_finalizer(object).await;
                removed.map(|()| Sent::default())
            }
        };
        Completion {
            task: request.task,
            outcome: outcome.map_err(|error| Refusal {
                not_found: matches!(error, ClusterError::NotFound { .. }),
                message: error.to_string(),
            }),
        }
    }

    /// Repeats what can succeed later, with growing pauses.
    pub(super) async fn patiently<T, F, Fut>(
        &self,
        name: &str,
        request: F,
    ) -> Result<T, ClusterError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ClusterError>>,
    {
        let mut attempt = 0;
        loop {
            let error = match request().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            attempt += 1;
            let comes = self.brings_kinds && matches!(error, ClusterError::UnknownKind { .. });
            if attempt >= ATTEMPTS || !(error.is_retryable() || comes) {
                return Err(error);
            }
            let pause = error.retry_after().unwrap_or_else(|| pause(name, attempt));
            tracing::debug!(object = name, attempt, ?pause, %error, "trying again");
            self.clock.sleep(pause).await;
        }
    }

    fn apply_options(&self, delivery: &Delivery, dry_run: bool) -> ApplyOptions {
        ApplyOptions {
            field_manager: self.field_manager.to_owned(),
            force: true,
            dry_run,
            field_validation: validation(delivery),
        }
    }

    fn write_options(&self, delivery: &Delivery, dry_run: bool) -> WriteOptions {
        WriteOptions {
            field_manager: self.field_manager.to_owned(),
            dry_run,
            field_validation: validation(delivery),
            subresource: None,
        }
    }

    async fn dry_run(&self, object: &Manifest, delivery: &Delivery) -> Result<Sent, ClusterError> {
        let options = self.apply_options(delivery, true);
        let name = object.id().to_string();
        let checked = self
            .patiently(&name, || self.cluster.apply(object, &options))
            .await;
        match checked {
            Ok(_) => Ok(Sent::default()),
            // Its definition comes with this sync.
            Err(ClusterError::UnknownKind { .. }) if self.brings_kinds => Ok(Sent::default()),
            Err(error) => Err(error),
        }
    }

    async fn write(
        &self,
        object: &Manifest,
        delivery: &Delivery,
        recreate: bool,
    ) -> Result<Sent, ClusterError> {
        let reference = object.object_ref();
        if recreate {
            self.delete_and_wait(&reference).await?;
        }
        let written = match delivery.method {
            Method::Create => self.create(object, delivery).await,
            Method::Replace => self.replace(object, delivery).await,
            Method::ClientApply => client::apply(self, object, delivery).await,
            _ => self.apply(object, delivery).await,
        };
        match written {
            Err(ClusterError::Invalid {
                immutable: true, ..
            }) if delivery.force
                && !recreate
                && !hooks::is_namespace(object)
                && !hooks::is_definition(object) =>
            {
                self.delete_and_wait(&reference).await?;
                self.apply(object, delivery).await
            }
            other => other,
        }
    }

    async fn apply(&self, object: &Manifest, delivery: &Delivery) -> Result<Sent, ClusterError> {
        if !delivery.take_over.is_empty() {
            ownership::take_over(self, &object.object_ref(), &delivery.take_over).await?;
        }
        let options = self.apply_options(delivery, false);
        let name = object.id().to_string();
        let object = self
            .patiently(&name, || self.cluster.apply(object, &options))
            .await?;
        Ok(Sent {
            message: "applied".to_owned(),
            object: Some(object),
        })
    }

    pub(super) async fn create(
        &self,
        object: &Manifest,
        delivery: &Delivery,
    ) -> Result<Sent, ClusterError> {
        let options = self.write_options(delivery, false);
        let name = object.id().to_string();
        let object = self
            .patiently(&name, || self.cluster.create(object, &options))
            .await?;
        Ok(Sent {
            message: "created".to_owned(),
            object: Some(object),
        })
    }

    async fn replace(&self, object: &Manifest, delivery: &Delivery) -> Result<Sent, ClusterError> {
        let options = self.write_options(delivery, false);
        let reference = object.object_ref();
        for attempt in 0.. {
            let Some(live) = self.get(&reference).await? else {
                return self.create(object, delivery).await;
            };
            let mut whole = object.clone();
            whole.metadata_mut().insert(
                "resourceVersion".to_owned(),
                Value::from(live.resource_version()),
            );
            let name = object.id().to_string();
            let replaced = self
                .patiently(&name, || self.cluster.replace(&whole, &options))
                .await;
            match replaced {
                Err(ClusterError::Conflict { .. }) if attempt < ATTEMPTS => {}
                other => {
                    return Ok(Sent {
                        message: "replaced".to_owned(),
                        object: Some(other?),
                    });
                }
            }
        }
        unreachable!("the loop above ends by returning")
    }

    pub(super) async fn patch(
        &self,
        reference: &ObjectRef,
        patch: &Patch,
        delivery: &Delivery,
    ) -> Result<Manifest, ClusterError> {
        let options = self.write_options(delivery, false);
        let name = reference.to_string();
        self.patiently(&name, || self.cluster.patch(reference, patch, &options))
            .await
    }

    pub(super) async fn get(
        &self,
        reference: &ObjectRef,
    ) -> Result<Option<Manifest>, ClusterError> {
        let name = reference.to_string();
        self.patiently(&name, || self.cluster.get(reference)).await
    }

    /// Deletes an object. The finalizer of hooks does not hold what is deleted on purpose.
    async fn delete(&self, reference: &ObjectRef) -> Result<(), ClusterError> {
        let options = DeleteOptions {
            propagation: self.propagation,
            ..DeleteOptions::default()
        };
        let name = reference.to_string();
        let left = self
            .patiently(&name, || self.cluster.delete(reference, &options))
            .await?;
        match left {
            Some(object) if hooks::has_hook_finalizer(&object) => {
                match self.remove_finalizer(&object).await {
                    Err(ClusterError::NotFound { .. }) => Ok(()),
                    other => other,
                }
            }
            _ => Ok(()),
        }
    }

    async fn delete_and_wait(&self, reference: &ObjectRef) -> Result<(), ClusterError> {
        match self.delete(reference).await {
            Err(ClusterError::NotFound { .. }) => return Ok(()),
            other => other?,
        }
        for _ in 0..DELETION_POLLS {
            if self.get(reference).await?.is_none() {
                return Ok(());
            }
            self.clock.sleep(self.poll_interval).await;
        }
        Err(ClusterError::Timeout {
            after: self.poll_interval * DELETION_POLLS,
        })
    }

    async fn remove_finalizer(&self, object: &Manifest) -> Result<(), ClusterError> {
        let reference = object.object_ref();
        let mut seen = object.clone();
        for _ in 0..ATTEMPTS {
            let Some(index) = seen.finalizers().position(|name| name == HOOK_FINALIZER) else {
                return Ok(());
            };
            let path = format!("/metadata/finalizers/{index}");
            let patch = serde_json::from_value(json!([
                {"op": "test", "path": path, "value": HOOK_FINALIZER},
                {"op": "remove", "path": path},
            ]))
            .expect("a JSON patch");
            match self
                .patch(&reference, &Patch::Json(patch), &Delivery::default())
                .await
            {
                Ok(_) => return Ok(()),
                Err(error @ (ClusterError::Conflict { .. } | ClusterError::Invalid { .. })) => {
                    match self.get(&reference).await? {
                        None => return Ok(()),
                        Some(live) if live == seen => return Err(error),
                        Some(live) => seen = live,
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClusterError::Other {
            class: ErrorClass::Conflict,
            source: format!("{reference}: the finalizers change too often").into(),
        })
    }
}

fn validation(delivery: &Delivery) -> FieldValidation {
    if delivery.lenient {
        FieldValidation::Ignore
    } else {
        FieldValidation::Strict
    }
}

/// 100 ms, doubled with each attempt, spread by up to a quarter so that many objects do not come back
/// at the same moment. The spread follows from the name, so that runs can be repeated.
fn pause(name: &str, attempt: u32) -> Duration {
    let base = Duration::from_millis(100) * 2_u32.pow(attempt.min(6) - 1);
    let seed = name
        .bytes()
        .chain([attempt.to_le_bytes()[0]])
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    let share = u32::try_from(seed % 256).unwrap_or(0);
    base + base * share / 1024
}
