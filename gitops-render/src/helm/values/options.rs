//! The flags that give values, merged in Helm's order.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::helm::{
    HelmError, Profile, Values,
    values::{
        merge_tables, numbers_as_floats, read_values,
        strvals::{Reading, set, without_lone_surrogates},
    },
};

/// The flags of `helm template` that give values. Whatever their order on the command line, files
/// come first, then `--set-json`, `--set`, `--set-string`, `--set-file` and `--set-literal`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueOptions {
    /// `--values`: names of files.
    pub files: Vec<String>,
    /// `--set-json`.
    pub set_json: Vec<String>,
    /// `--set`.
    pub set: Vec<String>,
    /// `--set-string`.
    pub set_string: Vec<String>,
    /// `--set-file`: the values are names of files.
    pub set_file: Vec<String>,
    /// `--set-literal`.
    pub set_literal: Vec<String>,
}

/// Reads the files that options name. The error is the text to show.
pub trait ReadFile {
    /// The content of a file.
    fn read_file(&self, name: &str) -> Result<Bytes, String>;
}

impl<F: Fn(&str) -> Result<Bytes, String>> ReadFile for F {
    fn read_file(&self, name: &str) -> Result<Bytes, String> {
        self(name)
    }
}

impl ValueOptions {
    /// Reads and merges everything.
    pub fn merge(&self, profile: &Profile, files: &dyn ReadFile) -> Result<Values, HelmError> {
        let mut base = Map::new();
        for name in &self.files {
            let content = files.read_file(name).map_err(HelmError::values)?;
            let table = read_values(&content, profile.values_documents)
                .map_err(|error| HelmError::values(format!("failed to parse {name}: {error}")))?;
            merge_tables(&mut base, table);
        }
        // Helm 4 takes the end of a text inside an index for the end of its work.
        let end_is_fine = profile.is_helm_4();
        for text in &self.set_json {
            set_json(text, &mut base, profile)?;
        }
        let failed = |flag: &'static str| {
            move |error| HelmError::values(format!("failed parsing --{flag} data: {error}"))
        };
        for text in &self.set {
            set(text, &mut base, Reading::Typed, end_is_fine).map_err(failed("set"))?;
        }
        for text in &self.set_string {
            set(text, &mut base, Reading::String, end_is_fine).map_err(failed("set-string"))?;
        }
        for text in &self.set_file {
            let read = |name: &str| {
                let content = files.read_file(name)?;
                Ok(String::from_utf8_lossy(&content).into_owned())
            };
            set(text, &mut base, Reading::File(&read), end_is_fine).map_err(failed("set-file"))?;
        }
        for text in &self.set_literal {
            set(text, &mut base, Reading::Literal, end_is_fine).map_err(failed("set-literal"))?;
        }
        Ok(Values::from_table(base))
    }
}

fn set_json(text: &str, base: &mut Map<String, Value>, profile: &Profile) -> Result<(), HelmError> {
    let trimmed = text.trim();
    if profile.set_json_objects && trimmed.starts_with('{') {
        let trimmed = without_lone_surrogates(trimmed.to_owned());
        let object = serde_json::from_str(&trimmed).map(numbers_as_floats);
        let Ok(Value::Object(object)) = object else {
            return Err(HelmError::values(format!(
                "failed parsing --set-json data JSON: {text}"
            )));
        };
        merge_tables(base, object);
        return Ok(());
    }
    set(text, base, Reading::Json, profile.is_helm_4())
        .map_err(|_| HelmError::values(format!("failed parsing --set-json data {text}")))
}
