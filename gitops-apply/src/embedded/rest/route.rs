//! Addresses of the API.

use std::collections::BTreeMap;

use crate::embedded::status::{ApiError, Reason};

/// What a path names, and the query.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) query: Query,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Health,
    Version,
    CoreVersions,
    Groups,
    Group(String),
    Resources { group: String, version: String },
    OpenApiIndex,
    OpenApi { group: String, version: String },
    Objects(Objects),
}

/// Objects of a kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Objects {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    /// Empty for cluster-scoped kinds and all namespaces.
    pub(super) namespace: String,
    /// Empty for collections.
    pub(super) name: String,
    pub(super) subresource: String,
}

/// Query parameters, decoded.
#[derive(Debug, Default)]
pub(super) struct Query {
    values: BTreeMap<String, String>,
}

impl Query {
    fn parse(query: &str) -> Self {
        let values = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (decode(key, true), decode(value, true)))
            .collect();
        Self { values }
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1" | "True" | "t" | "T" | "TRUE")
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }
}

impl Route {
    pub(super) fn parse(path: &str, query: &str) -> Result<Self, ApiError> {
        let segments: Vec<String> = path
            .split('/')
            .filter(|s| !s.is_empty())
            .map(|s| decode(s, false))
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let target = target(&segments).ok_or_else(|| {
            ApiError::new(
                404,
                Reason::NotFound,
                "the server could not find the requested resource",
            )
        })?;
        Ok(Self {
            target,
            query: Query::parse(query),
        })
    }
}

fn target(segments: &[&str]) -> Option<Target> {
    let versioned = |group: &str, version: &str| Target::Resources {
        group: group.to_owned(),
        version: version.to_owned(),
    };
    let schemas = |group: &str, version: &str| Target::OpenApi {
        group: group.to_owned(),
        version: version.to_owned(),
    };
    Some(match segments {
        ["healthz" | "livez" | "readyz", ..] => Target::Health,
        ["version"] => Target::Version,
        ["api"] => Target::CoreVersions,
        ["apis"] => Target::Groups,
        ["api", version] => versioned("", version),
        ["apis", group] => Target::Group((*group).to_owned()),
        ["apis", group, version] => versioned(group, version),
        ["openapi", "v3"] => Target::OpenApiIndex,
        ["openapi", "v3", "api", version] => schemas("", version),
        ["openapi", "v3", "apis", group, version] => schemas(group, version),
        ["api", version, rest @ ..] => Target::Objects(objects("", version, rest)?),
        ["apis", group, version, rest @ ..] => Target::Objects(objects(group, version, rest)?),
        _ => return None,
    })
}

fn objects(group: &str, version: &str, segments: &[&str]) -> Option<Objects> {
    let (namespace, plural, name, subresource) = match segments {
        // The sub-resources of a namespace look like kinds in it.
        ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
            ("", "namespaces", *name, *sub)
        }
        ["namespaces", namespace, plural, rest @ ..] => match rest {
            [] => (*namespace, *plural, "", ""),
            [name] => (*namespace, *plural, *name, ""),
            [name, sub] => (*namespace, *plural, *name, *sub),
            _ => return None,
        },
        [plural] => ("", *plural, "", ""),
        [plural, name] => ("", *plural, *name, ""),
        [plural, name, sub] => ("", *plural, *name, *sub),
        _ => return None,
    };
    Some(Objects {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
    })
}

/// Percent-decoding; what is not valid stays as it is.
fn decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        match bytes[index] {
            b'%' => match (digit(index + 1), digit(index + 2)) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    index += 3;
                    continue;
                }
                _ => out.push(b'%'),
            },
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Objects {
        match Route::parse(path, "").unwrap().target {
            Target::Objects(objects) => objects,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths() {
        let pod = found("/api/v1/namespaces/shop/pods/web/status");
        assert_eq!(
            (
                pod.namespace.as_str(),
                pod.plural.as_str(),
                pod.name.as_str(),
                pod.subresource.as_str()
            ),
            ("shop", "pods", "web", "status")
        );
        let namespace = found("/api/v1/namespaces/shop");
        assert_eq!(
            (namespace.plural.as_str(), namespace.name.as_str()),
            ("namespaces", "shop")
        );
        let role = found("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode");
        assert_eq!(role.name, "system:node");
        assert!(Route::parse("/nope", "").is_err());
    }

    #[test]
    fn queries() {
        let route =
            Route::parse("/api/v1/pods", "labelSelector=a%3Db%2Cc&watch=1&limit=5").unwrap();
        assert_eq!(route.query.text("labelSelector"), "a=b,c");
        assert!(route.query.flag("watch"));
        assert_eq!(route.query.number("limit"), Some(5));
    }
}
