//! Has the cluster moved on, in a way that matters, since a plan was made?

use futures::{StreamExt, TryStreamExt, stream};
use gitops_core::{
    Manifest, ObjectRef,
    apply::ExecuteError,
    cluster::Cluster,
    diff::{DiffOptions, Differ, FieldChange, Verdict},
    plan::{Action, Plan, Step},
    schema::Schemas,
};

/// How many objects are read at once.
const CONCURRENCY: usize = 16;

/// What has changed, in words for people; empty where executing the plan still does what it says. A
/// new status, or a change of fields that the plan sets anyway to the same end, does not matter.
pub(super) async fn changes(
    differ: &dyn Differ,
    plan: &Plan,
    cluster: &dyn Cluster,
) -> Result<Vec<String>, ExecuteError> {
    let schemas = cluster.schemas().await?;
    let mut objects: Vec<(usize, ObjectRef)> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if step.action.changes() && !step.hook {
            let id = &step.object;
            objects.push((
                index,
                ObjectRef::new(step.gvk.clone(), &id.namespace, &id.name),
            ));
        }
    }
    let live: Vec<(usize, Option<Manifest>)> = stream::iter(objects)
        .map(|(index, object)| async move {
            let live = match cluster.get(&object).await {
                Ok(live) => live,
                Err(
                    gitops_core::cluster::ClusterError::UnknownKind { .. }
                    | gitops_core::cluster::ClusterError::NotFound { .. },
                ) => None,
                Err(error) => return Err(ExecuteError::from(error)),
            };
            Ok((index, live))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut changed = Vec::new();
    for (index, live) in live {
        let step = &plan.steps[index];
        let target = plan.payload.0.get(&index);
        changed.extend(change(
            differ,
            plan,
            step,
            target,
            live.as_ref(),
            &*schemas,
        )?);
    }
    Ok(changed)
}

fn change(
    differ: &dyn Differ,
    plan: &Plan,
    step: &Step,
    target: Option<&Manifest>,
    live: Option<&Manifest>,
    schemas: &dyn Schemas,
) -> Result<Option<String>, ExecuteError> {
    let object = &step.object;
    let Some(live) = live else {
        // What was to be pruned and is gone needs nothing more.
        let gone = !step.planned_on.is_empty() && step.action != Action::Prune;
        return Ok(gone.then(|| format!("{object} does not exist any more")));
    };
    if live.resource_version() == step.planned_on {
        return Ok(None);
    }
    if let Some(mark) = plan.settings.tracking.own_mark_of(live)
        && !mark.is_of(&plan.owner)
        && (!mark.bootstrap || plan.owner.bootstrap)
    {
        return Ok(Some(format!("{object} now belongs to {}", mark.name)));
    }
    if step.planned_on.is_empty() {
        return Ok(Some(format!("{object} exists now")));
    }
    let Some(target) = target else {
        let kept = crate::hooks::sync_option(live, "Prune") == Some("false");
        return Ok(kept.then(|| format!("{object} is now kept by Prune=false")));
    };
    let diff = differ
        .diff(
            target,
            Some(live),
            schemas,
            &DiffOptions {
                field_manager: plan.settings.field_manager.clone(),
                ignore: Vec::new(),
            },
        )
        .map_err(|error| ExecuteError::Other {
            class: gitops_core::Classified::class(&error),
            source: Box::new(error),
        })?;
    if diff.verdict == Verdict::Unchanged {
        return Ok(None);
    }
    let news: Vec<String> = diff
        .changes
        .iter()
        .filter(|change| !step.changes.iter().any(|planned| same(planned, change)))
        .map(ToString::to_string)
        .collect();
    Ok((!news.is_empty()).then(|| format!("{object} ({})", news.join("; "))))
}

/// Whether the same field is set from the same to the same value.
fn same(a: &FieldChange, b: &FieldChange) -> bool {
    (&a.pointer, &a.before, &a.after) == (&b.pointer, &b.before, &b.after)
}
