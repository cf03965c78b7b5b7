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
    diff::FieldChange,
    plan::{Action, LiveSet, Method, Owner, Plan, Preflight, Reason, Step},
};
use gitops_diff::proof::{Confirmation, Fingerprint};
use serde_json::Value;

/// How many objects are asked about at once.
const CONCURRENCY: usize = 16;

/// Answers by name of the owner and object.
#[derive(Default)]
pub(super) struct Answers(Mutex<BTreeMap<String, BTreeMap<ObjectId, Known>>>);

/// What is known of one object.
#[derive(Default)]
struct Known {
    /// An apply that would change nothing.
    unchanged: Option<Confirmation>,
    /// An apply that would change something.
    changed: Option<Change>,
}

/// An apply of this to that changes it.
struct Change {
    desired: Fingerprint,
    live: Fingerprint,
    /// Whether the server has said so.
    asked: bool,
}

impl Answers {
    /// Whether an apply of `desired` to `live` is known to change nothing.
    pub(super) fn is_proven(
        &self,
        owner: &str,
        object: &ObjectId,
        desired: &Fingerprint,
        live: &Fingerprint,
    ) -> bool {
        self.look(owner, object, |known| {
            let unchanged = known.unchanged.as_ref()?;
            unchanged.proves(desired, live).then_some(())
        })
        .is_some()
    }

    pub(super) fn remember(&self, owner: &str, object: ObjectId, confirmation: Confirmation) {
        self.edit(owner, object, |known| known.unchanged = Some(confirmation));
    }

    fn look<T>(
        &self,
        owner: &str,
        object: &ObjectId,
        read: impl FnOnce(&Known) -> Option<T>,
    ) -> Option<T> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(answers.get(owner)?.get(object)?)
    }

    fn edit(&self, owner: &str, object: ObjectId, edit: impl FnOnce(&mut Known)) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let objects = match answers.get_mut(owner) {
            Some(objects) => objects,
            None => answers.entry(owner.to_owned()).or_default(),
        };
        edit(objects.entry(object).or_default());
    }

    /// Whether a supposed change is one without a question: the server has said so before, or an
    /// object that was in sync is declared with another value. The latter is believed once: where
    /// the object stays as it is nevertheless, since somebody turns the value back into what it
    /// was, the next question is asked.
    fn is_change(
        &self,
        owner: &str,
        question: &Question,
        pair: (Fingerprint, Fingerprint),
    ) -> bool {
        let (desired, live) = pair;
        let mut answer = false;
        self.edit(owner, question.live.id(), |known| {
            if let Some(change) = &known.changed
                && (change.desired, change.live) == pair
            {
                answer = change.asked;
                return;
            }
            let in_sync = known.unchanged.as_ref();
            answer = question.states_another_value
                && in_sync.is_some_and(|known| known.live == live && known.desired != desired);
            if answer {
                known.changed = Some(Change {
                    desired,
                    live,
                    asked: false,
                });
            }
        });
        answer
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
    /// A value is declared that no server takes for the one that is there.
    states_another_value: bool,
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
        } else if !answers.is_change(&owner, &question, (desired, live)) {
            questions.push(question);
        }
    }
    let mut asked = stream::iter(questions)
        .map(|question| async move {
            let answer = cluster.apply(&question.desired, &question.options).await;
            // A refusal shows when the plan is executed.
            let answer = answer.ok()?;
            let confirmation = Confirmation::of_answer(&question.desired, &question.live, &answer);
            Some((question, confirmation))
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(answer) = asked.next().await {
        let Some((question, confirmation)) = answer else {
            continue;
        };
        answers.edit(&owner, question.live.id(), |known| match confirmation {
            Some(confirmation) => {
                known.unchanged = Some(confirmation);
                proven.push(question.step);
            }
            None => {
                known.changed = Some(Change {
                    desired: Fingerprint::of_desired(&question.desired),
                    live: Fingerprint::of_live(&question.live),
                    asked: true,
                });
            }
        });
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
            states_another_value: !desired.is_secret() && step.changes.iter().any(is_another_value),
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

/// Whether a field gets a value that is another one however a server writes it. Quantities, times
/// and encoded bytes have several spellings, and what is empty is as good as absent.
fn is_another_value(change: &FieldChange) -> bool {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return false;
    };
    match (before, after) {
        (Value::Bool(before), Value::Bool(after)) => before != after,
        (Value::Number(before), Value::Number(after)) => {
            (before.as_i64().zip(after.as_i64())).is_some_and(|(before, after)| before != after)
        }
        (Value::String(before), Value::String(after)) => {
            before != after && !(is_spelled_freely(before) && is_spelled_freely(after))
        }
        _ => false,
    }
}

/// Whether a text may be a quantity, a duration, a time, or bytes.
fn is_spelled_freely(text: &str) -> bool {
    text.is_empty()
        || text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        || text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte))
}

#[cfg(test)]
mod tests {
    use gitops_core::diff::ChangeKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_could_spell_differently_is_asked_about() {
        let certain = |before: Value, after: Value| {
            is_another_value(&FieldChange {
                path: "a".to_owned(),
                pointer: "/a".to_owned(),
                kind: ChangeKind::Changed,
                before: Some(before),
                after: Some(after),
                owners: Vec::new(),
            })
        };
        assert!(certain(json!("nginx:1.27"), json!("nginx:1.28")));
        assert!(certain(json!("value 0 of 1"), json!("other")));
        assert!(certain(json!(2), json!(3)));
        assert!(certain(json!(true), json!(false)));
        assert!(!certain(json!("1"), json!("1000m")));
        assert!(!certain(json!("90s"), json!("1m30s")));
        assert!(!certain(json!("YQ=="), json!("YQ==\n")));
        assert!(!certain(
            json!("2026-01-01T00:00:00Z"),
            json!("2026-01-01T01:00:00+01:00")
        ));
        assert!(!certain(json!(""), json!("a")));
        assert!(!certain(json!({}), json!({"a": 1})));
        assert!(!certain(json!(1), json!("1")));
    }
}
