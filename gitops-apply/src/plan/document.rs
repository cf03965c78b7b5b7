//! A plan on disk: a document to read and approve, and the payload beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gitops_core::{
    Classified, ErrorClass,
    plan::{Payload, Plan},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A plan could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFileError {
    /// A file could not be written or read.
    #[error("the plan file {} cannot be {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{} is not a plan: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The payload is not the one the document was made with.
    #[error("{} does not belong to {}; make the plan anew", payload.display(), document.display())]
    Mismatch {
        /// The document.
        document: PathBuf,
        /// The payload.
        payload: PathBuf,
    },
}

impl Classified for PlanFileError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorClass::NotFound
            }
            Self::Io { .. } => ErrorClass::Unavailable,
            Self::Malformed { .. } | Self::Mismatch { .. } => ErrorClass::Invalid,
        }
    }
}

/// Where the payload of a plan document is kept: the same name with `.payload` behind it.
#[must_use]
pub fn payload_path(document: &Path) -> PathBuf {
    let mut name = document.as_os_str().to_owned();
    name.push(".payload");
    PathBuf::from(name)
}

/// Writes the document and, readable by the owner only, the payload beside it.
///
/// # Errors
/// When a file cannot be written. The document is written last: where it is, the payload is whole.
pub fn save_plan(plan: &Plan, document: &Path) -> Result<(), PlanFileError> {
    let payload = payload_path(document);
    write(&payload, &plan.payload)?;
    write(document, plan)
}

/// Reads a document and its payload. The plan is not fresh: executing it checks that the cluster has
/// not moved on.
///
/// # Errors
/// When a file cannot be read, or the payload is another plan's.
pub fn load_plan(document: &Path) -> Result<Plan, PlanFileError> {
    let payload_file = payload_path(document);
    let mut plan: Plan = read(document)?;
    let payload: Payload = read(&payload_file)?;
    if digest(&payload) != plan.payload_digest {
        return Err(PlanFileError::Mismatch {
            document: document.to_owned(),
            payload: payload_file,
        });
    }
    plan.payload = payload;
    Ok(plan)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, PlanFileError> {
    let text = fs::read(path).map_err(|source| PlanFileError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| PlanFileError::Malformed {
        path: path.to_owned(),
        source,
    })
}

fn write<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), PlanFileError> {
    let failed = |source| PlanFileError::Io {
        path: path.to_owned(),
        action: "written",
        source,
    };
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| failed(io::Error::other(error)))?;
    text.push(b'\n');
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    create_private(&temporary, &text)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(failed)
}

fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// SHA-256 of a payload, in hex: of its JSON with sorted keys, so that it does not depend on the
/// order in which a build of serde_json keeps them.
#[must_use]
pub fn digest(payload: &Payload) -> String {
    let mut hash = Sha256::new();
    let mut text = Vec::new();
    for (index, object) in &payload.0 {
        hash.update(index.to_string().as_bytes());
        hash.update(b"\0");
        text.clear();
        write_map(&mut text, object.as_map());
        hash.update(&text);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn write_map(text: &mut Vec<u8>, map: &Map<String, Value>) {
    let mut fields: Vec<(&String, &Value)> = map.iter().collect();
    if !fields.is_sorted_by_key(|(key, _)| *key) {
        fields.sort_by_key(|(key, _)| *key);
    }
    text.push(b'{');
    for (key, value) in fields {
        write_scalar(text, key);
        text.push(b':');
        write_value(text, value);
        text.push(b',');
    }
    text.push(b'}');
}

fn write_value(text: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Object(map) => write_map(text, map),
        Value::Array(list) => {
            text.push(b'[');
            for item in list {
                write_value(text, item);
                text.push(b',');
            }
            text.push(b']');
        }
        scalar => write_scalar(text, scalar),
    }
}

fn write_scalar(text: &mut Vec<u8>, scalar: &impl serde::Serialize) {
    serde_json::to_writer(text, scalar).expect("scalars can be written to memory");
}

#[cfg(test)]
mod tests {
    use gitops_core::Manifest;
    use serde_json::json;

    use super::*;

    fn payload(data: Value) -> Payload {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "data": data});
        Payload([(0, Manifest::try_from(object).unwrap())].into())
    }

    #[test]
    fn a_digest_depends_on_content_and_not_on_the_order_of_keys() {
        let one = payload(json!({"a": "1", "b": ["x", 1]}));
        let other: Value = serde_json::from_str(r#"{"b": ["x", 1], "a": "1"}"#).unwrap();
        assert_eq!(digest(&one), digest(&payload(other)));
        assert_ne!(
            digest(&one),
            digest(&payload(json!({"a": "2", "b": ["x", 1]})))
        );
        assert_ne!(digest(&one), digest(&Payload::default()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load_plan(Path::new("/nowhere/change.plan")).unwrap_err();
        assert!(
            error.to_string().contains("/nowhere/change.plan"),
            "{error}"
        );
        assert_eq!(error.class(), ErrorClass::NotFound);
    }
}
