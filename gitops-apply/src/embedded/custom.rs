//! CustomResourceDefinitions: what they define, and their two API versions.

use std::{cmp::Ordering, sync::Arc};

use gitops_core::{Manifest, Scope, cluster::ServedKind, schema::Schema};
use serde_json::{Map, Value, json};

use super::{names, status::FieldError, structural::Structural};

/// What a CustomResourceDefinition defines.
#[derive(Debug, Clone)]
pub(crate) struct CustomDefinition {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) scope: Scope,
    pub(crate) short_names: Vec<String>,
    pub(crate) stored_version: String,
    pub(crate) versions: Vec<Arc<CustomVersion>>,
}

/// One version of a custom kind.
#[derive(Debug, Clone)]
pub(crate) struct CustomVersion {
    pub(crate) name: String,
    pub(crate) served: bool,
    pub(crate) has_status: bool,
    pub(crate) has_scale: bool,
    /// Keeps fields that the schema does not know.
    pub(crate) preserves_unknown: bool,
    pub(crate) structural: Option<Structural>,
    pub(crate) has_defaults: bool,
    pub(crate) schema: Option<Arc<Schema>>,
}

impl CustomDefinition {
    /// Reads a definition in its `v1` form.
    pub(crate) fn parse(crd: &Manifest) -> Option<Self> {
        let spec = crd.as_map().get("spec")?;
        let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
        let names = spec.get("names")?;
        let preserves_unknown = spec
            .get("preserveUnknownFields")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let mut stored_version = None;
        let mut versions = Vec::new();
        for version in spec.get("versions")?.as_array()? {
            let name = text(version, "name")?;
            if version.get("storage").and_then(Value::as_bool) == Some(true) {
                stored_version = Some(name.clone());
            }
            let open_api = version
                .get("schema")
                .and_then(|s| s.get("openAPIV3Schema"))
                .cloned();
            let sub = |key: &str| {
                version
                    .get("subresources")
                    .is_some_and(|s| s.get(key).is_some())
            };
            let structural = open_api.as_ref().map(Structural::parse);
            versions.push(Arc::new(CustomVersion {
                has_defaults: structural.as_ref().is_some_and(Structural::has_defaults),
                served: version
                    .get("served")
                    .and_then(Value::as_bool)
                    .unwrap_or(false),
                has_status: sub("status"),
                has_scale: sub("scale"),
                preserves_unknown: preserves_unknown || open_api.is_none(),
                structural,
                schema: super::merge::schema_of_definition(
                    open_api.as_ref(),
                    preserves_unknown || open_api.is_none(),
                ),
                name,
            }));
        }
        Some(Self {
            name: crd.name().to_owned(),
            group: text(spec, "group")?,
            kind: text(names, "kind")?,
            plural: text(names, "plural")?,
            scope: match spec.get("scope")?.as_str()? {
                "Cluster" => Scope::Cluster,
                _ => Scope::Namespaced,
            },
            short_names: names
                .get("shortNames")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            stored_version: stored_version.or_else(|| Some(versions.first()?.name.clone()))?,
            versions,
        })
    }

    pub(crate) fn served_kind(&self, version: &CustomVersion) -> ServedKind {
        let verbs = [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ];
        let mut subresources = Vec::new();
        if version.has_scale {
            subresources.push("scale".to_owned());
        }
        if version.has_status {
            subresources.push("status".to_owned());
        }
        ServedKind {
            plural: self.plural.clone(),
            scope: self.scope,
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            subresources,
            short_names: self.short_names.clone(),
        }
    }
}

/// What the API server fills in, at the version in which the definition is written.
pub(crate) fn fill_defaults(crd: &mut Map<String, Value>) {
    let is_v1 = crd.get("apiVersion").and_then(Value::as_str) == Some("apiextensions.k8s.io/v1");
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if !is_v1
        && spec
            .get("scope")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    {
        spec.insert("scope".to_owned(), "Namespaced".into());
    }
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut)
        && let Some(kind) = names.get("kind").and_then(Value::as_str).map(str::to_owned)
    {
        let is_empty = |names: &Map<String, Value>, key: &str| {
            names
                .get(key)
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
        };
        if is_empty(names, "singular") {
            names.insert("singular".to_owned(), kind.to_lowercase().into());
        }
        if is_empty(names, "listKind") {
            names.insert("listKind".to_owned(), format!("{kind}List").into());
        }
    }
    let conversion = spec
        .entry("conversion")
        .or_insert_with(|| json!({"strategy": "None"}));
    if let Some(client) = conversion
        .get_mut("webhook")
        .and_then(|w| w.get_mut("clientConfig"))
        .and_then(|c| c.get_mut("service"))
        .and_then(Value::as_object_mut)
    {
        client.entry("port").or_insert_with(|| 443.into());
    }
    if !is_v1 {
        spec.entry("preserveUnknownFields")
            .or_insert(Value::Bool(true));
    } else if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.remove("preserveUnknownFields");
    }
}

/// What is wrong with a definition, in its `v1` form. `lenient` is what `v1beta1` lets through.
pub(crate) fn validate(crd: &Manifest, lenient: bool, errors: &mut Vec<FieldError>) {
    let Some(spec) = crd.as_map().get("spec").filter(|spec| spec.is_object()) else {
        errors.push(FieldError::required("spec.group", ""));
        errors.push(FieldError::required("spec.versions", ""));
        return;
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let group = text(spec.get("group"));
    let names = spec.get("names");
    let plural = text(names.and_then(|n| n.get("plural")));
    let kind = text(names.and_then(|n| n.get("kind")));
    if !group.is_empty() || !plural.is_empty() {
        let wanted = format!("{plural}.{group}");
        if crd.name() != wanted {
            errors.push(FieldError::invalid(
                "metadata.name",
                &crd.name().into(),
                "must be spec.names.plural+\".\"+spec.group",
            ));
        }
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if let Err(reason) = names::dns_subdomain(&group) {
        errors.push(FieldError::invalid("spec.group", &group.into(), &reason));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(
            "spec.group",
            &group.into(),
            "should be a domain with at least one dot",
        ));
    }
    let scope = text(spec.get("scope"));
    if scope.is_empty() {
        errors.push(FieldError::required("spec.scope", ""));
    } else if !matches!(scope.as_str(), "Cluster" | "Namespaced") {
        errors.push(FieldError::not_supported(
            "spec.scope",
            &scope.into(),
            &["Cluster", "Namespaced"],
        ));
    }
    let versions = spec
        .get("versions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let stored = versions
        .iter()
        .filter(|v| v.get("storage").and_then(Value::as_bool) == Some(true))
        .count();
    if versions.is_empty() {
        errors.push(FieldError::required("spec.versions", ""));
    } else if stored != 1 {
        errors.push(FieldError::invalid(
            "spec.versions",
            &Value::Array(versions.clone()),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        let name = text(version.get("name"));
        if let Err(reason) = names::dns_1035(&name) {
            errors.push(FieldError::invalid(
                format!("spec.versions[{index}].name"),
                &name.into(),
                &reason,
            ));
        }
        let schema = version.get("schema").and_then(|s| s.get("openAPIV3Schema"));
        match schema {
            None if !lenient => errors.push(FieldError::required(
                format!("spec.versions[{index}].schema.openAPIV3Schema"),
                "schemas are required",
            )),
            Some(schema)
                if !lenient && schema.get("type").and_then(Value::as_str) != Some("object") =>
            {
                let path = format!("spec.versions[{index}].schema.openAPIV3Schema.type");
                match schema.get("type") {
                    None => {
                        errors.push(FieldError::required(path, "must not be empty at the root"))
                    }
                    Some(found) => {
                        errors.push(FieldError::invalid(
                            path,
                            found,
                            "must be object at the root",
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    if !lenient && spec.get("preserveUnknownFields").and_then(Value::as_bool) == Some(true) {
        errors.push(FieldError::invalid(
            "spec.preserveUnknownFields",
            &Value::Bool(true),
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        ));
    }
    if plural.is_empty() {
        errors.push(FieldError::required("spec.names.plural", ""));
    } else if let Err(reason) = names::dns_1035(&plural) {
        errors.push(FieldError::invalid(
            "spec.names.plural",
            &plural.into(),
            &reason,
        ));
    }
    if kind.is_empty() {
        errors.push(FieldError::required("spec.names.kind", ""));
    }
}

/// The `v1` form of a `v1beta1` definition.
pub(crate) fn to_v1(crd: &mut Map<String, Value>) {
    crd.insert("apiVersion".to_owned(), "apiextensions.k8s.io/v1".into());
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let version = spec.remove("version");
    let validation = spec.remove("validation");
    let subresources = spec.remove("subresources");
    let columns = spec.remove("additionalPrinterColumns");
    let mut versions = match spec.remove("versions") {
        Some(Value::Array(versions)) if !versions.is_empty() => versions,
        _ => version
            .map(|name| vec![json!({"name": name, "served": true, "storage": true})])
            .unwrap_or_default(),
    };
    for version in versions.iter_mut().filter_map(Value::as_object_mut) {
        for (key, shared) in [
            ("schema", &validation),
            ("subresources", &subresources),
            ("additionalPrinterColumns", &columns),
        ] {
            if let Some(shared) = shared
                && !version.contains_key(key)
            {
                version.insert(key.to_owned(), shared.clone());
            }
        }
        rename_in_columns(version, "JSONPath", "jsonPath");
    }
    spec.insert("versions".to_owned(), Value::Array(versions));
    // `false` is what v1 has where nothing is said.
    if *spec
        .entry("preserveUnknownFields")
        .or_insert(Value::Bool(true))
        == Value::Bool(false)
    {
        spec.remove("preserveUnknownFields");
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        let client = conversion.remove("webhookClientConfig");
        let reviews = conversion.remove("conversionReviewVersions");
        if client.is_some()
            || (reviews.is_some() && conversion.get("strategy") == Some(&"Webhook".into()))
        {
            let mut webhook = Map::new();
            webhook.extend(client.map(|client| ("clientConfig".to_owned(), client)));
            webhook.extend(reviews.map(|reviews| ("conversionReviewVersions".to_owned(), reviews)));
            conversion.insert("webhook".to_owned(), Value::Object(webhook));
        }
    }
}

/// The `v1beta1` form of a `v1` definition.
pub(crate) fn to_v1beta1(crd: &mut Map<String, Value>) {
    crd.insert(
        "apiVersion".to_owned(),
        "apiextensions.k8s.io/v1beta1".into(),
    );
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let mut shared = Vec::new();
    if let Some(versions) = spec.get_mut("versions").and_then(Value::as_array_mut) {
        for version in versions.iter_mut().filter_map(Value::as_object_mut) {
            rename_in_columns(version, "jsonPath", "JSONPath");
        }
        for (per_version, top) in [
            ("schema", "validation"),
            ("subresources", "subresources"),
            ("additionalPrinterColumns", "additionalPrinterColumns"),
        ] {
            let first = versions.first().and_then(|v| v.get(per_version)).cloned();
            if let Some(first) = first
                && versions.iter().all(|v| v.get(per_version) == Some(&first))
            {
                for version in versions.iter_mut().filter_map(Value::as_object_mut) {
                    version.remove(per_version);
                }
                shared.push((top, first));
            }
        }
        if let Some(name) = versions.first().and_then(|v| v.get("name")).cloned() {
            shared.push(("version", name));
        }
    }
    spec.extend(
        shared
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value)),
    );
    spec.entry("preserveUnknownFields")
        .or_insert(Value::Bool(false));
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut)
        && let Some(Value::Object(mut webhook)) = conversion.remove("webhook")
    {
        if let Some(client) = webhook.remove("clientConfig") {
            conversion.insert("webhookClientConfig".to_owned(), client);
        }
        if let Some(reviews) = webhook.remove("conversionReviewVersions") {
            conversion.insert("conversionReviewVersions".to_owned(), reviews);
        }
    }
}

fn rename_in_columns(version: &mut Map<String, Value>, from: &str, to: &str) {
    let columns = version
        .get_mut("additionalPrinterColumns")
        .and_then(Value::as_array_mut);
    for column in columns
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if let Some(path) = column.remove(from) {
            column.insert(to.to_owned(), path);
        }
    }
}

/// Orders versions as Kubernetes prefers them: `v2` before `v1` before `v1beta2` before `v1alpha1`
/// before `foo`. Greater is better.
pub(crate) fn version_priority(version: &str) -> impl Ord + use<> {
    #[derive(PartialEq, Eq)]
    struct Priority {
        stability: u8,
        major: u64,
        minor: u64,
        text: std::cmp::Reverse<String>,
    }
    impl Ord for Priority {
        fn cmp(&self, other: &Self) -> Ordering {
            (self.stability, self.major, self.minor, &self.text).cmp(&(
                other.stability,
                other.major,
                other.minor,
                &other.text,
            ))
        }
    }
    impl PartialOrd for Priority {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    let parsed = (|| {
        let rest = version.strip_prefix('v')?;
        for (stability, word) in [(2, "beta"), (1, "alpha")] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some((stability, major.parse().ok()?, minor.parse().ok()?));
            }
        }
        Some((3, rest.parse().ok()?, 0))
    })();
    let (stability, major, minor) = parsed.unwrap_or((0, 0, 0));
    Priority {
        stability,
        major,
        minor,
        text: std::cmp::Reverse(version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities() {
        let mut versions = [
            "foo1",
            "v1alpha1",
            "v10",
            "v1",
            "v11beta2",
            "v2",
            "v12alpha1",
            "v3beta1",
            "foo10",
        ];
        versions.sort_by_key(|version| std::cmp::Reverse(version_priority(version)));
        assert_eq!(
            versions,
            [
                "v10",
                "v2",
                "v1",
                "v11beta2",
                "v3beta1",
                "v12alpha1",
                "v1alpha1",
                "foo1",
                "foo10"
            ]
        );
    }

    #[test]
    fn v1beta1_round_trip() {
        let beta = json!({
            "apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "foos.ex.io"},
            "spec": {
                "group": "ex.io", "version": "v1", "scope": "Namespaced",
                "names": {"plural": "foos", "kind": "Foo"},
                "preserveUnknownFields": true,
                "validation": {"openAPIV3Schema": {"type": "object"}},
                "additionalPrinterColumns": [{"name": "Age", "type": "date", "JSONPath": ".x"}],
                "versions": [{"name": "v1", "served": true, "storage": true}],
            },
        });
        let mut object = beta.as_object().unwrap().clone();
        to_v1(&mut object);
        assert_eq!(
            object["spec"]["versions"][0]["additionalPrinterColumns"][0]["jsonPath"],
            ".x"
        );
        assert_eq!(
            object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"],
            "object"
        );
        to_v1beta1(&mut object);
        assert_eq!(Value::Object(object), beta);
    }
}
