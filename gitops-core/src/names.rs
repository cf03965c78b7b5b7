//! Rules for names, labels and keys, with the wording of apimachinery's validation.

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// How objects of a kind are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameRule {
    /// RFC 1123 subdomain: most kinds.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label: Services.
    Label1035,
    /// A path segment: RBAC, and kinds that take over foreign names.
    PathSegment,
}

impl NameRule {
    /// The rule of a kind.
    #[must_use]
    pub fn of(group: &str, kind: &str) -> Self {
        match (group, kind) {
            ("rbac.authorization.k8s.io", _) | ("apiregistration.k8s.io", _) => Self::PathSegment,
            ("", "Service") => Self::Label1035,
            ("", "Namespace") => Self::Label,
            _ => Self::Subdomain,
        }
    }

    /// Checks a name; the error is the reason. `prefix` says that the name is the start of a generated one.
    pub fn check(self, name: &str, prefix: bool) -> Result<(), String> {
        // A generated name goes on behind a trailing dash.
        let name = if prefix {
            name.trim_end_matches('-')
        } else {
            name
        };
        if prefix && name.is_empty() {
            return Ok(());
        }
        match self {
            Self::Subdomain => dns_subdomain(name),
            Self::Label => dns_label(name),
            Self::Label1035 => dns_1035(name),
            Self::PathSegment => path_segment(name),
        }
    }
}

/// An RFC 1123 label.
pub fn dns_label(name: &str) -> Result<(), String> {
    too_long(name, 63)?;
    if is_dns(name) {
        return Ok(());
    }
    Err(if dns_subdomain(name).is_ok() {
        "must not contain dots".to_owned()
    } else {
        DNS_LABEL.to_owned()
    })
}

/// An RFC 1123 subdomain.
pub fn dns_subdomain(name: &str) -> Result<(), String> {
    too_long(name, 253)?;
    name.split('.')
        .all(is_dns)
        .then_some(())
        .ok_or_else(|| DNS_SUBDOMAIN.to_owned())
}

/// An RFC 1035 label.
pub fn dns_1035(name: &str) -> Result<(), String> {
    too_long(name, 63)?;
    (is_dns(name) && name.starts_with(|c: char| c.is_ascii_lowercase()))
        .then_some(())
        .ok_or_else(|| DNS_1035.to_owned())
}

fn path_segment(name: &str) -> Result<(), String> {
    if name == "." || name == ".." {
        return Err(format!("may not be '{name}'"));
    }
    match name.chars().find(|c| *c == '/' || *c == '%') {
        Some(c) => Err(format!("may not contain '{c}'")),
        None => Ok(()),
    }
}

/// A key of a label or annotation: an optional DNS prefix and a name.
pub fn qualified_name(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Err("prefix part must be non-empty".to_owned());
        }
        dns_subdomain(prefix).map_err(|reason| format!("prefix part {reason}"))?;
        if name.contains('/') {
            return Err(format!(
                "a qualified name {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                QUALIFIED.trim_start_matches("name part ")
            ));
        }
    }
    if name.is_empty() {
        return Err("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Err("name part must be no more than 63 bytes".to_owned());
    }
    is_word(name)
        .then_some(())
        .ok_or_else(|| QUALIFIED.to_owned())
}

/// A value of a label.
pub fn label_value(value: &str) -> Result<(), String> {
    if value.len() > 63 {
        return Err("must be no more than 63 bytes".to_owned());
    }
    (value.is_empty() || is_word(value))
        .then_some(())
        .ok_or_else(|| LABEL_VALUE.to_owned())
}

/// A key of a ConfigMap or Secret.
pub fn config_key(key: &str) -> Result<(), String> {
    too_long(key, 253)?;
    if key == "." || key == ".." {
        return Err(format!("must not be '{key}'"));
    }
    if key.starts_with("..") {
        return Err("must not start with '..'".to_owned());
    }
    let valid = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    valid.then_some(()).ok_or_else(|| CONFIG_KEY.to_owned())
}

fn too_long(name: &str, limit: usize) -> Result<(), String> {
    if name.len() > limit {
        return Err(format!("must be no more than {limit} bytes"));
    }
    Ok(())
}

fn is_dns(label: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match label.as_bytes() {
        [] => false,
        [only] => alphanumeric(*only),
        [first, middle @ .., last] => {
            alphanumeric(*first)
                && alphanumeric(*last)
                && middle.iter().all(|b| alphanumeric(*b) || *b == b'-')
        }
    }
}

fn is_word(text: &str) -> bool {
    match text.as_bytes() {
        [] => false,
        [only] => only.is_ascii_alphanumeric(),
        [first, middle @ .., last] => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && middle
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_per_kind() {
        assert!(NameRule::of("", "Service").check("1a", false).is_err());
        assert!(NameRule::of("", "Service").check("a-1", false).is_ok());
        assert!(NameRule::of("", "Namespace").check("a.b", false).is_err());
        assert!(
            NameRule::of("apps", "Deployment")
                .check("a.b", false)
                .is_ok()
        );
        assert!(
            NameRule::of("apps", "Deployment")
                .check("A", false)
                .is_err()
        );
        let rbac = NameRule::of("rbac.authorization.k8s.io", "ClusterRole");
        assert!(rbac.check("system:node", false).is_ok());
        assert!(rbac.check("a/b", false).is_err());
        assert!(NameRule::Subdomain.check("gen-", true).is_ok());
        assert!(NameRule::Subdomain.check("gen-", false).is_err());
    }

    #[test]
    fn labels_and_keys() {
        assert!(qualified_name("app.kubernetes.io/name").is_ok());
        assert!(qualified_name("a b").is_err());
        assert!(qualified_name("/a").is_err());
        assert!(qualified_name(&"a".repeat(64)).is_err());
        assert!(label_value("").is_ok());
        assert!(label_value("a b").is_err());
        assert!(config_key("a/b").is_err());
        assert!(config_key("..a").is_err());
        assert!(config_key("tls.crt").is_ok());
    }
}
