//! `index.yaml`.

use std::collections::BTreeMap;

use gitops_core::{
    source::SourceError,
    version::{Constraint, Version},
};
use serde_json::Value;

use crate::repositories::fetch::shown;

/// The charts of a repository.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<String, Vec<Entry>>,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) version: String,
    pub(super) urls: Vec<String>,
    pub(super) digest: String,
}

impl Index {
    /// Entries that cannot be used are left out, as Helm leaves them out.
    pub(super) fn parse(content: &[u8]) -> Result<Self, String> {
        if content.is_empty() {
            return Err("it is empty".to_owned());
        }
        let value: Value = match serde_json::from_slice(content) {
            Ok(value) => value,
            Err(_) => gitops_core::yaml::from_slice(content).map_err(|error| error.to_string())?,
        };
        if value.get("apiVersion").and_then(Value::as_str).is_none() {
            return Err("no API version specified".to_owned());
        }
        let mut index = Self::default();
        let charts = value.get("entries").and_then(Value::as_object);
        for (name, versions) in charts.into_iter().flatten() {
            let entries = versions.as_array().into_iter().flatten();
            let entries = entries.filter_map(Entry::read).collect();
            index.entries.insert(name.clone(), entries);
        }
        Ok(index)
    }

    /// The entry of an exact version, else the highest that a range allows. Without a version it is
    /// the highest that is no pre-release.
    pub(super) fn find(
        &self,
        repository: &str,
        chart: &str,
        version: &str,
    ) -> Result<&Entry, SourceError> {
        let unknown = || SourceError::UnknownRevision {
            url: shown(repository),
            revision: format!("{chart} {version}"),
        };
        let entries = self.entries.get(chart).ok_or_else(unknown)?;
        if let Some(entry) = entries.iter().find(|entry| entry.version == version) {
            return Ok(entry);
        }
        let range = if version.is_empty() { "*" } else { version };
        let range = Constraint::parse(range).map_err(|error| SourceError::InvalidUrl {
            url: shown(repository),
            reason: format!("the version {version:?} of {chart} is no version or range: {error}"),
        })?;
        let mut best: Option<(Version, &Entry)> = None;
        for entry in entries {
            let Ok(version) = Version::parse(&entry.version) else {
                continue;
            };
            let is_better = best.as_ref().is_none_or(|(best, _)| version > *best);
            if is_better && !entry.urls.is_empty() && range.matches(&version) {
                best = Some((version, entry));
            }
        }
        best.map(|(_, entry)| entry).ok_or_else(unknown)
    }

    pub(super) fn has(&self, chart: &str, version: &str) -> bool {
        self.entries
            .get(chart)
            .is_some_and(|entries| entries.iter().any(|entry| entry.version == version))
    }
}

impl Entry {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| match value.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let version = text("version");
        if version.is_empty() || text("name").is_empty() {
            return None;
        }
        let urls = value.get("urls").and_then(Value::as_array);
        Some(Self {
            version,
            digest: text("digest"),
            urls: urls
                .into_iter()
                .flatten()
                .filter_map(|url| url.as_str().map(str::to_owned))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn the_highest_version_that_fits_is_found() {
        let index = Index::parse(
            b"apiVersion: v1
entries:
  web:
  - {name: web, version: 1.2.0, urls: [a]}
  - {name: web, version: 1.10.0, urls: [b]}
  - {name: web, version: 2.0.0-rc1, urls: [c]}
  - {name: web, version: 2.0.0+x, urls: []}
  - null
",
        )
        .unwrap();
        let find = |version| {
            index
                .find("u", "web", version)
                .map(|entry| entry.version.as_str())
        };
        assert_eq!(find("").unwrap(), "1.10.0");
        assert_eq!(find("1.2.0").unwrap(), "1.2.0");
        assert_eq!(find("~1.2").unwrap(), "1.2.0");
        assert_eq!(find(">=1.0.0-0").unwrap(), "2.0.0-rc1");
        assert!(find("3.*").is_err());
        assert!(find("nonsense").is_err());
        assert!(Index::parse(b"entries: {}").is_err());
    }
}
