//! One apply, predicted: on the part of the object that it concerns, where that is enough.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{Manifest, clock::Timestamp, diff::DiffError, schema::Schema};
use serde_json::{Map, Value};

use crate::{
    fields::{FieldSet, ManagedFields, ManagerId, PathElement},
    merge::{
        ApplyError, ApplyRequest, LAST_APPLIED, Outcome, apply_to_all, apply_to_part, field_set,
        focus::{Focus, Side},
        refuse_managed_fields,
    },
    normalize::remarshalled,
    proof::is_strictly_unchanged,
    schema::deduced_schema,
};

/// What an apply would do, and the part of the object that it concerns.
pub(super) struct Step {
    /// Whether it would write.
    pub(super) changed: bool,
    /// The object after it.
    pub(super) predicted: Manifest,
    /// What was cut out of live and applied; `None` where they are whole.
    focus: Option<Arc<Focus>>,
    /// Live, or the part of it that is concerned.
    pub(super) before: Value,
    /// The same after the apply.
    pub(super) after: Arc<Value>,
    /// What is applied to it.
    pub(super) applied: Value,
    /// Who owns what in it.
    pub(super) owners: Arc<ManagedFields>,
    /// Who owns what after the apply.
    pub(super) owners_after: Arc<ManagedFields>,
}

impl Step {
    /// A pointer into a whole object from one into the part of it.
    pub(super) fn pointer(&self, cut: String, side: Side) -> String {
        match &self.focus {
            Some(focus) => focus.pointer(&cut, side),
            None => cut,
        }
    }
}

/// `None` where the apply is proven to change nothing.
pub(super) fn apply(
    payload: &Manifest,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Result<Option<Step>, DiffError> {
    let unfit = |error| unfit(error, live);
    // The time is not part of the prediction: entries that change keep the epoch.
    let request = ApplyRequest::new(Some(live), payload, manager, Timestamp::UNIX_EPOCH)
        .force(true)
        .schema(schema);
    // A masked value is told from another by what else the object has.
    let keep: &[&[&str]] = if live.is_secret() {
        &[&["data"], &["stringData"], &["metadata", "annotations"]]
    } else {
        &[]
    };
    refuse_managed_fields(payload).map_err(unfit)?;
    let mut part = match apply_to_part(&request, keep).map_err(unfit)? {
        Outcome::Nothing { .. } => return Ok(None),
        Outcome::Part(part) => part,
        Outcome::All if is_strictly_unchanged(payload, live, manager, schema) => return Ok(None),
        Outcome::All => return apply_to_whole(payload, live, manager, schema).map(Some),
    };
    let changed = part.changes();
    let after = Arc::new(written(part.take_after()));
    let (owners, owners_after) = (Arc::clone(&part.owners.cut), Arc::clone(&part.owners_after));
    let focus = Some(Arc::clone(&part.focus));
    let before = std::mem::take(&mut part.before);
    let applied = std::mem::take(&mut part.applied);
    let predicted = part.object(live, Arc::clone(&after));
    Ok(Some(Step {
        changed,
        predicted,
        focus,
        before,
        after,
        applied,
        owners,
        owners_after,
    }))
}

/// What the server writes another way is no difference to people; it is one to the verdict.
fn written(mut object: Value) -> Value {
    if is_secret(&object) {
        fold_string_data(&mut object);
    }
    remarshalled(object)
}

pub(super) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"] == "v1"
}

fn apply_to_whole(
    payload: &Manifest,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Result<Step, DiffError> {
    let mut start = live.clone();
    let untracked = !live.is_managed();
    if untracked && let Some(fields) = last_applied_entry(live, payload, manager, schema) {
        start
            .metadata_mut()
            .insert("managedFields".to_owned(), fields);
    }
    let request = ApplyRequest::new(Some(&start), payload, manager, Timestamp::UNIX_EPOCH)
        .force(true)
        .schema(schema);
    let applied = apply_to_all(&request).map_err(|error| unfit(error, live))?;
    let mut predicted = applied.object;
    if untracked {
        predicted.metadata_mut().remove("managedFields");
    }
    let managers = |object: &Manifest| {
        ManagedFields::of(object).map_err(|error| DiffError::ManagedFields {
            object: live.id().to_string(),
            reason: error.to_string(),
        })
    };
    let after = written(predicted.to_value());
    Ok(Step {
        changed: applied.changed,
        focus: None,
        before: live.to_value(),
        applied: payload.to_value(),
        owners: Arc::new(managers(live)?),
        owners_after: Arc::new(managers(&predicted)?),
        predicted: Manifest::try_from(after.clone()).unwrap_or(predicted),
        after: Arc::new(after),
    })
}

fn unfit(error: ApplyError, live: &Manifest) -> DiffError {
    match error {
        ApplyError::Type { object, source } => DiffError::Schema {
            object,
            path: source.path,
            reason: source.reason,
        },
        ApplyError::ManagedFields { object, source } => DiffError::ManagedFields {
            object,
            reason: source.to_string(),
        },
        other => DiffError::ManagedFields {
            object: live.id().to_string(),
            reason: other.to_string(),
        },
    }
}

/// What `kubectl apply` applied last, as if our manager had: it is ours to remove.
fn last_applied_entry(
    live: &Manifest,
    payload: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Option<Value> {
    let last: Value = serde_json::from_str(live.annotation(LAST_APPLIED)?).ok()?;
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let mut fields = field_set(schema, &last).ok()?;
    // Whose object it is does not change hands.
    for identity in ["apiVersion", "kind"] {
        fields = fields.difference(&FieldSet::from_paths([&[PathElement::field(identity)][..]]));
    }
    let mut metadata = FieldSet::new();
    for name in ["name", "namespace", "creationTimestamp"] {
        metadata.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
    }
    metadata.insert(&[PathElement::field("status")]);
    fields = fields.recursive_difference(&metadata);
    let mut managers = ManagedFields::default();
    managers.entries.insert(
        ManagerId::applier(manager, ""),
        crate::fields::ManagedEntry {
            api_version: payload.api_version().to_owned(),
            fields,
            time: None,
        },
    );
    managers.to_value()
}

/// As the API server does on each write: `stringData` goes into `data`.
fn fold_string_data(secret: &mut Value) {
    let Value::Object(secret) = secret else {
        return;
    };
    let Some(Value::Object(plain)) = secret.remove("stringData") else {
        return;
    };
    let data = secret
        .entry("data")
        .or_insert_with(|| Value::Object(Map::new()));
    if !data.is_object() {
        *data = Value::Object(Map::new());
    }
    if let Value::Object(data) = data {
        for (key, value) in plain {
            if let Value::String(text) = value {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
}
