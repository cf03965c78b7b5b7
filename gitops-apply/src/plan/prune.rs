//! Which objects go, and which stay although nobody declares them any more.

use std::collections::BTreeSet;

use gitops_core::{
    Manifest, ObjectId,
    app::SyncPolicy,
    plan::{Action, LiveSet, Owner, PlanOptions, Prune, Reason},
    tracking::Tracking,
};

use crate::hooks::{self, DeleteHook};

/// Live objects of the owner that are not declared: marked as its own, or named by its inventory and
/// not marked as somebody else's. Of hooks only those of a sync, and only `with_hooks`.
pub(super) fn candidates<'a>(
    live: &'a LiveSet,
    owner: &'a Owner,
    tracking: &'a Tracking,
    declared: &'a BTreeSet<ObjectId>,
    with_hooks: bool,
) -> impl Iterator<Item = &'a Manifest> {
    let inventory: BTreeSet<&ObjectId> = live.inventory.iter().collect();
    live.objects.iter().filter(move |object| {
        let id = object.id();
        let kept_hook = hooks::is_hook(object)
            && (!with_hooks
                || hooks::is_delete_hook(object, DeleteHook::PreDelete)
                || hooks::is_delete_hook(object, DeleteHook::PostDelete));
        if declared.contains(&id) || kept_hook || object.owner_references().next().is_some() {
            return false;
        }
        match tracking.own_mark_of(object) {
            Some(mark) => mark.is_of(owner),
            None => inventory.contains(&id),
        }
    })
}

/// What happens to an object that is no longer declared.
pub(super) fn verdict(
    live: &Manifest,
    policy: &SyncPolicy,
    options: &PlanOptions,
) -> (Action, Reason) {
    if let Some(by) = protection(live, "Prune", policy.option("Prune"), options.confirmed) {
        return (Action::Skip, Reason::PruneProtected { by });
    }
    match options.prune {
        Prune::Tracked => (Action::Prune, Reason::NoLongerDeclared),
        _ => (Action::Skip, Reason::PruneDisabled),
    }
}

/// What keeps an object from being deleted. `option` is `Prune` or `Delete`.
pub(super) fn protection(
    live: &Manifest,
    option: &str,
    of_policy: Option<&str>,
    confirmed: bool,
) -> Option<String> {
    let own = hooks::sync_option(live, option);
    match own.or(of_policy) {
        Some("false") => return Some(format!("{option}=false")),
        Some("confirm") if !confirmed => return Some(format!("{option}=confirm")),
        _ => {}
    }
    if live.annotation(hooks::HELM_RESOURCE_POLICY) == Some("keep") {
        return Some(format!("{}: keep", hooks::HELM_RESOURCE_POLICY));
    }
    hooks::is_definition(live).then(|| {
        "the rule that CustomResourceDefinitions stay, since their objects would go with them"
            .to_owned()
    })
}
