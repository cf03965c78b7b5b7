//! Which subcharts take part in a render, under which names and with which defaults: conditions,
//! tags, aliases and `import-values`.
//!
//! The loaded charts are not changed. A [`ChartGraph`] refers to them and holds what processing
//! changes; its indices stand for Go's pointers, so that what Helm shares is shared here.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use gitops_core::version::{Constraint, Version};
use serde_json::json;

use crate::{
    helm::{
        Chart, Dependency, HelmError, Profile,
        values::{ChartView, Coalescer, Table, deep_copy, put, table_at, table_from_json},
    },
    template::Value,
};

/// The charts of one render.
pub(crate) struct ChartGraph<'a> {
    nodes: Vec<Node<'a>>,
    metas: Vec<Meta>,
    dependencies: Vec<Dependency>,
    /// Entries whose `import-values` were read and rewritten. Where charts share an entry, Helm does
    /// not recognise the rewritten form when it comes to it again, and imports nothing.
    imported: BTreeSet<usize>,
    profile: &'a Profile,
    warnings: RefCell<BTreeSet<String>>,
}

/// A chart at its place.
struct Node<'a> {
    chart: &'a Chart,
    meta: usize,
    children: Vec<usize>,
    parent: Option<usize>,
    /// Defaults after `import-values`, where they were processed.
    values: Option<Table>,
}

/// The part of a chart's metadata that processing changes.
struct Meta {
    name: Rc<str>,
    dependencies: Option<Vec<usize>>,
}

/// The root of every graph.
pub(crate) const ROOT: usize = 0;

impl ChartView for ChartGraph<'_> {
    fn children(&self, chart: usize) -> &[usize] {
        &self.nodes[chart].children
    }

    fn name(&self, chart: usize) -> &str {
        &self.metas[self.nodes[chart].meta].name
    }

    fn defaults(&self, chart: usize) -> Table {
        match &self.nodes[chart].values {
            Some(values) => deep_copy(values),
            None => table_from_json(&self.nodes[chart].chart.values),
        }
    }
}

impl<'a> ChartGraph<'a> {
    /// Processes the dependencies of a chart as the values of a user say.
    pub(crate) fn new(
        chart: &'a Chart,
        values: &serde_json::Map<String, serde_json::Value>,
        profile: &'a Profile,
    ) -> Result<Self, HelmError> {
        let mut graph = Self {
            nodes: Vec::new(),
            metas: Vec::new(),
            dependencies: Vec::new(),
            imported: BTreeSet::new(),
            profile,
            warnings: RefCell::default(),
        };
        graph.add(chart, None);
        graph.process_enabled(ROOT, &table_from_json(values), "")?;
        graph.import_values(ROOT)?;
        Ok(graph)
    }

    /// The chart's files.
    pub(crate) fn chart(&self, node: usize) -> &'a Chart {
        self.nodes[node].chart
    }

    pub(crate) fn is_root(&self, node: usize) -> bool {
        self.nodes[node].parent.is_none()
    }

    /// The dependencies as they are after processing.
    pub(crate) fn dependencies(&self, node: usize) -> impl Iterator<Item = &Dependency> {
        self.metas[self.nodes[node].meta]
            .dependencies
            .iter()
            .flatten()
            .map(|index| &self.dependencies[*index])
    }

    /// `root/charts/child`, by the names the charts have here.
    pub(crate) fn full_path(&self, node: usize) -> String {
        match self.nodes[node].parent {
            None => self.name(node).to_owned(),
            Some(parent) => format!("{}/charts/{}", self.full_path(parent), self.name(node)),
        }
    }

    /// What coalescing had to say.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().iter().cloned().collect()
    }

    /// Values over all defaults, as templates see them.
    pub(crate) fn coalesced(
        &self,
        values: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Table, HelmError> {
        self.coalescer().coalesce(ROOT, table_from_json(values))
    }

    fn coalescer(&self) -> Coalescer<'_, Self> {
        Coalescer {
            charts: self,
            nulls: self.profile.nulls,
            warnings: &self.warnings,
        }
    }

    fn add(&mut self, chart: &'a Chart, parent: Option<usize>) -> usize {
        let dependencies = chart.metadata.dependencies.as_ref().map(|list| {
            let first = self.dependencies.len();
            self.dependencies.extend(list.iter().cloned());
            (first..self.dependencies.len()).collect()
        });
        self.metas.push(Meta {
            name: chart.name().into(),
            dependencies,
        });
        let node = self.nodes.len();
        self.nodes.push(Node {
            chart,
            meta: self.metas.len() - 1,
            children: Vec::new(),
            parent,
            values: None,
        });
        for subchart in &chart.subcharts {
            let child = self.add(subchart, Some(node));
            self.nodes[node].children.push(child);
        }
        node
    }

    fn copy(&mut self, node: usize, meta: usize) -> usize {
        let original = &self.nodes[node];
        let copy = Node {
            chart: original.chart,
            meta,
            children: original.children.clone(),
            parent: original.parent,
            values: original.values.clone(),
        };
        self.nodes.push(copy);
        self.nodes.len() - 1
    }

    fn set_children(&mut self, node: usize, children: Vec<usize>) {
        for child in &children {
            self.nodes[*child].parent = Some(node);
        }
        self.nodes[node].children = children;
    }

    /// Finds the charts that the dependencies name, and drops those that are switched off.
    fn process_enabled(
        &mut self,
        node: usize,
        values: &Table,
        path: &str,
    ) -> Result<(), HelmError> {
        let meta = self.nodes[node].meta;
        let Some(dependencies) = self.metas[meta].dependencies.clone() else {
            return Ok(());
        };
        let loaded = self.nodes[node].children.clone();
        let mut children: Vec<usize> = loaded
            .iter()
            .copied()
            .filter(|child| {
                !dependencies
                    .iter()
                    .any(|dependency| self.satisfies(*child, *dependency))
            })
            .collect();
        for &dependency in &dependencies {
            let found = loaded
                .iter()
                .copied()
                .find(|child| self.satisfies(*child, dependency));
            if let Some(child) = found {
                children.push(self.use_of(child, dependency));
            }
            let entry = &mut self.dependencies[dependency];
            if !entry.alias.is_empty() {
                entry.name.clone_from(&entry.alias);
            }
        }
        self.set_children(node, children);
        for &dependency in &dependencies {
            self.dependencies[dependency].enabled = true;
        }
        let values = self.coalescer().coalesce(node, deep_copy(values))?;
        self.apply_tags(&dependencies, &values);
        self.apply_conditions(&dependencies, &values, path);

        let disabled: BTreeSet<String> = dependencies
            .iter()
            .map(|index| &self.dependencies[*index])
            .filter(|dependency| !dependency.enabled)
            .map(|dependency| dependency.name.clone())
            .collect();
        let children: Vec<usize> = self.nodes[node]
            .children
            .iter()
            .copied()
            .filter(|child| !disabled.contains(self.name(*child)))
            .collect();
        let kept: Vec<usize> = dependencies
            .into_iter()
            .filter(|index| !disabled.contains(&self.dependencies[*index].name))
            .collect();
        for &child in &children {
            let path = format!("{path}{}.", self.name(child));
            self.process_enabled(child, &values, &path)?;
        }
        self.metas[meta].dependencies = (!kept.is_empty()).then_some(kept);
        self.set_children(node, children);
        Ok(())
    }

    fn satisfies(&self, child: usize, dependency: usize) -> bool {
        let dependency = &self.dependencies[dependency];
        let version = &self.nodes[child].chart.metadata.version;
        self.name(child) == dependency.name && is_in_range(&dependency.version, version)
    }

    /// A chart under the name that a dependency gives it.
    fn use_of(&mut self, child: usize, dependency: usize) -> usize {
        let original = &self.metas[self.nodes[child].meta];
        let (mut name, mut entries) = (original.name.clone(), original.dependencies.clone());
        if !self.profile.aliases_share_metadata
            && let Some(entries) = &mut entries
        {
            for entry in entries {
                self.dependencies.push(self.dependencies[*entry].clone());
                *entry = self.dependencies.len() - 1;
            }
        }
        let alias = &self.dependencies[dependency].alias;
        if !alias.is_empty() {
            name = alias.as_str().into();
        }
        self.metas.push(Meta {
            name,
            dependencies: entries,
        });
        let copy = self.copy(child, self.metas.len() - 1);
        if !self.profile.aliases_share_metadata {
            let children = self.nodes[copy].children.clone();
            let children = children
                .into_iter()
                .map(|child| self.copy(child, self.nodes[child].meta))
                .collect();
            self.set_children(copy, children);
        }
        copy
    }

    fn apply_tags(&mut self, dependencies: &[usize], values: &Table) {
        let Some(Value::Map(tags)) = values.get("tags") else {
            return;
        };
        for &index in dependencies {
            let dependency = &mut self.dependencies[index];
            let mut verdicts = Vec::new();
            for tag in &dependency.tags {
                match tags.get(tag) {
                    Some(Value::Bool(verdict)) => verdicts.push(verdict),
                    Some(_) => {
                        self.warnings.borrow_mut().insert(format!(
                            "the tag {tag} of the chart {} is not a boolean",
                            dependency.name
                        ));
                    }
                    None => {}
                }
            }
            dependency.enabled = verdicts.is_empty() || verdicts.contains(&true);
        }
    }

    fn apply_conditions(&mut self, dependencies: &[usize], values: &Table, path: &str) {
        for &index in dependencies {
            let dependency = &mut self.dependencies[index];
            let condition = dependency.condition.clone();
            for name in condition.trim().split(',').filter(|name| !name.is_empty()) {
                match value_at(values, &format!("{path}{name}")) {
                    Some(Value::Bool(verdict)) => {
                        dependency.enabled = verdict;
                        break;
                    }
                    Some(_) => {
                        self.warnings.borrow_mut().insert(format!(
                            "the condition {name} of the chart {} is not a boolean",
                            dependency.name
                        ));
                    }
                    None => {}
                }
            }
        }
    }

    /// Brings values of subcharts into their parents' defaults, from the leaves up.
    fn import_values(&mut self, node: usize) -> Result<(), HelmError> {
        for child in self.nodes[node].children.clone() {
            self.import_values(child)?;
        }
        let Some(dependencies) = self.metas[self.nodes[node].meta].dependencies.clone() else {
            return Ok(());
        };
        let coalescer = self.coalescer();
        let values = coalescer.merge(node, Table::new())?;
        let imported = Table::new();
        let mut rewritten = Vec::new();
        for index in dependencies {
            let dependency = &self.dependencies[index];
            let mut imports = Vec::new();
            let unread = if self.imported.contains(&index) {
                &[]
            } else {
                dependency.import_values.as_slice()
            };
            for import in unread {
                let (child, parent) = match import {
                    serde_json::Value::Object(pair) => {
                        let text = |key| go_text(pair.get(key));
                        (text("child"), text("parent"))
                    }
                    serde_json::Value::String(name) => (format!("exports.{name}"), ".".to_owned()),
                    _ => continue,
                };
                match table_at(&values, &format!("{}.{child}", dependency.name)) {
                    Some(table) => {
                        let table = nest(&parent, table);
                        coalescer.tables(&imported, &table, "", true);
                    }
                    None => coalescer.warn(format!(
                        "import-values of the chart {}: there is no table {child}",
                        dependency.name
                    )),
                }
                imports.push(json!({"child": child, "parent": parent}));
            }
            rewritten.push((index, imports));
        }
        let values = deep_copy(&values);
        coalescer.tables(&values, &imported, "", true);
        for (index, imports) in rewritten {
            self.dependencies[index].import_values = imports;
            self.imported.insert(index);
        }
        self.nodes[node].values = Some(values);
        Ok(())
    }
}

/// Whether a version fits a range; never, where either cannot be read.
pub(crate) fn is_in_range(range: &str, version: &str) -> bool {
    let (Ok(version), Ok(range)) = (Version::parse(version), Constraint::parse(range)) else {
        return false;
    };
    range.matches(&version)
}

/// What is at a dotted path, unless it is a table.
fn value_at(values: &Table, path: &str) -> Option<Value> {
    let value = match path.rsplit_once('.') {
        None => values.get(path),
        Some((table, key)) => table_at(values, table)?.get(key),
    };
    value.filter(|value| !matches!(value, Value::Map(_)))
}

/// A table at a dotted path of otherwise empty tables; `.` is the table itself.
fn nest(path: &str, table: Table) -> Table {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, name| {
        let outer = Table::new();
        put(&outer, name, inner);
        outer
    })
}

/// Go's `%v` of what `child` and `parent` may hold.
fn go_text(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => "<nil>".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
