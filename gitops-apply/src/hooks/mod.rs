//! Hooks, waves and order: what annotations say about when an object is handled.
//!
//! In come rendered manifests and live objects, out come [`Task`]s in the order of a sync, by the
//! rules of Argo CD: phases PreSync, Sync, PostSync and SyncFail; waves within a phase; Helm's hooks
//! mapped onto phases; Namespaces and CustomResourceDefinitions before what needs them; prunes in
//! reverse. Everything here is a pure function of its arguments.

mod annotations;
mod order;

pub use annotations::{
    DeleteHook, DeletePolicy, HELM_HOOK, HELM_HOOK_DELETE_POLICY, HELM_HOOK_WEIGHT,
    HELM_RESOURCE_POLICY, HOOK, HOOK_DELETE_POLICY, HOOK_FINALIZER, HookType, SYNC_OPTIONS,
    SYNC_WAVE, delete_policies, has_hook_finalizer, hook_types, is_delete_hook, is_hook,
    is_ignored, is_skipped, phases, sync_option, wave,
};
pub use order::{
    Task, TaskOptions, defined_kind, hook_object, is_definition, is_namespace, kind_rank, sort,
    tasks,
};
