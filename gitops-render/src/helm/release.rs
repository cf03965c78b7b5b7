//! The release that a render is for: `.Release`.

use crate::{
    helm::{HelmError, Profile, values::put},
    template::{Map, Value},
};

/// Name and namespace of a release, and whether it is installed or upgraded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Release {
    /// `.Release.Name`.
    pub name: String,
    /// `.Release.Namespace`.
    pub namespace: String,
    /// `.Release.IsUpgrade`, and not `.Release.IsInstall`.
    pub is_upgrade: bool,
    /// `.Release.Revision`.
    pub revision: i64,
}

impl Release {
    /// The first installation of a release in the namespace `default`.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: "default".to_owned(),
            is_upgrade: false,
            revision: 1,
        }
    }

    /// The same in another namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The same as an upgrade.
    #[must_use]
    pub fn as_upgrade(mut self) -> Self {
        self.is_upgrade = true;
        self
    }

    /// Checks the name: at most 53 characters of a DNS name.
    pub(crate) fn check(&self, profile: &Profile) -> Result<(), HelmError> {
        let reason = if self.name.is_empty() {
            "no name provided"
        } else if self.name.len() > 53 || !is_dns_name(&self.name) {
            "invalid release name, must match regex ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
        } else {
            return Ok(());
        };
        let context = if profile.is_helm_4() {
            "release name check failed: "
        } else {
            ""
        };
        Err(HelmError::request(format!(
            "{context}release name {}: {reason}",
            gitops_core::go::quote(&self.name)
        )))
    }

    pub(crate) fn object(&self) -> Value {
        let map = Map::new();
        put(&map, "Name", self.name.as_str());
        put(&map, "Namespace", self.namespace.as_str());
        put(&map, "IsUpgrade", self.is_upgrade);
        put(&map, "IsInstall", !self.is_upgrade);
        put(&map, "Revision", Value::Int(self.revision));
        put(&map, "Service", "Helm");
        Value::Map(map)
    }
}

fn is_dns_name(name: &str) -> bool {
    name.split('.').all(|label| {
        let is_edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        match (bytes.first(), bytes.last()) {
            (Some(first), Some(last)) => {
                is_edge(*first) && is_edge(*last) && bytes.iter().all(|b| is_edge(*b) || *b == b'-')
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::is_dns_name;

    #[test]
    fn names_are_dns_names() {
        for (name, valid) in [
            ("a", true),
            ("a-b.c1", true),
            ("a-", false),
            ("a..b", false),
            ("A", false),
            ("", false),
        ] {
            assert_eq!(is_dns_name(name), valid, "{name}");
        }
    }
}
