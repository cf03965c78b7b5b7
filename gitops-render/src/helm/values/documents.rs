//! Values files: which of their documents count.

use gitops_core::yaml;
use serde_json::{Map, Value};

use crate::{
    helm::{
        chart::parse_yaml,
        profile::ValuesDocuments,
        values::{go_type, merge_tables, numbers_as_floats},
    },
    template::lossy,
};

/// Reads a values file. The error is Helm's text.
pub(crate) fn read_values(
    text: &[u8],
    documents: ValuesDocuments,
) -> Result<Map<String, Value>, String> {
    match documents {
        ValuesDocuments::First => table(text),
        ValuesDocuments::All => {
            let mut values = Map::new();
            for document in yaml::chunks(&lossy(text)) {
                let document =
                    document.map_err(|error| format!("error reading yaml document: {error}"))?;
                let table = table(document.as_bytes())
                    .map_err(|error| format!("cannot unmarshal yaml document: {error}"))?;
                merge_tables(&mut values, table);
            }
            Ok(values)
        }
    }
}

fn table(text: &[u8]) -> Result<Map<String, Value>, String> {
    match parse_yaml(text)? {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => match numbers_as_floats(Value::Object(object)) {
            Value::Object(object) => Ok(object),
            _ => Ok(Map::new()),
        },
        other => {
            let found = match &other {
                Value::Array(_) => "array",
                Value::Number(_) => "number",
                other => go_type(other),
            };
            Err(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_documents_win_where_all_count() {
        let yaml = b"a: 1\nb: {c: 1}\n---\nb: {d: 2}\n";
        let all = read_values(yaml, ValuesDocuments::All).unwrap();
        assert_eq!(
            Value::Object(all)["b"],
            serde_json::json!({"c": 1.0, "d": 2.0})
        );
        let first = read_values(yaml, ValuesDocuments::First).unwrap();
        assert_eq!(Value::Object(first)["b"], serde_json::json!({"c": 1.0}));
    }

    #[test]
    fn mistakes_have_helms_words() {
        for (yaml, message) in [
            (
                "a: 1\n--- foo\n",
                "error reading yaml document: invalid Yaml document separator: foo",
            ),
            (
                "[]",
                "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
        ] {
            let error = read_values(yaml.as_bytes(), ValuesDocuments::All).unwrap_err();
            assert_eq!(error, message);
        }
    }
}
