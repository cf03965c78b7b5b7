//! Planning: from what is desired and what is there to the steps between, each with its reason.
//!
//! [`plan`] and [`plan_deletion`] are pure functions. The plan is a document that holds no secret
//! values, with a payload beside it that is bound by its digest; [`save_plan`] and [`load_plan`] put
//! both into files.
//!
//! Ownership: an object belongs to the application whose mark it carries. Objects of other
//! applications are left alone; those of a bootstrap set are taken over by the Application that
//! declares them, for good. Only objects that carry the owner's mark, or that its inventory names,
//! are ever pruned, and of these not: objects with owner references, hooks,
//! CustomResourceDefinitions (their deletion would delete all custom objects), and those with
//! `Prune=false`, `Prune=confirm` (unless confirmed) or `helm.sh/resource-policy: keep`. Argo CD heeds
//! the last one only when an application is deleted; here it is heeded for pruning too, as Helm does
//! on an upgrade.

mod deletion;
mod dependencies;
mod document;
mod earlier;
mod immutable;
mod objects;
mod prune;

use std::collections::{BTreeMap, BTreeSet};

pub use deletion::plan_deletion;
pub use document::{PlanFileError, digest, load_plan, payload_path, save_plan};
pub(crate) use earlier::{Earlier, PreparedSet};
use gitops_core::{
    Manifest, ObjectId,
    app::SyncPolicy,
    apply::PlanError,
    diff::{DiffOptions, Differ, Ignored, Verdict},
    plan::{
        Action, Delivery, DesiredSet, LiveSet, Method, Owner, Payload, Phase, Plan, PlanOptions,
        PlanSettings, Preflight, Reason, Step,
    },
    schema::Schemas,
    tracking::Tracking,
};
use objects::Scopes;

use crate::hooks::{self, Task, TaskOptions};

/// What must be done so that the cluster is as desired.
///
/// `live` holds the desired objects that exist (the Namespace of the destination among them where it
/// is to be created) and all that carry the owner's mark or that its inventory names.
///
/// # Errors
/// When objects are declared that cannot be: of kinds the cluster does not serve, without a name or
/// a namespace, or depending on each other in a circle; or when they cannot be compared.
pub fn plan(
    differ: &dyn Differ,
    desired: &DesiredSet,
    live: &LiveSet,
    schemas: &dyn Schemas,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let mut earlier = PreparedSet::default();
    plan_again(differ, desired, live, schemas, options, &mut earlier)
}

/// [`plan`] that uses again what an earlier plan of the same set has prepared.
pub(crate) fn plan_again(
    differ: &dyn Differ,
    desired: &DesiredSet,
    live: &LiveSet,
    schemas: &dyn Schemas,
    options: &PlanOptions,
    earlier: &mut PreparedSet,
) -> Result<Plan, PlanError> {
    let scopes = Scopes::new(schemas, &desired.objects);
    // Objects that no sync handles (Helm's test hooks, `Skip`) are left out.
    let wanted = |object: &Manifest| !hooks::phases(object).is_empty();
    let prepared = objects::prepare(desired, &scopes, &options.tracking, earlier, &wanted)?;
    let by_id: BTreeMap<ObjectId, &Manifest> = live
        .objects
        .iter()
        .map(|object| (object.id(), object))
        .collect();
    let only: BTreeSet<&ObjectId> = options.only.iter().collect();
    let selected = |id: &ObjectId| only.is_empty() || only.contains(id);
    let with_hooks = !options.skip_hooks && options.only.is_empty();

    let insists = desired.sync_policy.option("RespectIgnoreDifferences") == Some("false");
    let diff_options = DiffOptions {
        field_manager: options.field_manager.clone(),
        ignore: desired.ignore_differences.clone(),
    };

    let mut targets = Vec::new();
    let mut relevant: Vec<Manifest> = Vec::new();
    let mut skipped: Vec<(Manifest, Reason)> = Vec::new();
    let mut declared = BTreeSet::new();
    for object in &prepared {
        let id = object.id();
        declared.insert(id.clone());
        let current = by_id.get(&id).copied();
        let hook = hooks::is_hook(object);
        if hook && !with_hooks {
            continue;
        }
        if let Some(owner) =
            current.and_then(|live| foreign_owner(live, &desired.owner, &options.tracking))
        {
            skipped.push((object.clone(), Reason::OwnedBy { owner }));
        } else if !hook && !selected(&id) {
            skipped.push((object.clone(), Reason::NotSelected));
        } else {
            let mut object = object.clone();
            if let Some(current) = current {
                relevant.push(current.clone());
                if !insists {
                    // Fields whose differences are ignored are released, or sent as they are live.
                    let ignored = match method(&desired.sync_policy, &object, Some(current)) {
                        Method::Apply => Ignored::Released,
                        _ => Ignored::Kept,
                    };
                    object =
                        differ.payload(&object, Some(current), schemas, &diff_options, ignored)?;
                }
            }
            targets.push(object);
        }
    }
    let create_namespace = objects::namespace_to_create(desired, &prepared, &by_id);
    let created = create_namespace.as_ref().map(Manifest::id);
    if let Some(namespace) = created.as_ref().and_then(|id| by_id.get(id)) {
        relevant.push((*namespace).clone());
    }
    for object in prune::candidates(live, &desired.owner, &options.tracking, &declared, false) {
        if Some(object.id()) == created {
            continue;
        }
        if selected(&object.id()) {
            relevant.push(object.clone());
        } else {
            skipped.push((object.clone(), Reason::NotSelected));
        }
    }

    let namespace = desired.destination.namespace.clone().unwrap_or_default();
    let mut tasks = hooks::tasks(
        &targets,
        &relevant,
        &TaskOptions {
            prune_last: desired.sync_policy.option("PruneLast") == Some("true"),
            skip_hooks: !with_hooks,
            namespace: namespace.clone(),
            revision: desired.revision.clone(),
            started_at: options.now.as_second(),
            create_namespace,
        },
        &|object| !object.namespace().is_empty(),
    );
    dependencies::arrange(&mut tasks)?;

    let mut builder = Builder {
        differ,
        schemas,
        options,
        policy: &desired.sync_policy,
        migrate_from: desired.migrate_from.as_deref(),
        diff_options: &diff_options,
        insists,
        created: created.as_ref(),
        steps: Vec::with_capacity(tasks.len()),
        payload: Payload::default(),
    };
    for task in &tasks {
        builder.add(task)?;
    }
    for (object, reason) in skipped {
        builder.skip(&object, reason);
    }
    let (steps, payload) = (builder.steps, builder.payload);
    Ok(finish(
        desired.owner.clone(),
        desired.revision.clone(),
        steps,
        payload,
        PlanSettings {
            field_manager: options.field_manager.clone(),
            preflight: options.preflight,
            propagation: options.propagation,
            sync_options: desired.sync_policy.sync_options.clone(),
            namespace,
            started_at: options.now.as_second(),
            tracking: options.tracking.clone(),
            deletion: false,
        },
    ))
}

fn finish(
    owner: Owner,
    revision: String,
    steps: Vec<Step>,
    payload: Payload,
    settings: PlanSettings,
) -> Plan {
    Plan {
        owner,
        revision,
        steps,
        settings,
        payload_digest: digest(&payload),
        payload,
        fresh: true,
    }
}

/// The other application that an object belongs to. What a bootstrap set has made is free for
/// Applications; what an Application has is not free for a bootstrap set.
fn foreign_owner(live: &Manifest, owner: &Owner, tracking: &Tracking) -> Option<String> {
    let mark = tracking.own_mark_of(live)?;
    if mark.is_of(owner) || (mark.bootstrap && !owner.bootstrap) {
        return None;
    }
    Some(if mark.bootstrap {
        format!("{} (bootstrap)", mark.name)
    } else {
        mark.name
    })
}

/// A sync option of the declared object, the application or the live object.
fn option<'a>(
    policy: &'a SyncPolicy,
    target: &'a Manifest,
    live: Option<&'a Manifest>,
    name: &str,
) -> Option<&'a str> {
    hooks::sync_option(target, name)
        .or_else(|| policy.option(name))
        .or_else(|| live.and_then(|live| hooks::sync_option(live, name)))
}

/// How an object is sent.
fn method(policy: &SyncPolicy, target: &Manifest, live: Option<&Manifest>) -> Method {
    let option = |name| option(policy, target, live, name);
    let replace = option("Replace") == Some("true");
    match live {
        None if replace => Method::Create,
        Some(_) if replace => Method::Replace,
        _ if option("ServerSideApply") == Some("false") => Method::ClientApply,
        _ => Method::Apply,
    }
}

struct Builder<'a> {
    differ: &'a dyn Differ,
    schemas: &'a dyn Schemas,
    options: &'a PlanOptions,
    policy: &'a SyncPolicy,
    migrate_from: Option<&'a str>,
    diff_options: &'a DiffOptions,
    /// Ignored fields of objects that change are applied as declared.
    insists: bool,
    created: Option<&'a ObjectId>,
    steps: Vec<Step>,
    payload: Payload,
}

impl Builder<'_> {
    fn add(&mut self, task: &Task) -> Result<(), PlanError> {
        let object = task.object();
        let mut step = Step {
            phase: task.phase,
            wave: task.wave,
            action: Action::Unchanged,
            gvk: object.gvk(),
            object: object.id(),
            hook: task.is_hook(),
            reason: Reason::InSync,
            changes: Vec::new(),
            planned_on: task
                .live
                .as_ref()
                .map_or_else(String::new, |live| live.resource_version().to_owned()),
            delivery: Delivery::default(),
            stage: task.stage,
        };
        match (&task.target, &task.live) {
            (None, Some(live)) => {
                (step.action, step.reason) = prune::verdict(live, self.policy, self.options);
            }
            (Some(target), live) => {
                step.delivery = self.delivery(target, live.as_ref());
                if step.hook {
                    (step.action, step.reason) = (Action::RunHook, Reason::Hook);
                } else {
                    self.compare(&mut step, target, live.as_ref())?;
                    self.take_over(&mut step, target, live.as_ref());
                }
                let needed = step.action.changes() || self.options.preflight == Preflight::All;
                if needed {
                    self.payload.0.insert(self.steps.len(), target.clone());
                }
            }
            (None, None) => return Ok(()),
        }
        self.steps.push(step);
        Ok(())
    }

    fn compare(
        &self,
        step: &mut Step,
        target: &Manifest,
        live: Option<&Manifest>,
    ) -> Result<(), PlanError> {
        let compare = |options| self.differ.diff(target, live, self.schemas, options);
        let mut diff = compare(self.diff_options)?;
        if self.insists && diff.is_changed() && !self.diff_options.ignore.is_empty() {
            // What is sent changes the ignored fields too.
            diff = compare(&DiffOptions {
                ignore: Vec::new(),
                ..self.diff_options.clone()
            })?;
        }
        step.changes = diff.changes;
        (step.action, step.reason) = match diff.verdict {
            Verdict::Unchanged => (Action::Unchanged, Reason::InSync),
            Verdict::Create => (Action::Create, Reason::Missing),
            _ => (Action::Update, Reason::Differs),
        };
        if step.action == Action::Unchanged {
            step.changes.clear();
        }
        if let (Action::Update, Some(live)) = (step.action, live)
            && immutable::changed_field(target, live).is_some()
        {
            step.reason = Reason::Immutable;
            if step.delivery.force || immutable::is_harmless(target) {
                step.action = Action::Recreate;
            }
        }
        if step.action == Action::Update && self.is_replaced_by_force(step, target, live) {
            step.action = Action::Recreate;
        }
        if Some(&step.object) == self.created && step.action.changes() {
            step.reason = Reason::NamespaceNeeded;
        }
        Ok(())
    }

    /// `Replace=true` with `Force=true` is a deletion and a creation, as with `kubectl replace
    /// --force`; not of what holds other objects.
    fn is_replaced_by_force(
        &self,
        step: &Step,
        target: &Manifest,
        live: Option<&Manifest>,
    ) -> bool {
        step.delivery.method == Method::Replace
            && option(self.policy, target, live, "Force") == Some("true")
            && !hooks::is_namespace(target)
            && !hooks::is_definition(target)
    }

    /// Names the managers whose fields are taken over before an apply.
    fn take_over(&self, step: &mut Step, target: &Manifest, live: Option<&Manifest>) {
        if step.action != Action::Update
            || step.delivery.method != Method::Apply
            || option(self.policy, target, live, "ClientSideApplyMigration") == Some("false")
        {
            return;
        }
        if let Some(live) = live {
            step.delivery.take_over = client_side_managers(live, self.migrate_from);
        }
    }

    /// How an object is sent, by sync options of the application, the declared and the live object.
    fn delivery(&self, target: &Manifest, live: Option<&Manifest>) -> Delivery {
        let option = |name| option(self.policy, target, live, name);
        let method = method(self.policy, target, live);
        Delivery {
            method,
            force: self.options.recreate || option("Force") == Some("true"),
            lenient: option("Validate") == Some("false"),
            take_over: Vec::new(),
        }
    }

    fn skip(&mut self, object: &Manifest, reason: Reason) {
        self.steps.push(Step {
            phase: Phase::Sync,
            wave: hooks::wave(object),
            action: Action::Skip,
            gvk: object.gvk(),
            object: object.id(),
            hook: hooks::is_hook(object),
            reason,
            changes: Vec::new(),
            planned_on: String::new(),
            delivery: Delivery::default(),
            stage: 0,
        });
    }
}

/// Managers of client-side tools that applied the object as a whole: `kubectl apply`, Argo CD, and
/// the one that the application names.
fn client_side_managers(live: &Manifest, named: Option<&str>) -> Vec<String> {
    const MANAGERS: [&str; 2] = ["kubectl-client-side-apply", "argocd-controller"];
    let mut found: Vec<String> = live
        .managed_fields()
        .filter(|entry| entry.get("subresource").is_none_or(|name| name == ""))
        .filter_map(|entry| entry.get("manager")?.as_str())
        .filter(|manager| MANAGERS.contains(manager) || named == Some(*manager))
        .map(ToOwned::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}
