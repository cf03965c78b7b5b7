//! The kinds that the cluster serves: the built-in ones of its version and those of its
//! CustomResourceDefinitions.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    GroupKind, GroupVersionKind, Scope,
    cluster::{Discovery, ServedKind},
    schema::{Schema, Schemas},
};

use super::custom::{CustomDefinition, CustomVersion};

/// One kind at one version, as it is served.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) gvk: GroupVersionKind,
    pub(crate) served: ServedKind,
    /// Under which kind its objects are stored: some kinds are served by two groups.
    pub(crate) stored: GroupKind,
    /// In which version its objects are stored.
    pub(crate) stored_version: String,
    pub(crate) schema: Option<Arc<Schema>>,
    /// Where a CustomResourceDefinition makes it.
    pub(crate) custom: Option<Arc<CustomVersion>>,
}

impl Kind {
    pub(crate) fn is_namespaced(&self) -> bool {
        self.served.scope == Scope::Namespaced
    }

    pub(crate) fn plural(&self) -> &str {
        &self.served.plural
    }

    /// Whether `status` is written through a sub-resource of its own.
    pub(crate) fn has_status(&self) -> bool {
        self.has_subresource("status")
    }

    pub(crate) fn has_subresource(&self, name: &str) -> bool {
        self.served.subresources.iter().any(|known| known == name)
    }

    pub(crate) fn allows(&self, verb: &str) -> bool {
        self.served.verbs.iter().any(|known| known == verb)
    }

    /// Whether objects are stored as this version has them.
    pub(crate) fn is_stored_version(&self) -> bool {
        self.gvk.version == self.stored_version
            && self.gvk.group == self.stored.group
            && self.gvk.kind == self.stored.kind
    }

    pub(crate) fn stored_gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(&self.stored.group, &self.stored_version, &self.stored.kind)
    }
}

/// All kinds that are served.
pub(crate) struct Registry {
    builtin: Discovery,
    bundled: Arc<dyn Schemas>,
    custom: BTreeMap<String, Arc<CustomDefinition>>,
    kinds: BTreeMap<GroupVersionKind, Arc<Kind>>,
    discovery: Arc<Discovery>,
    schemas: Arc<Snapshot>,
    generation: u64,
}

/// Schemas at one moment.
struct Snapshot {
    kinds: BTreeMap<GroupVersionKind, Arc<Kind>>,
    generation: u64,
}

impl Schemas for Snapshot {
    fn schema(&self, gvk: &GroupVersionKind) -> Option<Arc<Schema>> {
        self.kinds.get(gvk)?.schema.clone()
    }

    fn scope(&self, gvk: &GroupVersionKind) -> Option<Scope> {
        Some(self.kinds.get(gvk)?.served.scope)
    }

    fn generation(&self) -> u64 {
        self.generation
    }
}

impl Registry {
    pub(crate) fn new(builtin: Discovery, bundled: Arc<dyn Schemas>) -> Self {
        let mut registry = Self {
            discovery: Arc::new(Discovery::default()),
            schemas: Arc::new(Snapshot {
                kinds: BTreeMap::new(),
                generation: 0,
            }),
            builtin,
            bundled,
            custom: BTreeMap::new(),
            kinds: BTreeMap::new(),
            generation: 0,
        };
        let builtin: Vec<(GroupVersionKind, ServedKind)> = registry
            .builtin
            .kinds
            .iter()
            .map(|(gvk, served)| (gvk.clone(), served.clone()))
            .collect();
        for (gvk, served) in builtin {
            let stored = registry.stored_kind(&gvk);
            let kind = Kind {
                stored_version: registry.stored_version(&stored, &gvk.version),
                stored,
                schema: registry.bundled.schema(&gvk),
                custom: None,
                gvk: gvk.clone(),
                served,
            };
            registry.kinds.insert(gvk, Arc::new(kind));
        }
        registry.refresh();
        registry
    }

    pub(crate) fn discovery(&self) -> Arc<Discovery> {
        Arc::clone(&self.discovery)
    }

    pub(crate) fn schemas(&self) -> Arc<dyn Schemas> {
        Arc::clone(&self.schemas) as Arc<dyn Schemas>
    }

    pub(crate) fn get(&self, gvk: &GroupVersionKind) -> Option<Arc<Kind>> {
        self.kinds.get(gvk).cloned()
    }

    /// Kinds of all versions, by group, version and kind.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values()
    }

    /// By the names of a URL.
    pub(crate) fn by_plural(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.kinds
            .values()
            .find(|kind| {
                kind.gvk.group == group
                    && kind.gvk.version == version
                    && kind.served.plural == plural
            })
            .cloned()
    }

    /// A served version of a stored kind, the stored version first.
    pub(crate) fn by_stored(&self, stored: &GroupKind) -> Option<Arc<Kind>> {
        let mut found = None;
        for kind in self.kinds.values().filter(|kind| kind.stored == *stored) {
            if kind.gvk == kind.stored_gvk() {
                return Some(Arc::clone(kind));
            }
            found.get_or_insert(kind);
        }
        found.cloned()
    }

    /// Serves the kinds of a definition, in place of those it served before.
    pub(crate) fn define(&mut self, definition: CustomDefinition) {
        self.undefine_kinds(&definition.name);
        let definition = Arc::new(definition);
        for version in &definition.versions {
            if !version.served {
                continue;
            }
            let gvk = GroupVersionKind::new(&definition.group, &version.name, &definition.kind);
            let kind = Kind {
                stored: GroupKind::new(&definition.group, &definition.kind),
                stored_version: definition.stored_version.clone(),
                schema: version.schema.clone(),
                served: definition.served_kind(version),
                custom: Some(Arc::clone(version)),
                gvk: gvk.clone(),
            };
            self.kinds.insert(gvk, Arc::new(kind));
        }
        self.custom.insert(definition.name.clone(), definition);
        self.refresh();
    }

    /// Serves the kinds of a definition no longer.
    pub(crate) fn undefine(&mut self, name: &str) {
        if self.custom.contains_key(name) {
            self.undefine_kinds(name);
            self.custom.remove(name);
            self.refresh();
        }
    }

    pub(crate) fn definition(&self, name: &str) -> Option<&Arc<CustomDefinition>> {
        self.custom.get(name)
    }

    /// The definition that already serves one of these names, if it is not `name`.
    pub(crate) fn definition_with_names(
        &self,
        name: &str,
        group: &str,
        kind: &str,
        plural: &str,
    ) -> Option<&Arc<CustomDefinition>> {
        self.custom.values().find(|known| {
            known.name != name
                && known.group == group
                && (known.kind == kind || known.plural == plural)
        })
    }

    fn undefine_kinds(&mut self, name: &str) {
        if let Some(old) = self.custom.get(name) {
            self.kinds.retain(|gvk, kind| {
                kind.custom.is_none() || gvk.group != old.group || gvk.kind != old.kind
            });
        }
    }

    fn refresh(&mut self) {
        self.generation += 1;
        let mut discovery = Discovery {
            version: self.builtin.version.clone(),
            kinds: BTreeMap::new(),
            preferred: self.builtin.preferred.clone(),
        };
        for (gvk, kind) in &self.kinds {
            discovery.kinds.insert(gvk.clone(), kind.served.clone());
        }
        for definition in self.custom.values() {
            let served = definition.versions.iter().filter(|version| version.served);
            if let Some(best) = served.max_by(|a, b| {
                super::custom::version_priority(&a.name)
                    .cmp(&super::custom::version_priority(&b.name))
            }) {
                let preferred = discovery.preferred.entry(definition.group.clone());
                let preferred = preferred.or_insert_with(|| best.name.clone());
                if super::custom::version_priority(&best.name)
                    > super::custom::version_priority(preferred)
                    && !self.builtin.preferred.contains_key(&definition.group)
                {
                    preferred.clone_from(&best.name);
                }
            }
        }
        self.discovery = Arc::new(discovery);
        self.schemas = Arc::new(Snapshot {
            kinds: self.kinds.clone(),
            generation: self.generation,
        });
    }

    /// Two kinds moved between groups and are served by both for a while.
    fn stored_kind(&self, gvk: &GroupVersionKind) -> GroupKind {
        let group = match (gvk.group.as_str(), gvk.kind.as_str()) {
            ("events.k8s.io", "Event") => "",
            ("extensions", "Ingress" | "NetworkPolicy") => "networking.k8s.io",
            ("extensions", "Deployment" | "DaemonSet" | "ReplicaSet") => "apps",
            ("extensions", "PodSecurityPolicy") => "policy",
            (group, _) => group,
        };
        GroupKind::new(group, &gvk.kind)
    }

    fn stored_version(&self, stored: &GroupKind, fallback: &str) -> String {
        self.builtin
            .preferred(stored)
            .map_or_else(|| fallback.to_owned(), |gvk| gvk.version)
    }
}
