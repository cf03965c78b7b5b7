//! Deployment, DaemonSet, ReplicaSet and StatefulSet as `apps/v1`.
//!
//! `apps/v1` requires a selector and never changes it; the first versions took the labels of the
//! template, for the object's own labels too. Several defaults became others: they are written out.

use serde_json::Value;

use super::draft::{Draft, Fields, is_unset, object_at, object_mut, set_default, text};

const EXTENSIONS: &str = "extensions/v1beta1";
const APPS_BETA_1: &str = "apps/v1beta1";

/// What `extensions/v1beta1` means by a limit that is not given.
const UNLIMITED: i32 = i32::MAX;

type Lifted = Result<(), String>;

pub(super) fn deployment(draft: &mut Draft, from: &str) -> Lifted {
    let Some(mut spec) = common(draft, from) else {
        return Ok(());
    };
    if from == EXTENSIONS {
        for field in ["progressDeadlineSeconds", "revisionHistoryLimit"] {
            if set_default(&mut spec, field, UNLIMITED) {
                draft.changed(format!("spec.{field}: unlimited as before"));
            }
        }
        if let Some(strategy) = object_at(&mut spec, "strategy") {
            set_default(strategy, "type", "RollingUpdate");
            let is_rolling =
                text(strategy, "type") == "RollingUpdate" || !is_unset(strategy, "rollingUpdate");
            if is_rolling && let Some(rolling) = object_at(strategy, "rollingUpdate") {
                for field in ["maxSurge", "maxUnavailable"] {
                    if set_default(rolling, field, 1) {
                        draft.changed(format!("spec.strategy.rollingUpdate.{field}: 1 as before"));
                    }
                }
            }
        }
    }
    if from == APPS_BETA_1 && set_default(&mut spec, "revisionHistoryLimit", 2) {
        draft.changed("spec.revisionHistoryLimit: 2 as before");
    }
    if spec.remove("rollbackTo").is_some_and(|it| !it.is_null()) {
        draft.lost("spec.rollbackTo");
    }
    draft.put_spec(spec);
    Ok(())
}

pub(super) fn daemon_set(draft: &mut Draft, from: &str) -> Lifted {
    let Some(mut spec) = common(draft, from) else {
        return Ok(());
    };
    if from == EXTENSIONS {
        update_on_delete(draft, &mut spec);
    }
    if spec
        .remove("templateGeneration")
        .is_some_and(|it| !it.is_null())
    {
        draft.changed("spec.templateGeneration left out");
    }
    draft.put_spec(spec);
    Ok(())
}

pub(super) fn replica_set(draft: &mut Draft, from: &str) -> Lifted {
    if let Some(spec) = common(draft, from) {
        draft.put_spec(spec);
    }
    Ok(())
}

pub(super) fn stateful_set(draft: &mut Draft, from: &str) -> Lifted {
    let Some(mut spec) = common(draft, from) else {
        return Ok(());
    };
    if from == APPS_BETA_1 {
        update_on_delete(draft, &mut spec);
    }
    draft.put_spec(spec);
    Ok(())
}

/// Selector and labels; hands out the spec.
fn common(draft: &mut Draft, from: &str) -> Option<Fields> {
    draft.remove_status();
    let mut spec = draft.take_spec()?;
    let had_defaults = from == EXTENSIONS || from == APPS_BETA_1;
    if had_defaults && let Some(labels) = template_labels(&mut spec) {
        if is_unset(&spec, "selector") {
            let selector =
                Fields::from_iter([("matchLabels".to_owned(), Value::Object(labels.clone()))]);
            spec.insert("selector".to_owned(), Value::Object(selector));
            draft.changed("spec.selector: the labels of the template");
        }
        let own = draft.metadata().entry("labels").or_insert(Value::Null);
        let has_none = match &*own {
            Value::Null => true,
            Value::Object(own) => own.is_empty(),
            _ => false,
        };
        if has_none && !labels.is_empty() {
            *own = Value::Object(labels);
            draft.changed("metadata.labels: the labels of the template");
        }
    }
    Some(spec)
}

fn template_labels(spec: &mut Fields) -> Option<Fields> {
    let template = object_mut(spec, "template")?;
    let metadata = object_mut(template, "metadata")?;
    Some(object_mut(metadata, "labels")?.clone())
}

fn update_on_delete(draft: &mut Draft, spec: &mut Fields) {
    if let Some(strategy) = object_at(spec, "updateStrategy")
        && set_default(strategy, "type", "OnDelete")
    {
        draft.changed("spec.updateStrategy.type: OnDelete as before");
    }
}
