//! The parent of an application's ApplySet, written around a sync: with all that was and will be a
//! member before, with what is one afterwards.

use gitops_core::{
    ObjectId,
    app::OperationPhase,
    apply::ExecuteError,
    apply_set::{ApplySet, Contents, FIELD_MANAGER},
    cluster::{ApplyOptions, ClusterError, DeleteOptions},
    plan::{Action, Outcome, Plan, Reason, Report, Step},
};

use super::send::Sender;

/// The set of the plan's owner, where there is to be one.
pub(super) struct Parent {
    set: ApplySet,
    before: Contents,
}

impl Parent {
    /// Writes the parent with everything that the plan may make a member.
    pub(super) async fn open(
        sender: &Sender<'_>,
        plan: &Plan,
    ) -> Result<Option<Self>, ExecuteError> {
        if !plan.settings.tracking.apply_sets {
            return Ok(None);
        }
        let set = ApplySet::of(&plan.owner);
        let before = match sender.get(set.parent()).await? {
            Some(parent) => {
                set.accepts(&parent).map_err(|error| ExecuteError::Other {
                    class: gitops_core::Classified::class(&error),
                    source: Box::new(error),
                })?;
                Contents::of_parent(&parent)
            }
            None if plan.is_empty() && plan.settings.deletion => return Ok(None),
            None => Contents::default(),
        };
        let members = plan.steps.iter().filter(|step| is_member(step));
        let during = Contents::of(members.map(|step| &step.object)).union(before.clone());
        let parent = Self { set, before };
        if parent.before != during {
            parent.write(sender, &during).await?;
        }
        Ok(Some(parent))
    }

    /// Writes the parent with what is a member now; removes it where nothing is.
    pub(super) async fn close(
        self,
        sender: &Sender<'_>,
        plan: &Plan,
        report: &Report,
    ) -> Result<(), ExecuteError> {
        let is_whole = !plan
            .steps
            .iter()
            .any(|step| step.reason == Reason::NotSelected);
        if report.phase != OperationPhase::Succeeded || !is_whole {
            return Ok(());
        }
        let is_pruned = |id: &ObjectId| {
            let results = report.results.iter();
            results
                .filter(|result| result.outcome == Outcome::Pruned)
                .any(|result| result.object == *id)
        };
        let members = plan
            .steps
            .iter()
            .filter(|step| is_member(step) && !is_pruned(&step.object));
        let after = Contents::of(members.map(|step| &step.object));
        if after.is_empty() && plan.settings.deletion {
            let options = DeleteOptions::default();
            return match sender.cluster.delete(self.set.parent(), &options).await {
                Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
        self.write(sender, &after).await
    }

    async fn write(&self, sender: &Sender<'_>, contents: &Contents) -> Result<(), ExecuteError> {
        let object = self.set.parent_object(contents);
        let options = ApplyOptions {
            field_manager: FIELD_MANAGER.to_owned(),
            ..ApplyOptions::default()
        };
        sender
            .patiently(self.set.parent().name.as_str(), || {
                sender.cluster.apply(&object, &options)
            })
            .await?;
        Ok(())
    }
}

/// Steps whose objects carry the label of the set, or will.
fn is_member(step: &Step) -> bool {
    !step.hook
        && step.reason != Reason::NamespaceNeeded
        && !matches!(step.reason, Reason::OwnedBy { .. })
        && (step.action != Action::Skip
            || matches!(
                step.reason,
                Reason::PruneDisabled | Reason::PruneProtected { .. }
            ))
}
