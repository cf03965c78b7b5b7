//! An apply carried out on the part of an object that it concerns.

use std::sync::Arc;

use gitops_core::{Manifest, clock::Timestamp, schema::Schema};
use serde_json::{Map, Value};

use super::{
    ApplyError, ApplyRequest,
    apply::{failed, prepared},
    engine::Engine,
    focus::{Concern, Focus, Owners, Side, Sides, concern_of, graft_object, project_object},
    metadata::{strip, time_text},
    validate,
};
use crate::{
    fields::{ManagedFields, ManagerId},
    schema::deduced_schema,
};

/// What an apply does.
pub(crate) enum Outcome {
    /// Nothing.
    Nothing {
        /// Whether what is applied is known to fit its schema.
        fits: bool,
    },
    /// This, and nothing to the rest of the object.
    Part(Box<Part>),
    /// It takes the whole object to say.
    All,
}

/// The part of an object that an apply concerns.
pub(crate) struct Part {
    pub(crate) focus: Arc<Focus>,
    schema: Schema,
    /// Live, without `managedFields`.
    pub(crate) before: Value,
    /// What is applied.
    pub(crate) applied: Value,
    /// `None` where nothing changes but `managedFields`.
    pub(crate) after: Option<Value>,
    /// The entries that own something in this part.
    pub(crate) owners: Owners,
    pub(crate) owners_after: Arc<ManagedFields>,
    manager: ManagerId,
    now: Timestamp,
}

/// Carries out an apply on the part that it concerns, and on the fields `keep`.
pub(crate) fn apply_to_part(
    request: &ApplyRequest<'_>,
    keep: &[&[&str]],
) -> Result<Outcome, ApplyError> {
    let schema = request.schema.unwrap_or_else(|| deduced_schema());
    // What kubectl applied from the client side is its own, whoever owns it.
    let (Some(live), false) = (request.live, request.manager == "kubectl") else {
        return Ok(Outcome::All);
    };
    if !request.converter.is_identity() || !request.subresource.is_empty() {
        return Ok(Outcome::All);
    }
    let desired = request.applied;
    let (concern, fits) = concern_of(Sides {
        schema,
        desired,
        live,
        manager: request.manager,
        reset: &request.reset,
    });
    let mut focus = match concern {
        Concern::All => return Ok(Outcome::All),
        Concern::Nothing => return Ok(Outcome::Nothing { fits }),
        Concern::Part(_) if !fits => {
            let type_error = |source| ApplyError::Type {
                object: desired.id().to_string(),
                source,
            };
            validate(schema, &desired.to_value()).map_err(type_error)?;
            return Ok(Outcome::All);
        }
        Concern::Part(focus) => focus,
    };
    for path in keep {
        focus.add(path);
    }
    let manager = ManagerId::applier(request.manager, "");
    let owners = Owners::of(schema, live, desired.api_version(), &manager, &focus);
    let owners = owners.map_err(|source| ApplyError::ManagedFields {
        object: live.id().to_string(),
        source,
    })?;
    let Some(owners) = owners else {
        return Ok(Outcome::All);
    };
    let before = project_object(schema, live, &focus, Side::Live);
    let applied = prepared(
        schema,
        project_object(schema, desired, &focus, Side::Desired),
        &request.reset,
    );
    let engine = Engine {
        schema,
        api_version: desired.api_version(),
        converter: request.converter,
        reset: &request.reset,
    };
    let mut owners_after = ManagedFields::clone(&owners.cut);
    let after = engine
        .apply(
            &before,
            &applied,
            &mut owners_after,
            &manager,
            request.force,
        )
        .map_err(|failure| failed(failure, desired))?;
    strip(&mut owners_after, &manager);
    Ok(Outcome::Part(Box::new(Part {
        focus: Arc::new(focus),
        schema: schema.clone(),
        before,
        applied,
        after,
        owners,
        owners_after: Arc::new(owners_after),
        manager,
        now: request.now,
    })))
}

impl Part {
    /// Whether the apply writes.
    pub(crate) fn changes(&self) -> bool {
        self.after.is_some() || self.owners.cut != self.owners_after
    }

    /// The whole object after the apply, with `after` for this part. It is made when it is looked
    /// into.
    pub(crate) fn object(self, live: &Manifest, after: Arc<Value>) -> Manifest {
        let live = live.clone();
        Manifest::deferred(move || match Arc::unwrap_or_clone(after) {
            Value::Object(after) => self.grafted(&live, after),
            _ => live.as_map().clone(),
        })
    }

    /// This part after the apply, not to be asked for twice.
    pub(crate) fn take_after(&mut self) -> Value {
        match &mut self.after {
            Some(after) => std::mem::take(after),
            None => self.before.clone(),
        }
    }

    fn grafted(self, live: &Manifest, after: Map<String, Value>) -> Map<String, Value> {
        let time = time_text(self.now);
        let touched = self.after.as_ref().map(|_| (&self.manager, time.as_str()));
        let entries = self.owners.put_back(live, &self.owners_after, touched);
        let mut object = graft_object(&self.schema, live, &self.focus, after);
        // What could not be read would have been refused before.
        if let (Some(Value::Object(metadata)), Ok(Some(entries))) =
            (object.get_mut("metadata"), entries)
        {
            metadata.insert("managedFields".to_owned(), entries);
        }
        object
    }
}
