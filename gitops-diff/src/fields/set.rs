//! Sets of fields as trees.

use std::cmp::Ordering;

use super::element::{Path, PathElement};

/// A set of fields: the currency of `managedFields`.
///
/// A field being in the set says nothing about its parents or children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub(super) nodes: Vec<FieldNode>,
}

/// A step of a [`FieldSet`]: whether the field itself is a member, and the members below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNode {
    /// The step.
    pub element: PathElement,
    /// Whether the field itself is in the set.
    pub member: bool,
    /// The members below it.
    pub children: FieldSet,
}

impl FieldSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with_capacity(nodes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(nodes),
        }
    }

    /// A set of these fields.
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Adds a field; the empty path, which is the whole object, is never a member.
    pub fn insert(&mut self, path: &Path) {
        let mut set = self;
        for (at, element) in path.iter().enumerate() {
            let node = set.entry(element);
            if at + 1 == path.len() {
                node.member = true;
                return;
            }
            set = &mut node.children;
        }
    }

    /// Whether the field itself is a member.
    #[must_use]
    pub fn contains(&self, path: &Path) -> bool {
        let mut set = self;
        for (at, element) in path.iter().enumerate() {
            match set.get(element) {
                Some(node) if at + 1 == path.len() => return node.member,
                Some(node) => set = &node.children,
                None => return false,
            }
        }
        false
    }

    /// The node of a first step.
    #[must_use]
    pub fn get(&self, element: &PathElement) -> Option<&FieldNode> {
        self.find(element).ok().map(|at| &self.nodes[at])
    }

    /// The node of a field name.
    #[must_use]
    pub fn get_field(&self, name: &str) -> Option<&FieldNode> {
        self.nodes
            .binary_search_by(|node| match &node.element {
                PathElement::Field(field) => field.as_str().cmp(name),
                _ => Ordering::Greater,
            })
            .ok()
            .map(|at| &self.nodes[at])
    }

    /// The first steps, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &FieldNode> {
        self.nodes.iter()
    }

    /// The first steps, which must keep members and order.
    pub(crate) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut FieldNode> {
        self.nodes.iter_mut()
    }

    /// Whether the set has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Nodes without members are never kept.
        self.nodes.is_empty()
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| usize::from(node.member) + node.children.len())
            .sum()
    }

    /// Calls `visit` with each member: the members of a level first, then those below.
    pub fn for_each(&self, visit: &mut dyn FnMut(&Path)) {
        fn walk(set: &FieldSet, prefix: &mut Vec<PathElement>, visit: &mut dyn FnMut(&Path)) {
            for node in set.nodes.iter().filter(|node| node.member) {
                prefix.push(node.element.clone());
                visit(prefix);
                prefix.pop();
            }
            for node in set.nodes.iter().filter(|node| !node.children.is_empty()) {
                prefix.push(node.element.clone());
                walk(&node.children, prefix, visit);
                prefix.pop();
            }
        }
        walk(self, &mut Vec::new(), visit);
    }

    /// All members, in the order of [`FieldSet::for_each`].
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut paths = Vec::new();
        self.for_each(&mut |path| paths.push(path.to_vec()));
        paths
    }

    /// Members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(FieldNode {
                element: a.element.clone(),
                member: a.member || b.member,
                children: a.children.union(&b.children),
            }),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        })
    }

    /// Members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| {
            let (a, b) = (a?, b?);
            Some(FieldNode {
                element: a.element.clone(),
                member: a.member && b.member,
                children: a.children.intersection(&b.children),
            })
        })
    }

    /// Members of this set that are not members of the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| match (a?, b) {
            (a, None) => Some(a.clone()),
            (a, Some(b)) => Some(FieldNode {
                element: a.element.clone(),
                member: a.member && !b.member,
                children: a.children.difference(&b.children),
            }),
        })
    }

    /// Members of this set that are neither members of the other nor below one.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| match (a?, b) {
            (a, None) => Some(a.clone()),
            (_, Some(b)) if b.member => None,
            (a, Some(b)) => Some(FieldNode {
                element: a.element.clone(),
                member: a.member,
                children: a.children.recursive_difference(&b.children),
            }),
        })
    }

    /// Takes out the members of another set and, where `below`, what is below them.
    pub(crate) fn subtract(&mut self, other: &Self, below: bool) {
        if other.nodes.is_empty() {
            return;
        }
        self.nodes.retain_mut(|node| {
            let Some(other) = other.get(&node.element) else {
                return true;
            };
            if other.member && below {
                return false;
            }
            node.member &= !other.member;
            node.children.subtract(&other.children, below);
            !node.is_empty()
        });
    }

    /// Adds the members of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.nodes.is_empty() {
            self.clone_from(other);
        } else if !other.nodes.is_empty() {
            *self = self.union(other);
        }
    }

    /// Whether all members are members of the other set.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.nodes.iter().all(|node| {
            other.get(&node.element).is_some_and(|other| {
                (other.member || !node.member) && node.children.is_within(&other.children)
            })
        })
    }

    /// Members that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let nodes = self
            .nodes
            .iter()
            .map(|node| FieldNode {
                element: node.element.clone(),
                member: node.member && node.children.is_empty(),
                children: node.children.leaves(),
            })
            .filter(|node| !node.is_empty())
            .collect();
        Self { nodes }
    }

    /// The node of a step, made where it is missing; it must be given members afterwards.
    pub(crate) fn entry(&mut self, element: &PathElement) -> &mut FieldNode {
        match self.find(element) {
            Ok(at) => &mut self.nodes[at],
            Err(at) => {
                self.nodes.insert(at, FieldNode::new(element.clone()));
                &mut self.nodes[at]
            }
        }
    }

    /// The set below a path, made where it is missing; it must be given members afterwards.
    pub(crate) fn at(&mut self, path: &Path) -> &mut Self {
        let mut set = self;
        for element in path {
            set = &mut set.entry(element).children;
        }
        set
    }

    /// Adds a node that is not there yet; nodes without members are left out.
    pub(crate) fn push(&mut self, node: FieldNode) {
        if node.is_empty() {
            return;
        }
        if self
            .nodes
            .last()
            .is_none_or(|last| last.element < node.element)
        {
            self.nodes.push(node);
            return;
        }
        let entry = self.entry(&node.element);
        entry.member |= node.member;
        entry.children = if entry.children.nodes.is_empty() {
            node.children
        } else {
            entry.children.union(&node.children)
        };
    }

    fn find(&self, element: &PathElement) -> Result<usize, usize> {
        match self.nodes.last() {
            Some(last) if last.element < *element => Err(self.nodes.len()),
            None => Err(0),
            Some(_) => self
                .nodes
                .binary_search_by(|node| node.element.cmp(element)),
        }
    }

    fn zip(
        &self,
        other: &Self,
        combine: impl Fn(Option<&FieldNode>, Option<&FieldNode>) -> Option<FieldNode>,
    ) -> Self {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        let (mut left, mut right) = (self.nodes.iter().peekable(), other.nodes.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.element.cmp(&b.element),
            };
            let a = (order != Ordering::Greater).then(|| left.next()).flatten();
            let b = (order != Ordering::Less).then(|| right.next()).flatten();
            nodes.extend(combine(a, b).filter(|node| !node.is_empty()));
        }
        Self { nodes }
    }
}

impl FieldNode {
    /// A step without members.
    #[must_use]
    pub fn new(element: PathElement) -> Self {
        Self {
            element,
            member: false,
            children: FieldSet::new(),
        }
    }

    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}
