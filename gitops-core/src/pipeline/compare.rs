//! Desired and live state side by side.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join;

use crate::{
    app::{AppProject, Application, ProjectRules},
    clock::Timestamp,
    cluster::Propagation,
    object::{GroupKind, GroupVersionKind, Manifest, ObjectId, Scope},
    pipeline::{Desired, Pipeline, PipelineError, decide::is_approved, status},
    plan::{LiveSet, Owner, Plan, PlanOptions, Prune, Step},
    state::{StateItem, StateKey, load_json},
};

/// Desired and live state of an application, and what would be done about the difference.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What is wanted.
    pub desired: Desired,
    /// What is there.
    pub live: LiveSet,
    /// What would be done.
    pub plan: Plan,
}

impl Comparison {
    /// Steps that show that the cluster is not as declared: changes, and objects that pruning would
    /// delete. Hooks do not count.
    pub fn differences(&self) -> impl Iterator<Item = &Step> {
        self.plan
            .steps
            .iter()
            .filter(|step| status::is_difference(step))
    }

    /// The live object of a step.
    #[must_use]
    pub fn live_object(&self, id: &ObjectId) -> Option<&Manifest> {
        self.live.objects.iter().find(|object| object.id() == *id)
    }
}

/// A sync that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct SyncRequest {
    /// Deletes objects that are no longer declared.
    pub prune: bool,
    /// Only these objects, without hooks; all where it is empty.
    pub only: Vec<ObjectId>,
    /// Deletes and creates objects whose immutable fields change.
    pub recreate: bool,
    /// Runs no hooks.
    pub skip_hooks: bool,
}

impl Pipeline {
    /// What a sync of the application would do.
    ///
    /// # Errors
    /// When the Application violates its project, its sources cannot be rendered, or desired and live
    /// state cannot be compared.
    pub async fn plan(
        &self,
        owner: &Owner,
        application: &Application,
        project: &AppProject,
        request: &SyncRequest,
    ) -> Result<Comparison, PipelineError> {
        let rules = ProjectRules::new(project, &application.spec.destination);
        for source in application.sources() {
            rules
                .permits_source(&source.repo_url)
                .map_err(|reason| PipelineError::InvalidSpec { reason })?;
        }
        rules
            .permits_destination()
            .map_err(|reason| PipelineError::InvalidSpec { reason })?;
        let desired = self.desired(owner, application).await?;
        let schemas = async { Ok(self.cluster.schemas().await?) };
        let (live, schemas) = try_join(self.live_set(owner, Some(&desired)), schemas).await?;
        let options = PlanOptions {
            tracking: self.options.tracking.clone(),
            confirmed: is_approved(application),
            ..plan_options(
                request,
                desired.set.sync_policy.option("PrunePropagationPolicy"),
                self.clock.now(),
            )
        };
        let plan = self
            .applier
            .plan(&desired.set, &live, &*schemas, &options)?;
        let plan = self.applier.confirm(plan, &live, &*self.cluster).await?;
        Ok(Comparison {
            desired,
            live,
            plan,
        })
    }

    pub(super) async fn live_set(
        &self,
        owner: &Owner,
        desired: Option<&Desired>,
    ) -> Result<LiveSet, PipelineError> {
        let key = StateKey {
            owner: owner.clone(),
            item: StateItem::Inventory,
        };
        let inventory: Vec<ObjectId> = load_json(&*self.state, &key).await?.unwrap_or_default();
        let discovery = self.cluster.discovery().await?;
        // Every object is read at the version it is declared in: two versions of one kind can be.
        let mut declared: BTreeMap<ObjectId, GroupVersionKind> = BTreeMap::new();
        if let Some(desired) = desired {
            let namespace = desired
                .set
                .destination
                .namespace
                .as_deref()
                .unwrap_or_default();
            for object in &desired.set.objects {
                let gvk = object.gvk();
                let mut id = object.id();
                match discovery.get(&gvk).map(|served| served.scope) {
                    Some(Scope::Cluster) => id.namespace.clear(),
                    Some(Scope::Namespaced) if id.namespace.is_empty() => {
                        namespace.clone_into(&mut id.namespace);
                    }
                    _ => {}
                }
                declared.insert(id, gvk);
            }
            if desired.set.sync_policy.option("CreateNamespace") == Some("true") {
                let id = ObjectId {
                    group: String::new(),
                    kind: "Namespace".to_owned(),
                    namespace: String::new(),
                    name: namespace.to_owned(),
                };
                declared
                    .entry(id)
                    .or_insert_with(|| GroupVersionKind::new("", "v1", "Namespace"));
            }
        }
        // The rest of a kind is read at one version, preferably one that is read anyway.
        let mut versions: BTreeMap<GroupKind, GroupVersionKind> = declared
            .values()
            .map(|gvk| (gvk.group_kind(), gvk.clone()))
            .collect();
        for id in &inventory {
            let kind = id.group_kind();
            if !versions.contains_key(&kind)
                && let Some(gvk) = discovery.preferred(&kind)
            {
                versions.insert(kind, gvk);
            }
        }
        let mut wanted: BTreeMap<GroupVersionKind, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for gvk in versions.values() {
            wanted.entry(gvk.clone()).or_default();
        }
        for (id, gvk) in &declared {
            let ids = wanted.entry(gvk.clone()).or_default();
            ids.insert((&id.namespace, &id.name));
        }
        for id in inventory.iter().filter(|id| !declared.contains_key(id)) {
            let version = versions.get(&id.group_kind());
            if let Some(ids) = version.and_then(|gvk| wanted.get_mut(gvk)) {
                ids.insert((&id.namespace, &id.name));
            }
        }
        wanted.retain(|gvk, _| discovery.get(gvk).is_some());
        // Of what is not declared, only the metadata counts.
        let declared_kinds: BTreeSet<&GroupVersionKind> = declared.values().collect();
        let (whole, outlines): (Vec<_>, Vec<_>) = wanted.keys().partition(|gvk| {
            declared_kinds.contains(gvk) || self.health.needs_content(&gvk.group_kind())
        });
        self.live
            .prepare(whole.iter().copied(), outlines.iter().copied())
            .await?;
        let mut objects = Vec::new();
        for (gvk, ids) in &wanted {
            let live = match outlines.contains(&gvk) {
                true => self.live.metadata(gvk).await?,
                false => self.live.objects(gvk).await?,
            };
            objects.extend(ids.iter().filter_map(|(space, name)| live.get(space, name)));
            if versions.get(&gvk.group_kind()) == Some(gvk) {
                objects.extend(live.tracked_by(owner).filter(|object| {
                    !ids.contains(&(object.namespace(), object.name()))
                        && !declared.contains_key(&object.id())
                }));
            }
        }
        Ok(LiveSet { objects, inventory })
    }
}

fn plan_options(request: &SyncRequest, propagation: Option<&str>, now: Timestamp) -> PlanOptions {
    PlanOptions {
        prune: if request.prune {
            Prune::Tracked
        } else {
            Prune::Never
        },
        only: request.only.clone(),
        skip_hooks: request.skip_hooks,
        recreate: request.recreate,
        propagation: match propagation {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Foreground,
        },
        now,
        ..PlanOptions::default()
    }
}
