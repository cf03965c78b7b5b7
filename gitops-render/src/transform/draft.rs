//! An object while it is written anew, with notes of what was done.

use gitops_core::{
    Manifest, ObjectId,
    render::{Rewrite, Transformed},
};
use serde_json::{Map, Value};

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// An object while it is written anew.
pub(super) struct Draft {
    manifest: Manifest,
    /// The `apiVersion` that is written.
    pub(super) to: String,
    /// Minor version of the server.
    pub(super) minor: u64,
    changes: Vec<String>,
    losses: Vec<String>,
}

impl Draft {
    pub(super) fn new(manifest: Manifest, to: &str, minor: u64) -> Self {
        Self {
            manifest,
            to: to.to_owned(),
            minor,
            changes: Vec::new(),
            losses: Vec::new(),
        }
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn fields(&mut self) -> &mut Fields {
        self.manifest.as_map_mut()
    }

    pub(super) fn metadata(&mut self) -> &mut Fields {
        self.manifest.metadata_mut()
    }

    pub(super) fn set_api_version(&mut self, api_version: &str) {
        self.fields()
            .insert("apiVersion".to_owned(), api_version.into());
    }

    /// `spec`, where it is there.
    pub(super) fn spec(&mut self) -> Option<&mut Fields> {
        object_mut(self.fields(), "spec")
    }

    /// Takes `spec` out, to be changed and put back.
    pub(super) fn take_spec(&mut self) -> Option<Fields> {
        match self.fields().get_mut("spec")?.take() {
            Value::Object(spec) => Some(spec),
            other => {
                self.fields().insert("spec".to_owned(), other);
                None
            }
        }
    }

    pub(super) fn put_spec(&mut self, spec: Fields) {
        self.fields().insert("spec".to_owned(), Value::Object(spec));
    }

    /// Leaves out what only the server writes.
    pub(super) fn remove_status(&mut self) {
        self.fields().remove("status");
    }

    /// Notes what is written otherwise than declared. The same once more is no news.
    pub(super) fn changed(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.changes.contains(&what) {
            self.changes.push(what);
        }
    }

    /// Notes what the new form cannot say.
    pub(super) fn lost(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.losses.contains(&what) {
            self.losses.push(what);
        }
    }

    /// The object and the note, where there is anything to note.
    pub(super) fn finish(self, object: ObjectId, from: String) -> Transformed {
        let Self {
            manifest,
            to,
            changes,
            losses,
            ..
        } = self;
        if from == to && changes.is_empty() && losses.is_empty() {
            return manifest.into();
        }
        Transformed {
            manifests: vec![manifest],
            rewrites: vec![Rewrite {
                object,
                from,
                to: Some(to),
                changes,
                losses,
            }],
        }
    }
}

/// A field that is an object.
pub(super) fn object_mut<'a>(fields: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    fields.get_mut(key)?.as_object_mut()
}

/// A field that is an object, made where it is missing or null; `None` where it is something else.
pub(super) fn object_at<'a>(fields: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    let value = fields.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The objects of a list.
pub(super) fn objects_mut<'a>(
    fields: &'a mut Fields,
    key: &str,
) -> impl Iterator<Item = &'a mut Fields> {
    fields
        .get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// Whether a field is missing or says nothing.
pub(super) fn is_unset(fields: &Fields, key: &str) -> bool {
    match fields.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

/// A text; empty where there is none.
pub(super) fn text<'a>(fields: &'a Fields, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Sets a field that says nothing; whether it did.
pub(super) fn set_default(fields: &mut Fields, key: &str, value: impl Into<Value>) -> bool {
    let unset = is_unset(fields, key);
    if unset {
        fields.insert(key.to_owned(), value.into());
    }
    unset
}

/// Gives a field another name; a null goes. Whether it was there.
pub(super) fn rename(fields: &mut Fields, from: &str, to: &str) -> bool {
    match fields.remove(from) {
        None | Some(Value::Null) => false,
        Some(value) => {
            fields.insert(to.to_owned(), value);
            true
        }
    }
}
