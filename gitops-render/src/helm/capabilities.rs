//! What charts are told about the cluster: `.Capabilities`.

use gitops_core::go::quote;

use crate::helm::{HelmError, Profile};

/// A version of Kubernetes as charts see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct KubeVersion {
    /// `Version` and `GitVersion`, with a leading `v`.
    pub version: String,
    /// The numbers alone, with a leading `v`; ranges are compared with these.
    pub normalized: String,
    /// `Major`.
    pub major: String,
    /// `Minor`.
    pub minor: String,
}

impl KubeVersion {
    /// Reads a version as `--kube-version` takes it: two or more numbers, then anything.
    pub fn parse(text: &str, profile: &Profile) -> Result<Self, HelmError> {
        let invalid = |reason: String| {
            // Helm 3 and 4 agree on this text.
            HelmError::request(format!("invalid kube version '{text}': {reason}"))
        };
        let unreadable = || invalid(format!("could not parse {} as version", quote(text)));
        let trimmed = text.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
        let body = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let mut end = 0;
        for (i, part) in body.split('.').enumerate() {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                break;
            }
            end += digits + usize::from(i > 0);
            if digits < part.len() {
                break;
            }
        }
        if end == 0 || body[end..].contains('\n') {
            return Err(unreadable());
        }
        let numbers: Vec<&str> = body[..end].split('.').collect();
        if numbers.len() < 2 {
            return Err(invalid(format!("illegal version string {}", quote(text))));
        }
        if numbers[0].starts_with('0') && numbers[0] != "0" {
            return Err(invalid(format!(
                "illegal zero-prefixed version component {} in {}",
                quote(numbers[0]),
                quote(text)
            )));
        }
        let mut parsed = Vec::new();
        for number in numbers {
            let value: u64 = number.parse().map_err(|_| {
                invalid(format!(
                    "illegal non-numeric version component {} in {}: strconv.ParseUint: parsing {}: value out of range",
                    quote(number),
                    quote(text),
                    quote(number)
                ))
            })?;
            parsed.push(value.to_string());
        }
        let normalized = format!("v{}", parsed.join("."));
        let version = if !profile.kube_version_suffix {
            normalized.clone()
        } else if text.starts_with('v') {
            text.to_owned()
        } else {
            format!("v{text}")
        };
        Ok(Self {
            version,
            normalized,
            major: parsed[0].clone(),
            minor: parsed[1].clone(),
        })
    }

    /// The version that charts see where none is given.
    #[must_use]
    pub fn default_of(profile: &Profile) -> Self {
        let version = format!("v1.{}.0", profile.kubernetes_minor);
        Self {
            version: version.clone(),
            normalized: version,
            major: "1".to_owned(),
            minor: profile.kubernetes_minor.to_string(),
        }
    }
}

/// What charts are told about the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `.KubeVersion`.
    pub kube_version: KubeVersion,
    /// `.APIVersions`.
    pub api_versions: Vec<String>,
}

impl Capabilities {
    /// What Helm tells without a cluster.
    #[must_use]
    pub fn default_of(profile: &Profile) -> Self {
        Self {
            kube_version: KubeVersion::default_of(profile),
            api_versions: DEFAULT_API_VERSIONS.map(str::to_owned).to_vec(),
        }
    }
}

/// The API versions that Helm is built with, in its order.
pub const DEFAULT_API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_kubernetes_reads_them() {
        let (v3, v4) = (Profile::helm_3_22(), Profile::helm_4_3());
        let version = KubeVersion::parse("v1.33.4-gke.1", &v4).unwrap();
        assert_eq!(version.version, "v1.33.4-gke.1");
        assert_eq!(version.normalized, "v1.33.4");
        assert_eq!((&*version.major, &*version.minor), ("1", "33"));
        let version = KubeVersion::parse("1.33.4-gke.1", &v3).unwrap();
        assert_eq!(version.version, "v1.33.4");
        for (text, reason) in [
            (
                "abc",
                "invalid kube version 'abc': could not parse \"abc\" as version",
            ),
            (
                "1",
                "invalid kube version '1': illegal version string \"1\"",
            ),
            (
                "1.",
                "invalid kube version '1.': illegal version string \"1.\"",
            ),
        ] {
            assert_eq!(
                KubeVersion::parse(text, &v4).unwrap_err().to_string(),
                reason
            );
        }
    }
}
