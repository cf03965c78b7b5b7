//! Values: files, `--set` and its kin, and what they add up to.

mod coalesce;
mod documents;
mod options;
mod strvals;
mod tables;

use std::sync::Arc;

use serde_json::{Map, Number, Value};

pub(crate) use coalesce::{ChartView, Coalescer};
pub(crate) use documents::read_values;
pub use options::{ReadFile, ValueOptions};
pub(crate) use strvals::Reading;
pub use strvals::{SetError, SetKind};
pub(crate) use tables::{
    Table, deep_copy, put, table_at, table_from_json, value_from_json, value_to_json,
};

use crate::{
    helm::{HelmError, Profile, profile::ValuesDocuments},
    template::with_stack,
};

/// Values of a user: a table as JSON knows it. Cloning is cheap.
///
/// As in Helm, numbers that come from YAML or JSON are floats and numbers from `--set` are integers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(Arc<Map<String, Value>>);

impl Values {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a values file; several documents in it are merged, later ones win.
    pub fn parse(yaml: &str) -> Result<Self, HelmError> {
        read_values(yaml.as_bytes(), ValuesDocuments::All)
            .map(Self::from_table)
            .map_err(HelmError::values)
    }

    /// Takes a JSON object as a values file would hold it.
    #[must_use]
    pub fn from_json(object: Map<String, Value>) -> Self {
        Self::from_table(
            object
                .into_iter()
                .map(|(key, value)| (key, numbers_as_floats(value)))
                .collect(),
        )
    }

    pub(crate) fn from_table(table: Map<String, Value>) -> Self {
        Self(Arc::new(table))
    }

    /// The table.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Merges other values over these: tables are merged, everything else is replaced.
    pub fn merge(&mut self, over: Self) {
        merge_tables(Arc::make_mut(&mut self.0), Arc::unwrap_or_clone(over.0));
    }

    /// Sets values as `--set` and its kin do, as in `image.tag=v2,args[0]=-v`.
    pub fn set(&mut self, kind: SetKind, text: &str) -> Result<(), SetError> {
        strvals::set(text, Arc::make_mut(&mut self.0), Reading::from(kind), true)
    }
}

impl Values {
    pub(crate) fn set_reading(
        &mut self,
        text: &str,
        reading: Reading<'_>,
        profile: &Profile,
    ) -> Result<(), SetError> {
        let table = Arc::make_mut(&mut self.0);
        strvals::set(text, table, reading, profile.is_helm_4())
    }
}

/// Merges `over` into `table`, as Helm merges one values file over another.
pub(crate) fn merge_tables(table: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(over)) => {
                with_stack(|| merge_tables(below, over));
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// All numbers as the floats that Go decodes JSON into.
pub(crate) fn numbers_as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) if !number.is_f64() => number
            .as_f64()
            .and_then(Number::from_f64)
            .map_or(Value::Null, Value::Number),
        Value::Array(items) => {
            with_stack(|| Value::Array(items.into_iter().map(numbers_as_floats).collect()))
        }
        Value::Object(object) => with_stack(|| {
            Value::Object(
                object
                    .into_iter()
                    .map(|(key, value)| (key, numbers_as_floats(value)))
                    .collect(),
            )
        }),
        other => other,
    }
}

/// Go's name of the type of a value in an `interface{}`.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_values_do_not_exhaust_the_stack() {
        let deep = format!("{}1{}", "{a: ".repeat(900), "}".repeat(900));
        let mut values = Values::parse(&format!("a: {deep}")).unwrap();
        values.merge(Values::parse(&format!("a: {deep}")).unwrap());
        let copy = deep_copy(&table_from_json(values.as_map()));
        assert!(value_to_json(&crate::template::Value::Map(copy)).is_object());
    }

    #[test]
    fn numbers_keep_where_they_come_from() {
        let mut values = Values::parse("a: 1\nb: {c: x}\n").unwrap();
        values.set(SetKind::Typed, "b.d=1").unwrap();
        assert!(values.as_map()["a"].is_f64());
        assert!(values.as_map()["b"]["d"].is_i64());
        values.merge(Values::parse("b: {c: null}").unwrap());
        assert!(values.as_map()["b"]["c"].is_null());
    }
}
