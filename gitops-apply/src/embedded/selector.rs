//! Label selectors, and the field selectors that the API offers.

use gitops_core::Manifest;
pub(crate) use gitops_core::selector::Selector;
use serde_json::Value;

use super::status::ApiError;

impl From<gitops_core::selector::SelectorError> for ApiError {
    fn from(error: gitops_core::selector::SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// A parsed field selector; empty selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector {
    terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    /// Parses `metadata.name=web,status.phase!=Running`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for term in text.split(',').filter(|term| !term.is_empty()) {
            let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = term.split_once("==") {
                (path, true, value)
            } else if let Some((path, value)) = term.split_once('=') {
                (path, true, value)
            } else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            terms.push((path.trim().to_owned(), equal, value.trim().to_owned()));
        }
        Ok(Self { terms })
    }

    /// Refuses fields that the kind does not offer.
    pub(crate) fn check(&self, kind: &str) -> Result<(), ApiError> {
        for (path, ..) in &self.terms {
            let known = matches!(path.as_str(), "metadata.name" | "metadata.namespace")
                || match kind {
                    "Pod" => matches!(
                        path.as_str(),
                        "spec.nodeName"
                            | "spec.restartPolicy"
                            | "spec.schedulerName"
                            | "spec.serviceAccountName"
                            | "spec.hostNetwork"
                            | "status.phase"
                            | "status.podIP"
                            | "status.nominatedNodeName"
                    ),
                    "Secret" => path == "type",
                    "Namespace" => path == "status.phase",
                    "ReplicaSet" | "ReplicationController" => path == "status.replicas",
                    "Job" => path == "status.successful",
                    "Node" => path == "spec.unschedulable",
                    "Service" => matches!(path.as_str(), "spec.clusterIP" | "spec.type"),
                    "Event" => {
                        path.starts_with("involvedObject.")
                            || matches!(
                                path.as_str(),
                                "reason" | "type" | "source" | "reportingComponent"
                            )
                    }
                    _ => false,
                };
            if !known {
                return Err(ApiError::bad_request(format!(
                    "field label not supported: {path}"
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn matches(&self, object: &Manifest) -> bool {
        self.terms.iter().all(|(path, equal, wanted)| {
            let pointer = format!("/{}", path.replace('.', "/"));
            let actual = match object.pointer(&pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            };
            (actual == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(labels: Value) -> Manifest {
        Manifest::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}))
            .unwrap()
    }

    #[test]
    fn field_selectors() {
        let web = object(json!({}));
        assert!(
            FieldSelector::parse("metadata.name=x")
                .unwrap()
                .matches(&web)
        );
        assert!(
            !FieldSelector::parse("metadata.name!=x")
                .unwrap()
                .matches(&web)
        );
        assert!(
            FieldSelector::parse("spec.x=1")
                .unwrap()
                .check("ConfigMap")
                .is_err()
        );
    }
}
