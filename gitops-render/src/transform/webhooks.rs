//! Webhook configurations as `admissionregistration.k8s.io/v1`, which has other defaults for nearly
//! everything: the old ones are written out.

use serde_json::json;

use super::draft::{Draft, objects_mut, set_default, text};

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn configuration(draft: &mut Draft, _from: &str) -> Result<(), String> {
    let mut notes = Vec::new();
    let mut losses = Vec::new();
    for webhook in objects_mut(draft.fields(), "webhooks") {
        let defaults = [
            ("failurePolicy", json!("Ignore")),
            ("matchPolicy", json!("Exact")),
            ("timeoutSeconds", json!(30)),
        ];
        for (field, value) in defaults {
            let note = format!("{field}: {} as before", value.to_string().trim_matches('"'));
            if set_default(webhook, field, value) {
                notes.push(note);
            }
        }
        let has_no_versions = webhook
            .get("admissionReviewVersions")
            .and_then(serde_json::Value::as_array)
            .is_none_or(Vec::is_empty);
        if has_no_versions {
            webhook.insert("admissionReviewVersions".to_owned(), json!(["v1beta1"]));
            notes.push("admissionReviewVersions: v1beta1 as before".to_owned());
        }
        let effects = text(webhook, "sideEffects");
        if !matches!(effects, "None" | "NoneOnDryRun") {
            let effects = match effects {
                "" => "Unknown",
                effects => effects,
            };
            losses.push(format!(
                "sideEffects: {effects} of {}, now NoneOnDryRun: dry-runs reach it and are not refused",
                text(webhook, "name")
            ));
            webhook.insert("sideEffects".to_owned(), "NoneOnDryRun".into());
        }
    }
    for note in notes {
        draft.changed(note);
    }
    for loss in losses {
        draft.lost(loss);
    }
    Ok(())
}
