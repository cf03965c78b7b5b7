//! Changes that only a server can tell: a dry-run decides, and its answer is remembered.
//!
//! Comparing finds every change, and some that are none: a server writes `1000m` as `1` and drops what
//! is empty. Applying such a manifest once more leaves the object as it is, which a dry-run shows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use gitops_core::{
    Manifest, ObjectId,
    cluster::{ApplyOptions, Cluster, FieldValidation},
    plan::{Action, LiveSet, Method, Owner, Plan, Preflight, Reason, Step},
};
use gitops_diff::proof::{Confirmation, Fingerprint};

/// How many objects are asked about at once.
const CONCURRENCY: usize = 16;

/// Answers by name of the owner and object.
#[derive(Default)]
pub(super) struct Answers(Mutex<BTreeMap<String, BTreeMap<ObjectId, Confirmation>>>);

impl Answers {
    /// Whether an apply of `desired` to `live` is known to change nothing.
    pub(super) fn is_proven(
        &self,
        owner: &str,
        object: &ObjectId,
        desired: &Fingerprint,
        live: &Fingerprint,
    ) -> bool {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers
            .get(owner)
            .and_then(|objects| objects.get(object))
            .is_some_and(|known| known.proves(desired, live))
    }

    pub(super) fn remember(&self, owner: &str, object: ObjectId, confirmation: Confirmation) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = match answers.get_mut(owner) {
            Some(objects) => objects,
            None => answers.entry(owner.to_owned()).or_default(),
        };
        objects.insert(object, confirmation);
    }

    /// Forgets objects of an owner that are not among these.
    pub(super) fn keep<'a>(
        &self,
        owner: &str,
        objects: impl ExactSizeIterator<Item = &'a ObjectId>,
    ) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get_mut(owner)
            && known.len() > objects.len()
        {
            let objects: BTreeSet<&ObjectId> = objects.collect();
            known.retain(|object, _| objects.contains(object));
        }
    }
}

/// One supposed change.
struct Question {
    step: usize,
    desired: Manifest,
    live: Manifest,
    options: ApplyOptions,
}

/// The plan without changes that would change nothing.
pub(super) async fn confirm(
    answers: &Answers,
    mut plan: Plan,
    live: &LiveSet,
    cluster: &dyn Cluster,
) -> Plan {
    let owner = key(&plan.owner);
    let mut proven = Vec::new();
    let mut questions = Vec::new();
    for question in questions_of(&plan, live) {
        let (desired, live) = (
            Fingerprint::of_desired(&question.desired),
            Fingerprint::of_live(&question.live),
        );
        if answers.is_proven(&owner, &question.live.id(), &desired, &live) {
            proven.push(question.step);
        } else {
            questions.push(question);
        }
    }
    let mut asked = stream::iter(questions)
        .map(|question| async move {
            let answer = cluster.apply(&question.desired, &question.options).await;
            // A refusal shows when the plan is executed.
            let answer = answer.ok()?;
            let confirmation = Confirmation::of_answer(&question.desired, &question.live, &answer)?;
            Some((question.step, question.live.id(), confirmation))
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(answer) = asked.next().await {
        if let Some((step, object, confirmation)) = answer {
            answers.remember(&owner, object, confirmation);
            proven.push(step);
        }
    }
    drop(asked);
    if proven.is_empty() {
        return plan;
    }
    for index in proven {
        let step = &mut plan.steps[index];
        step.action = Action::Unchanged;
        step.reason = Reason::InSync;
        step.changes.clear();
        if plan.settings.preflight != Preflight::All {
            plan.payload.0.remove(&index);
        }
    }
    plan.payload_digest = crate::plan::digest(&plan.payload);
    plan
}

/// The key under which answers about an owner's objects are kept.
pub(super) fn key(owner: &Owner) -> String {
    format!(
        "{}{}",
        if owner.bootstrap { "bootstrap " } else { "" },
        owner.name
    )
}

fn questions_of(plan: &Plan, live: &LiveSet) -> Vec<Question> {
    let by_id: BTreeMap<ObjectId, &Manifest> = live
        .objects
        .iter()
        .map(|object| (object.id(), object))
        .collect();
    let can_be_asked = |step: &Step| {
        step.action == Action::Update
            && step.reason == Reason::Differs
            && step.delivery.method == Method::Apply
            && step.delivery.take_over.is_empty()
    };
    let mut questions = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if !can_be_asked(step) {
            continue;
        }
        let (Some(desired), Some(live)) = (plan.payload.0.get(&index), by_id.get(&step.object))
        else {
            continue;
        };
        if live.gvk() != step.gvk {
            continue;
        }
        questions.push(Question {
            step: index,
            desired: desired.clone(),
            live: (*live).clone(),
            options: ApplyOptions {
                field_manager: plan.settings.field_manager.clone(),
                force: true,
                dry_run: true,
                field_validation: if step.delivery.lenient {
                    FieldValidation::Ignore
                } else {
                    FieldValidation::Strict
                },
            },
        });
    }
    questions
}
