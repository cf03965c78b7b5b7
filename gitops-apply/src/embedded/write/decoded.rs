//! Objects as the server reads them: types checked, unknown fields gone, defaults filled in.

use gitops_core::{Manifest, cluster::FieldValidation};
use serde_json::Value;

use crate::embedded::{
    decode, defaults,
    server::{Call, Server},
    status::ApiError,
};

impl Server {
    /// The object as the server reads it: types checked, unknown fields gone, defaults filled in.
    pub(super) fn decoded(
        &mut self,
        call: &Call<'_>,
        object: Manifest,
    ) -> Result<Manifest, ApiError> {
        let kind = &call.kind;
        let refuse = |what: String| {
            ApiError::bad_request(format!(
                "{0} in version \"{1}\" cannot be handled as a {0}: {what}",
                kind.gvk.kind, kind.gvk.version
            ))
        };
        let unknown = |fields: &[String]| {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("unknown field \"{field}\""))
                .collect();
            refuse(format!("strict decoding error: {}", fields.join(", ")))
        };
        if !call.is_internal {
            self.warnings.clear();
        }
        let mut value = object.into_value();
        // `managedFields` are the server's own, and older schemas do not know all of them.
        let managed = value
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .and_then(|metadata| metadata.remove("managedFields"));
        if let Some(custom) = &kind.custom {
            if let Some(structural) = &custom.structural {
                if !custom.preserves_unknown {
                    let mut fields = Vec::new();
                    structural.prune(&mut value, &mut fields);
                    if call.validation == FieldValidation::Strict && !fields.is_empty() {
                        return Err(unknown(&fields));
                    }
                    self.warn_of(call, &fields);
                }
                structural.fill_defaults(&mut value);
            }
        } else if let Some(schema) = &kind.schema {
            let findings = decode::decode(schema, &mut value);
            if let Some(mismatch) = findings.mismatch {
                return Err(refuse(format!(
                    "json: cannot unmarshal {} into Go struct field {}.{} of type {}",
                    mismatch.found, kind.gvk.kind, mismatch.path, mismatch.wanted
                )));
            }
            if call.validation == FieldValidation::Strict && !findings.unknown.is_empty() {
                return Err(unknown(&findings.unknown));
            }
            self.warn_of(call, &findings.unknown);
        }
        if let Value::Object(map) = &mut value {
            map.insert("kind".to_owned(), kind.gvk.kind.clone().into());
            if kind.custom.is_none() {
                defaults::fill(&kind.gvk, map, self.minor);
            }
        }
        let mut object =
            Manifest::try_from(value).map_err(|error| ApiError::bad_request(error.to_string()))?;
        if let Some(managed) = managed {
            object
                .metadata_mut()
                .insert("managedFields".to_owned(), managed);
        }
        if kind.stored.kind == "Namespace" && kind.stored.group.is_empty() && self.minor >= 21 {
            let name = object.name().to_owned();
            if !name.is_empty() {
                object.set_label("kubernetes.io/metadata.name", name);
            }
        }
        Ok(object)
    }

    pub(super) fn warn_of(&mut self, call: &Call<'_>, unknown: &[String]) {
        if call.validation == FieldValidation::Warn && !call.is_internal {
            self.warnings = unknown
                .iter()
                .map(|f| format!("unknown field \"{f}\""))
                .collect();
        }
    }
}
