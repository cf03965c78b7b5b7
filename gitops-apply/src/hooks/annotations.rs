//! What the annotations of one object say about hooks, waves and sync options.

use gitops_core::{Manifest, plan::Phase};
use serde::{Deserialize, Serialize};

/// Argo CD's hook annotation.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// Argo CD's annotation of delete policies.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// Argo CD's wave annotation.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Argo CD's annotation of sync options of one object.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// Finalizer that keeps a hook until its end has been seen.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";
/// Helm's hook annotation.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm's annotation of delete policies.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// Helm's annotation of the order among hooks; counts as a wave for any object.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// Helm's annotation of objects that survive the release.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum HookType {
    /// Before the objects of the application.
    PreSync,
    /// Together with them.
    Sync,
    /// After they are healthy.
    PostSync,
    /// After a failure.
    SyncFail,
    /// Never: the object is left out of syncs.
    Skip,
}

/// When a hook of an application's deletion runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum DeleteHook {
    /// Before the objects are deleted.
    PreDelete,
    /// After they are gone.
    PostDelete,
}

/// When a hook object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum DeletePolicy {
    /// Before it is created anew.
    BeforeHookCreation,
    /// After the sync has succeeded.
    HookSucceeded,
    /// After the sync has failed.
    HookFailed,
}

/// The hook types of an object, in the order written. Helm's count only where Argo CD's annotation
/// names none that is known.
#[must_use]
pub fn hook_types(object: &Manifest) -> Vec<HookType> {
    let types: Vec<HookType> = values(object, HOOK)
        .into_iter()
        .filter_map(|text| match text {
            "PreSync" => Some(HookType::PreSync),
            "Sync" => Some(HookType::Sync),
            "PostSync" => Some(HookType::PostSync),
            "SyncFail" => Some(HookType::SyncFail),
            "Skip" => Some(HookType::Skip),
            _ => None,
        })
        .collect();
    if !types.is_empty() {
        return types;
    }
    values(object, HELM_HOOK)
        .into_iter()
        .filter_map(|text| match text {
            "pre-install" | "pre-upgrade" => Some(HookType::PreSync),
            "post-install" | "post-upgrade" => Some(HookType::PostSync),
            _ => None,
        })
        .collect()
}

/// Whether the object is a hook of any kind, one with an unknown type included. Helm's `crd-install`
/// makes an ordinary object.
#[must_use]
pub fn is_hook(object: &Manifest) -> bool {
    if annotation(object, HOOK).is_some() {
        return !is_skipped(object);
    }
    annotation(object, HELM_HOOK).is_some_and(|value| value != "crd-install")
}

/// Whether `Skip` is the only hook type.
#[must_use]
pub fn is_skipped(object: &Manifest) -> bool {
    hook_types(object) == [HookType::Skip]
}

/// Whether the object is a hook that no phase runs (Helm's `test`, a misspelt type).
#[must_use]
pub fn is_ignored(object: &Manifest) -> bool {
    is_hook(object) && hook_types(object).is_empty()
}

/// Whether the object is a hook of the application's deletion.
#[must_use]
pub fn is_delete_hook(object: &Manifest, hook: DeleteHook) -> bool {
    let (argo, helm) = match hook {
        DeleteHook::PreDelete => ("PreDelete", "pre-delete"),
        DeleteHook::PostDelete => ("PostDelete", "post-delete"),
    };
    values(object, HOOK).contains(&argo) || values(object, HELM_HOOK).contains(&helm)
}

/// The phases in which a sync handles the object, in their order.
#[must_use]
pub fn phases(object: &Manifest) -> Vec<Phase> {
    if is_skipped(object) {
        return Vec::new();
    }
    if !is_hook(object) {
        return vec![Phase::Sync];
    }
    let mut phases: Vec<Phase> = hook_types(object)
        .into_iter()
        .filter_map(|kind| match kind {
            HookType::PreSync => Some(Phase::PreSync),
            HookType::Sync => Some(Phase::Sync),
            HookType::PostSync => Some(Phase::PostSync),
            HookType::SyncFail => Some(Phase::SyncFail),
            HookType::Skip => None,
        })
        .collect();
    phases.sort_unstable();
    phases.dedup();
    phases
}

/// The delete policies of a hook: Argo CD's, then Helm's; `BeforeHookCreation` where there are none.
#[must_use]
pub fn delete_policies(object: &Manifest) -> Vec<DeletePolicy> {
    let argo = values(object, HOOK_DELETE_POLICY);
    let helm = values(object, HELM_HOOK_DELETE_POLICY);
    let mut policies: Vec<DeletePolicy> = argo
        .into_iter()
        .filter_map(|text| match text {
            "BeforeHookCreation" => Some(DeletePolicy::BeforeHookCreation),
            "HookSucceeded" => Some(DeletePolicy::HookSucceeded),
            "HookFailed" => Some(DeletePolicy::HookFailed),
            _ => None,
        })
        .chain(helm.into_iter().filter_map(|text| match text {
            "before-hook-creation" => Some(DeletePolicy::BeforeHookCreation),
            "hook-succeeded" => Some(DeletePolicy::HookSucceeded),
            "hook-failed" => Some(DeletePolicy::HookFailed),
            _ => None,
        }))
        .collect();
    if policies.is_empty() {
        policies.push(DeletePolicy::BeforeHookCreation);
    }
    policies
}

/// The wave of an object: the wave annotation, else Helm's hook weight, else 0.
#[must_use]
pub fn wave(object: &Manifest) -> i64 {
    [SYNC_WAVE, HELM_HOOK_WEIGHT]
        .into_iter()
        .find_map(|key| annotation(object, key)?.parse().ok())
        .unwrap_or(0)
}

/// Whether the object has the finalizer of hooks.
#[must_use]
pub fn has_hook_finalizer(object: &Manifest) -> bool {
    object.finalizers().any(|name| name == HOOK_FINALIZER)
}

/// The value of a sync option on the object itself, as in `Prune=false`.
#[must_use]
pub fn sync_option<'a>(object: &'a Manifest, name: &str) -> Option<&'a str> {
    values(object, SYNC_OPTIONS).into_iter().find_map(|option| {
        let (key, value) = option.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// The values of an annotation that is a list: separated by commas, trimmed, each once.
fn values<'a>(object: &'a Manifest, key: &str) -> Vec<&'a str> {
    let mut values: Vec<&str> = Vec::new();
    let text = annotation(object, key).unwrap_or_default();
    for value in text.split(',').map(str::trim) {
        if !value.is_empty() && !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// An annotation. Where one annotation is not a string, an object has none at all, as Go's reader of
/// annotations has it.
fn annotation<'a>(object: &'a Manifest, key: &str) -> Option<&'a str> {
    let all = object.metadata_field("annotations")?.as_object()?;
    let value = all.get(key)?.as_str()?;
    all.values().all(|value| value.is_string()).then_some(value)
}
