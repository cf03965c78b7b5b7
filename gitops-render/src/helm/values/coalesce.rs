//! What a user gives over what charts default to: Helm's coalescing, with its sharing.
//!
//! Tables are shared by reference on purpose. Helm's result is not a tree: what a subchart inherits
//! from `global` is, from the second level on, the very table of its parent, and both Helm's later
//! steps and templates (`set`) can be seen to change it.

use std::{cell::RefCell, collections::BTreeSet};

use crate::{
    helm::{
        HelmError,
        profile::NullRules,
        values::{Table, put},
    },
    template::{Limits, Value, fmt, with_stack},
};

/// A chart as coalescing sees it.
pub(crate) trait ChartView {
    /// The charts below, in order.
    fn children(&self, chart: usize) -> &[usize];
    /// The name by which a parent's values address the chart.
    fn name(&self, chart: usize) -> &str;
    /// A fresh copy of the chart's defaults.
    fn defaults(&self, chart: usize) -> Table;
}

/// Coalesces or merges the values of a chart and its subcharts.
pub(crate) struct Coalescer<'a, V> {
    pub(crate) charts: &'a V,
    pub(crate) nulls: NullRules,
    pub(crate) warnings: &'a RefCell<BTreeSet<String>>,
}

impl<V: ChartView> Coalescer<'_, V> {
    /// Values over the defaults of a chart and, under their names, of its subcharts. Nulls delete.
    /// Takes over `values`, which must not be shared.
    pub(crate) fn coalesce(&self, chart: usize, values: Table) -> Result<Table, HelmError> {
        self.chart(chart, &values, "", false)?;
        Ok(values)
    }

    /// As [`coalesce`](Self::coalesce), but nulls stay.
    pub(crate) fn merge(&self, chart: usize, values: Table) -> Result<Table, HelmError> {
        self.chart(chart, &values, "", true)?;
        Ok(values)
    }

    fn chart(
        &self,
        chart: usize,
        values: &Table,
        prefix: &str,
        merge: bool,
    ) -> Result<(), HelmError> {
        self.defaults(chart, values, prefix, merge);
        let prefix = join(prefix, self.charts.name(chart));
        for &child in self.charts.children(chart) {
            let name = self.charts.name(child);
            let inner = match values.get(name) {
                None => {
                    let inner = Table::new();
                    put(values, name, inner.clone());
                    inner
                }
                Some(Value::Map(inner)) => inner,
                Some(other) => {
                    return Err(HelmError::values(format!(
                        "type mismatch on {name}: {}",
                        boolean_verb(&other)
                    )));
                }
            };
            self.globals(&inner, values, &prefix);
            self.chart(child, &inner, &prefix, merge)?;
        }
        Ok(())
    }

    /// A chart's own defaults under what the user gives.
    fn defaults(&self, chart: usize, values: &Table, prefix: &str, merge: bool) {
        let prefix = join(prefix, self.charts.name(chart));
        let removes_nulls = !merge && self.nulls >= NullRules::DefaultsRemoved;
        for (key, default) in self.charts.defaults(chart).snapshot() {
            match values.get(&key) {
                Some(Value::Nil) if !merge => {
                    values.remove(&key);
                }
                Some(Value::Map(given)) => match &default {
                    Value::Map(default) => {
                        let is_child = self
                            .charts
                            .children(chart)
                            .iter()
                            .any(|child| key == self.charts.name(*child));
                        let keeps_child_nulls = self.nulls > NullRules::Lost;
                        let merge = merge || (is_child && keeps_child_nulls);
                        if !merge && removes_nulls {
                            remove_nulls(default);
                        }
                        self.tables(&given, default, &join(&prefix, &key.to_str()), merge);
                    }
                    Value::Nil => {}
                    _ => self.warn(format!("skipped value for {prefix}.{key}: Not a table.")),
                },
                Some(_) => {}
                None => {
                    if removes_nulls {
                        match &default {
                            Value::Nil => continue,
                            Value::Map(default) => remove_nulls(default),
                            _ => {}
                        }
                    }
                    put(values, key, default);
                }
            }
        }
    }

    /// Passes the parent's globals down; the parent's win over the child's.
    fn globals(&self, child: &Table, parent: &Table, prefix: &str) {
        let of_child = match child.get("global") {
            None => Table::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self
                    .warn("skipping globals because destination global is not a table.".into());
            }
        };
        let of_parent = match parent.get("global") {
            None => Table::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self.warn("skipping globals because source global is not a table.".into());
            }
        };
        for (key, value) in of_parent.snapshot() {
            match (value, of_child.get(&key)) {
                (Value::Map(table), below) => {
                    // One level is copied, deeper tables are the parent's own.
                    let copy = table.shallow_copy();
                    match below {
                        None => {
                            put(&of_child, key, copy);
                        }
                        Some(Value::Map(below)) => {
                            self.tables(&copy, &below, &join(prefix, &key.to_str()), true);
                            put(&of_child, key, copy);
                        }
                        Some(_) => self.warn(format!(
                            "Conflict: cannot merge map onto non-map for \"{key}\". Skipping."
                        )),
                    }
                }
                (_, Some(Value::Map(_))) => {
                    self.warn(format!("key {key} is table. Skipping"));
                }
                (value, _) => {
                    put(&of_child, key, value);
                }
            }
        }
        put(child, "global", of_child);
    }

    /// Merges `below` into `over`, which wins. Both are changed.
    pub(crate) fn tables(&self, over: &Table, below: &Table, prefix: &str, merge: bool) {
        let given: Vec<_> = below
            .snapshot()
            .into_iter()
            .filter(|(_, value)| !matches!(value, Value::Nil))
            .map(|(key, _)| key)
            .collect();
        for (key, value) in over.snapshot() {
            if matches!(value, Value::Nil) {
                put(below, key, Value::Nil);
            }
        }
        for (key, value) in below.snapshot() {
            let present = over.get(&key);
            let was_given = || given.contains(&key);
            match present {
                Some(Value::Nil) if !merge && (self.nulls < NullRules::Kept || was_given()) => {
                    over.remove(&key);
                }
                None => {
                    put(over, key, value);
                }
                Some(present) => match (value, present) {
                    (Value::Map(value), Value::Map(present)) => {
                        let prefix = join(prefix, &key.to_str());
                        with_stack(|| self.tables(&present, &value, &prefix, merge));
                    }
                    (Value::Map(_), _) => self.warn(format!(
                        "cannot overwrite table with non table for {}",
                        join(prefix, &key.to_str())
                    )),
                    (Value::Nil, _) => {}
                    (_, Value::Map(_)) => self.warn(format!(
                        "destination for {} is a table. Ignoring non-table value",
                        join(prefix, &key.to_str())
                    )),
                    _ => {}
                },
            }
        }
    }

    pub(crate) fn warn(&self, message: String) {
        self.warnings.borrow_mut().insert(message);
    }
}

/// Removes nulls, however deep.
fn remove_nulls(table: &Table) {
    for (key, value) in table.snapshot() {
        match value {
            Value::Nil => {
                table.remove(&key);
            }
            Value::Map(inner) => with_stack(|| remove_nulls(&inner)),
            _ => {}
        }
    }
}

/// Go's `%t`, which is meant for booleans.
fn boolean_verb(value: &Value) -> String {
    let text = fmt::sprintf(b"%t", std::slice::from_ref(value), &Limits::default());
    String::from_utf8_lossy(&text.unwrap_or_default()).into_owned()
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
