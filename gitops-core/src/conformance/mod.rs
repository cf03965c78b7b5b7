//! What every [`Cluster`] must do: one suite, run against each implementation.
//!
//! A [`Case`] is one behaviour. It works in a namespace of its own and with cluster-scoped names of
//! its own, so that cases can run one after the other, or at once, on a cluster that is in use. The
//! cluster must be an API server of Kubernetes 1.22 or later with the controllers that collect
//! garbage and end namespaces; workloads need not run.
//!
//! ```
//! # use std::sync::Arc;
//! # use gitops_core::{clock::Clock, cluster::Cluster, conformance::Suite};
//! # async fn run(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) {
//! for outcome in Suite::new(cluster, clock).named("a").run_all().await {
//!     assert!(outcome.result.is_ok(), "{}: {:?}", outcome.name, outcome.result);
//! }
//! # }
//! ```

mod applying;
mod custom;
mod lifecycle;
mod objects;
mod patching;
mod tables;
mod watching;

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::{
    GroupVersionKind, Manifest,
    clock::Clock,
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, FieldValidation, ListScope, Patch,
        WriteOptions,
    },
};

/// One behaviour.
#[derive(Clone)]
pub struct Case {
    /// What it is about, as in `apply: a second apply writes nothing`.
    pub name: String,
    run: Run,
}

type Run = Arc<dyn Fn(Harness) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a case went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The case.
    pub name: String,
    /// What was wrong, if anything.
    pub result: Result<(), Failure>,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// In words.
    pub reason: String,
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self {
            reason: format!("unexpected error: {error}"),
        }
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self { reason }
    }
}

/// All cases, in a fixed order.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    objects::add(&mut cases);
    applying::add(&mut cases);
    patching::add(&mut cases);
    tables::add(&mut cases);
    watching::add(&mut cases);
    custom::add(&mut cases);
    lifecycle::add(&mut cases);
    cases
}

/// Runs cases against a cluster.
#[derive(Clone)]
pub struct Suite {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    name: String,
}

impl Suite {
    /// `clock` is used to wait for what a cluster does in its own time.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) -> Self {
        Self {
            cluster,
            clock,
            name: "conformance".to_owned(),
        }
    }

    /// With this prefix of namespaces and names; two runs on one cluster need different ones.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Runs all cases, one after the other.
    pub async fn run_all(&self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (number, case) in cases().iter().enumerate() {
            outcomes.push(self.outcome(number, case).await);
        }
        outcomes
    }

    /// Runs one case, as [`run`](Self::run) does, and says how it went.
    pub async fn outcome(&self, number: usize, case: &Case) -> Outcome {
        Outcome {
            name: case.name.clone(),
            result: self.run(number, case).await,
        }
    }

    /// Runs one case; `number` makes its names its own.
    pub async fn run(&self, number: usize, case: &Case) -> Result<(), Failure> {
        let harness = Harness {
            cluster: Arc::clone(&self.cluster),
            clock: Arc::clone(&self.clock),
            namespace: format!("{}-{number}", self.name),
        };
        harness.apply(&harness.own_namespace()).await?;
        let done = (case.run)(harness.clone()).await;
        // What is left over goes with the namespace; nobody waits for it.
        let _ = harness.remove(&harness.own_namespace()).await;
        done
    }
}

fn case<F, R>(cases: &mut Vec<Case>, name: impl Into<String>, run: F)
where
    F: Fn(Harness) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    cases.push(Case {
        name: name.into(),
        run: Arc::new(move |harness| Box::pin(run(harness))),
    });
}

/// What a case works with.
#[derive(Clone)]
struct Harness {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    namespace: String,
}

impl Harness {
    fn own_namespace(&self) -> Manifest {
        object(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace},
        }))
    }

    /// An object in the namespace of the case.
    fn inside(&self, value: Value) -> Manifest {
        let mut object = object(value);
        object.set_namespace(&self.namespace);
        object
    }

    fn config(&self, name: &str, data: Value) -> Manifest {
        let mut config = self.inside(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        }));
        if data.as_object().is_some_and(|data| !data.is_empty()) {
            config.as_map_mut().insert("data".to_owned(), data);
        }
        config
    }

    fn deployment(&self, name: &str) -> Manifest {
        self.inside(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": "example.com/app:1"}]},
                },
            },
        }))
    }

    /// A name that no other case has, for cluster-scoped objects.
    fn unique(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    async fn apply(&self, object: &Manifest) -> Result<Manifest, ClusterError> {
        self.apply_as(object, "suite", false).await
    }

    async fn apply_as(
        &self,
        object: &Manifest,
        manager: &str,
        force: bool,
    ) -> Result<Manifest, ClusterError> {
        let options = ApplyOptions {
            field_manager: manager.to_owned(),
            force,
            ..ApplyOptions::default()
        };
        self.cluster.apply(object, &options).await
    }

    async fn create(&self, object: &Manifest) -> Result<Manifest, ClusterError> {
        self.cluster.create(object, &write_as("creator")).await
    }

    async fn replace(&self, object: &Manifest) -> Result<Manifest, ClusterError> {
        self.cluster.replace(object, &write_as("replacer")).await
    }

    async fn merge(&self, object: &Manifest, patch: Value) -> Result<Manifest, ClusterError> {
        self.patch(object, Patch::Merge(patch)).await
    }

    async fn patch(&self, object: &Manifest, patch: Patch) -> Result<Manifest, ClusterError> {
        self.cluster
            .patch(&object.object_ref(), &patch, &write_as("patcher"))
            .await
    }

    async fn status(&self, object: &Manifest, status: Value) -> Result<Manifest, ClusterError> {
        let options = WriteOptions {
            subresource: Some("status".to_owned()),
            ..write_as("controller")
        };
        let patch = Patch::Merge(json!({"status": status}));
        self.cluster
            .patch(&object.object_ref(), &patch, &options)
            .await
    }

    async fn get(&self, object: &Manifest) -> Result<Option<Manifest>, ClusterError> {
        self.cluster.get(&object.object_ref()).await
    }

    /// The live object, which must exist.
    async fn live(&self, object: &Manifest) -> Result<Manifest, Failure> {
        Ok(self
            .get(object)
            .await?
            .ok_or_else(|| format!("{} does not exist", object.id()))?)
    }

    async fn remove(&self, object: &Manifest) -> Result<Option<Manifest>, ClusterError> {
        self.cluster
            .delete(&object.object_ref(), &DeleteOptions::default())
            .await
    }

    /// A scope of the namespace of the case.
    fn scope(&self, group: &str, version: &str, kind: &str, selector: &str) -> ListScope {
        ListScope {
            gvk: GroupVersionKind::new(group, version, kind),
            namespace: Some(self.namespace.clone()),
            label_selector: selector.to_owned(),
            metadata_only: false,
        }
    }

    fn configs(&self, selector: &str) -> ListScope {
        self.scope("", "v1", "ConfigMap", selector)
    }

    /// Names of the listed objects that the cluster did not make itself.
    async fn names(&self, scope: &ListScope) -> Result<Vec<String>, ClusterError> {
        let list = self.cluster.list(scope).await?;
        Ok(list
            .items
            .iter()
            .map(|object| object.name().to_owned())
            .filter(|name| name != "kube-root-ca.crt")
            .collect())
    }

    /// Waits until something is as it should be, for two minutes at most: a busy server ends namespaces
    /// one after the other.
    async fn eventually<F, R>(&self, what: &str, check: F) -> Result<(), Failure>
    where
        F: Fn() -> R,
        R: Future<Output = Result<bool, Failure>>,
    {
        for _ in 0..480 {
            if check().await? {
                return Ok(());
            }
            self.clock.sleep(Duration::from_millis(250)).await;
        }
        Err(format!("not so in time: {what}").into())
    }

    async fn gone(&self, object: &Manifest) -> Result<(), Failure> {
        self.eventually(&format!("{} is gone", object.id()), || async {
            Ok(self.get(object).await?.is_none())
        })
        .await
    }
}

fn write_as(manager: &str) -> WriteOptions {
    WriteOptions {
        field_manager: manager.to_owned(),
        field_validation: FieldValidation::Strict,
        ..WriteOptions::default()
    }
}

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).expect("objects of the suite have apiVersion and kind")
}

fn at<'a>(object: &'a Manifest, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

fn same(found: &Value, expected: &Value, what: &str) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what} is {found}, should be {expected}").into())
}

fn holds(condition: bool, what: &str) -> Result<(), Failure> {
    if condition {
        Ok(())
    } else {
        Err(format!("not so: {what}").into())
    }
}

/// The managers of an object, as `name/operation/subresource`, sorted.
fn managers(object: &Manifest) -> Vec<String> {
    let mut managers: Vec<String> = object
        .managed_fields()
        .map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{}/{}/{}",
                text("manager"),
                text("operation"),
                text("subresource")
            )
        })
        .collect();
    managers.sort();
    managers
}

/// The fields of a manager's entry.
fn fields_of<'a>(object: &'a Manifest, manager: &str) -> &'a Value {
    object
        .managed_fields()
        .find(|entry| entry.get("manager").and_then(Value::as_str) == Some(manager))
        .and_then(|entry| entry.get("fieldsV1"))
        .unwrap_or(&Value::Null)
}

/// The request must be refused in this way; the text must contain `words`.
fn refused<T>(
    result: Result<T, ClusterError>,
    kind: fn(&ClusterError) -> bool,
    words: &str,
) -> Result<(), Failure> {
    match result {
        Ok(_) => Err(format!("it was accepted, should be refused with {words:?}").into()),
        Err(error) if kind(&error) && error.to_string().contains(words) => Ok(()),
        Err(error) => Err(format!("refused with {error:?}, should say {words:?}").into()),
    }
}

fn is_not_found(error: &ClusterError) -> bool {
    matches!(error, ClusterError::NotFound { .. })
}

fn is_invalid(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Invalid { .. })
}

fn is_immutable(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Invalid {
            immutable: true,
            ..
        }
    )
}

fn is_conflict(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Conflict { .. })
}

fn is_field_conflict(error: &ClusterError) -> bool {
    matches!(error, ClusterError::FieldConflicts { .. })
}

fn is_forbidden(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Forbidden { .. })
}

fn is_unknown_kind(error: &ClusterError) -> bool {
    matches!(error, ClusterError::UnknownKind { .. })
}

fn is_existing(error: &ClusterError) -> bool {
    matches!(error, ClusterError::AlreadyExists { .. })
}
