//! A cluster in a file.
//!
//! The file is JSON: the version of Kubernetes, the revision, and all objects sorted by kind,
//! namespace and name. The same cluster gives the same bytes. It holds Secrets in clear, so it is
//! written for its owner only (mode 0600), and atomically: a crash leaves the old or the new file.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use gitops_core::{Classified, ErrorClass, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EmbeddedCluster, EmbeddedClusterBuilder};

/// The form of the file.
const FORMAT: &str = "gitops.embedded-cluster/1";
/// Files beyond this size are refused.
const LIMIT: u64 = 2 << 30;

/// An embedded cluster could not be made, loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The version of Kubernetes is not known.
    #[error("Kubernetes {version} is not bundled; choose one of {}", known.join(", "))]
    UnknownVersion {
        /// The version asked for.
        version: String,
        /// The versions that are there.
        known: Vec<String>,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file holds no embedded cluster.
    #[error("{} is not an embedded cluster: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Classified for EmbeddedError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorClass::NotFound
            }
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorClass::Forbidden
            }
            Self::File { .. } => ErrorClass::Unavailable,
            _ => ErrorClass::Invalid,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    format: String,
    pub(super) kubernetes: String,
    pub(super) seed: u64,
    pub(super) counter: u64,
    pub(super) revision: u64,
    pub(super) objects: Vec<Manifest>,
}

impl EmbeddedCluster {
    /// Loads a cluster that [`save`](Self::save) wrote, with the defaults of the builder otherwise.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, EmbeddedError> {
        Self::builder().load(path)
    }

    /// Writes the cluster to a file, atomically and for its owner only.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EmbeddedError> {
        let path = path.as_ref();
        let failed = |source| EmbeddedError::File {
            path: path.to_owned(),
            source,
        };
        let saved = {
            let server = self.shared.server();
            Saved {
                format: FORMAT.to_owned(),
                kubernetes: server.registry.discovery().version.clone(),
                seed: server.seed,
                counter: server.counter,
                revision: server.store.revision(),
                objects: server.store.all().cloned().collect(),
            }
        };
        let text = text_of(&saved);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.new"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        // A file that a crash left behind could have another mode.
        let _ = fs::remove_file(&temporary);
        let mut file = options.open(&temporary).map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        drop(file);
        fs::rename(&temporary, path).map_err(failed)
    }
}

impl EmbeddedClusterBuilder {
    /// Builds the cluster from a file that [`EmbeddedCluster::save`] wrote. The version of
    /// Kubernetes is that of the file.
    pub fn load(self, path: impl AsRef<Path>) -> Result<EmbeddedCluster, EmbeddedError> {
        let path = path.as_ref();
        let failed = |source| EmbeddedError::File {
            path: path.to_owned(),
            source,
        };
        let content = |reason: String| EmbeddedError::Content {
            path: path.to_owned(),
            reason,
        };
        let size = fs::metadata(path).map_err(failed)?.len();
        if size > LIMIT {
            return Err(content(format!(
                "it has {size} bytes, the limit is {LIMIT}"
            )));
        }
        let text = fs::read(path).map_err(failed)?;
        let saved: Saved =
            serde_json::from_slice(&text).map_err(|error| content(error.to_string()))?;
        if saved.format != FORMAT {
            return Err(content(format!(
                "its format is {:?}, known is {FORMAT:?}",
                saved.format
            )));
        }
        self.restore(saved)
    }
}

/// One object on a line, with sorted keys.
fn text_of(saved: &Saved) -> String {
    let mut text = format!(
        "{{\"format\":{},\"kubernetes\":{},\"seed\":{},\"counter\":{},\"revision\":{},\"objects\":[",
        Value::from(saved.format.as_str()),
        Value::from(saved.kubernetes.as_str()),
        saved.seed,
        saved.counter,
        saved.revision,
    );
    for (index, object) in saved.objects.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&sorted(&object.to_value()).to_string());
    }
    text.push_str("\n]}\n");
    text
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, v)| (key.clone(), sorted(v)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
