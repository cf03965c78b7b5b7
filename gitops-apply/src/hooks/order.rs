//! The order of a sync: phase, wave, kind, name; Namespaces and CustomResourceDefinitions before
//! what needs them; prunes in the reverse order of waves.

use std::collections::BTreeMap;

use gitops_core::{GroupKind, Manifest, ObjectId, plan::Phase};
use serde_json::Value;

use super::annotations::{self as hooks, HOOK_FINALIZER};

/// One thing to do in a sync: an object to apply, a hook to run or an object to prune.
#[derive(Debug, Clone)]
pub struct Task {
    /// Phase.
    pub phase: Phase,
    /// Wave within the phase.
    pub wave: i64,
    /// Position within the wave: tasks of a later stage depend on tasks of earlier ones.
    pub stage: u32,
    /// The object to apply; `None` where the live one is to be pruned.
    pub target: Option<Manifest>,
    /// The object as it is in the cluster.
    pub live: Option<Manifest>,
    /// Namespace by which the task refers to a Namespace object: that of the object, else that of
    /// the destination, for cluster-scoped objects too.
    pub namespace: String,
}

impl Task {
    /// The object to apply, else the live one.
    ///
    /// # Panics
    /// Never for tasks that this crate made: they have at least one of the two.
    #[must_use]
    pub fn object(&self) -> &Manifest {
        self.target
            .as_ref()
            .or(self.live.as_ref())
            .expect("a task has a target or a live object")
    }

    /// Whether the live object is to be pruned.
    #[must_use]
    pub fn is_prune(&self) -> bool {
        self.target.is_none()
    }

    /// Whether a hook is to be run.
    #[must_use]
    pub fn is_hook(&self) -> bool {
        hooks::is_hook(self.object())
    }
}

/// What the order of tasks depends on beside the objects.
#[derive(Debug, Clone, Default)]
pub struct TaskOptions {
    /// Prunes come last.
    pub prune_last: bool,
    /// Leaves hooks out.
    pub skip_hooks: bool,
    /// Namespace of the destination.
    pub namespace: String,
    /// Revision; names of generated hooks contain it.
    pub revision: String,
    /// When the sync began, in seconds since 1970; names of generated hooks contain it.
    pub started_at: i64,
    /// Namespace object to create first.
    pub create_namespace: Option<Manifest>,
}

/// The tasks of a sync, in order. `live` holds the managed live objects; those without a target are
/// pruned. Whether a target's namespace counts is for `is_namespaced` to say.
#[must_use]
pub fn tasks(
    targets: &[Manifest],
    live: &[Manifest],
    options: &TaskOptions,
    is_namespaced: &dyn Fn(&Manifest) -> bool,
) -> Vec<Task> {
    let mut by_id: BTreeMap<ObjectId, &Manifest> =
        live.iter().map(|object| (object.id(), object)).collect();
    let all = by_id.clone();
    let identity = |target: &Manifest| {
        let mut id = target.id();
        if !is_namespaced(target) {
            id.namespace.clear();
        } else if id.namespace.is_empty() {
            id.namespace.clone_from(&options.namespace);
        }
        id
    };
    let mut tasks = Vec::new();
    let mut hooks_to_run = Vec::new();
    for target in targets.iter().filter(|target| !hooks::is_ignored(target)) {
        if hooks::is_hook(target) {
            hooks_to_run.push(target);
            continue;
        }
        let live = by_id.remove(&identity(target));
        for phase in hooks::phases(target) {
            tasks.push(task(phase, Some(target.clone()), live, options));
        }
    }
    for object in by_id.into_values().filter(|live| !hooks::is_hook(live)) {
        for phase in hooks::phases(object) {
            tasks.push(task(phase, None, Some(object), options));
        }
    }
    if !options.skip_hooks {
        for hook in hooks_to_run {
            for phase in hooks::phases(hook) {
                let target = hook_object(hook, phase, options);
                let live = all.get(&identity(&target)).copied();
                tasks.push(task(phase, Some(target), live, options));
            }
        }
    }
    if let Some(namespace) = &options.create_namespace {
        let live = all.get(&namespace.id()).copied();
        tasks.push(Task {
            namespace: String::new(),
            ..task(Phase::PreSync, Some(namespace.clone()), live, options)
        });
    }
    reverse_prune_waves(&mut tasks, options.prune_last);
    sort(&mut tasks);
    tasks
}

fn task(
    phase: Phase,
    target: Option<Manifest>,
    live: Option<&Manifest>,
    options: &TaskOptions,
) -> Task {
    let object = target.as_ref().or(live);
    let namespace = match object.map_or("", |object| object.namespace()) {
        "" if target.is_some() => options.namespace.clone(),
        namespace => namespace.to_owned(),
    };
    Task {
        phase,
        wave: object.map_or(0, hooks::wave),
        stage: 0,
        live: live.cloned(),
        namespace,
        target,
    }
}

/// A hook as it is created in a phase: with a name that belongs to this very sync where it has only
/// `generateName`, and with the finalizer that keeps it until its end has been seen.
#[must_use]
pub fn hook_object(hook: &Manifest, phase: Phase, options: &TaskOptions) -> Manifest {
    let mut object = hook.clone();
    if object.name().is_empty() {
        let revision = &options.revision;
        let short = match revision.char_indices().nth(7) {
            Some((end, _)) => &revision[..end],
            None => revision,
        };
        let suffix = format!("{short}-{phase}-{}", options.started_at).to_lowercase();
        let name = format!("{}{suffix}", hook.generate_name());
        object
            .metadata_mut()
            .insert("name".to_owned(), Value::String(name));
    }
    if !hooks::has_hook_finalizer(&object) {
        let mut finalizers: Vec<Value> = object.finalizers().map(Value::from).collect();
        finalizers.push(Value::from(HOOK_FINALIZER));
        object
            .metadata_mut()
            .insert("finalizers".to_owned(), Value::Array(finalizers));
    }
    object
}

/// Gives prunes the waves of their mirror images, so that what was created last goes first; with
/// `PruneLast` they come after all waves of the Sync phase.
fn reverse_prune_waves(tasks: &mut [Task], prune_last: bool) {
    let mut waves: Vec<i64> = tasks
        .iter()
        .filter(|task| task.is_prune())
        .map(|task| task.wave)
        .collect();
    waves.sort_unstable();
    waves.dedup();
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if let Ok(index) = waves.binary_search(&task.wave) {
            task.wave = waves[waves.len() - 1 - index];
        }
    }
    let last = tasks
        .iter()
        .filter(|task| task.phase == Phase::Sync)
        .map(|task| task.wave)
        .fold(0, i64::max)
        .saturating_add(1);
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        let asked = task
            .live
            .as_ref()
            .is_some_and(|live| hooks::sync_option(live, "PruneLast") == Some("true"));
        if prune_last || asked {
            task.wave = last;
        }
    }
}

/// Sorts tasks by phase, wave, kind and name, then moves Namespaces and CustomResourceDefinitions
/// before the first task that needs them: they take over its phase and wave.
pub fn sort(tasks: &mut Vec<Task>) {
    tasks.sort_by_cached_key(|task| {
        let object = task.object();
        (
            task.phase,
            task.wave,
            kind_rank(object.kind()),
            object.name().to_owned(),
            object.id(),
            task.is_prune(),
        )
    });
    bubble(
        tasks,
        |object| is_namespace(object).then(|| object.name().to_owned()),
        |task| (!task.namespace.is_empty()).then(|| task.namespace.clone()),
    );
    bubble(tasks, defined_kind, |task| {
        Some(task.object().gvk().group_kind())
    });
}

/// Moves each target that provides a key before the first task that needs it.
fn bubble<K: Ord>(
    tasks: &mut Vec<Task>,
    provides: impl Fn(&Manifest) -> Option<K>,
    needs: impl Fn(&Task) -> Option<K>,
) {
    let mut first_need: BTreeMap<K, usize> = BTreeMap::new();
    for index in 0..tasks.len() {
        let Some(target) = &tasks[index].target else {
            continue;
        };
        if let Some(key) = provides(target) {
            let Some(&before) = first_need.get(&key) else {
                continue;
            };
            let mut task = tasks.remove(index);
            task.phase = tasks[before].phase;
            task.wave = tasks[before].wave;
            tasks.insert(before, task);
            for position in first_need.values_mut().filter(|p| **p >= before) {
                *position += 1;
            }
        } else if let Some(key) = needs(&tasks[index]) {
            first_need.entry(key).or_insert(index);
        }
    }
}

/// Whether the object is a Namespace.
#[must_use]
pub fn is_namespace(object: &Manifest) -> bool {
    object.kind() == "Namespace" && object.group().is_empty()
}

/// Whether the object is a CustomResourceDefinition.
#[must_use]
pub fn is_definition(object: &Manifest) -> bool {
    object.kind() == "CustomResourceDefinition" && object.group() == "apiextensions.k8s.io"
}

/// The kind that a CustomResourceDefinition defines.
#[must_use]
pub fn defined_kind(object: &Manifest) -> Option<GroupKind> {
    if !is_definition(object) {
        return None;
    }
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    Some(GroupKind::new(
        text("/spec/group")?,
        text("/spec/names/kind")?,
    ))
}

/// The place of a kind in the order of kinds; kinds that are not listed come last.
#[must_use]
pub fn kind_rank(kind: &str) -> usize {
    KINDS
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(KINDS.len())
}

const KINDS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];
