//! What an application wants to exist: from its sources to one set of manifests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    app::{Application, ApplicationSource, IN_CLUSTER_NAME, IN_CLUSTER_SERVER},
    cluster::{Cluster, ClusterError, Discovery, ListScope},
    object::{GroupVersionKind, Manifest, ObjectId, ObjectRef},
    pipeline::{Pipeline, PipelineError},
    plan::{DesiredSet, Owner},
    render::{
        Lookup, Prepared, Randomness, RememberedValues, RenderError, RenderInput, RenderOutcome,
        Rendered, Rewrite, TransformContext, Transformed, Trees,
    },
    source::{ContentId, FileTree, Revision, RevisionSpec, SourceRef, TreeError},
    state::{StateItem, StateKey, load_json},
};

/// What an application wants to exist, and where that comes from.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The objects and how to sync them.
    pub set: DesiredSet,
    /// Every source with the revision it was read at.
    pub sources: Vec<SourceState>,
    /// What somebody should know.
    pub warnings: Vec<String>,
    /// Objects that were declared several times; the last declaration won.
    pub repeated: Vec<ObjectId>,
    /// Objects that transformers wrote anew or left out.
    pub rewrites: Vec<Rewrite>,
    /// Random values of charts by index of the source, to be saved before anything is applied.
    pub(super) remembered: BTreeMap<usize, RememberedValues>,
    /// Whether `remembered` holds anything that the state store does not.
    pub(super) remembered_changed: bool,
}

/// A source and the revision it was read at.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// The source as the application writes it.
    pub source: ApplicationSource,
    /// The revision.
    pub revision: Revision,
    /// `Helm` or `Directory`; empty for a source that others only refer to.
    pub source_type: &'static str,
}

/// Annotation of an Application that names a further client-side manager to take fields over from.
const MIGRATE_FROM: &str = "argocd.argoproj.io/client-side-apply-migration-manager";

/// Lookups are answered in rounds; a chart that keeps asking for new ones is cut off here.
const LOOKUP_ROUNDS: usize = 16;

impl Pipeline {
    /// Renders what the application wants to exist.
    ///
    /// # Errors
    /// When the Application cannot be used, a source cannot be read or rendering fails.
    pub async fn desired(
        &self,
        owner: &Owner,
        application: &Application,
    ) -> Result<Desired, PipelineError> {
        check_spec(application)?;
        let discovery = self.cluster.discovery().await?;
        let mut opened = Vec::new();
        let mut named: BTreeMap<String, Arc<dyn FileTree>> = BTreeMap::new();
        for source in application.sources() {
            let (revision, tree) = self.open(source).await?;
            if let Some(name) = &source.reference {
                named.insert(name.clone(), tree.clone());
            }
            opened.push((source, revision, tree));
        }
        let named_revisions: Vec<String> = opened
            .iter()
            .filter(|(source, ..)| source.reference.is_some())
            .map(|(_, revision, _)| revision.id.clone())
            .collect();

        let known: BTreeMap<usize, RememberedValues> =
            load_json(&*self.state, &remembered_key(owner))
                .await?
                .unwrap_or_default();
        let mut remembered = known.clone();
        let mut desired = Desired {
            set: DesiredSet {
                owner: owner.clone(),
                revision: revisions(opened.iter().map(|(_, revision, _)| revision)),
                objects: Vec::new(),
                destination: application.spec.destination.clone(),
                sync_policy: application.spec.sync_policy.clone().unwrap_or_default(),
                ignore_differences: application.spec.ignore_differences.clone(),
                migrate_from: application.annotation(MIGRATE_FROM).map(str::to_owned),
            },
            sources: Vec::new(),
            warnings: Vec::new(),
            repeated: Vec::new(),
            rewrites: Vec::new(),
            remembered: BTreeMap::new(),
            remembered_changed: false,
        };
        let mut declared = Declared::default();
        for (index, (source, revision, tree)) in opened.into_iter().enumerate() {
            if source.path.is_none() && source.chart.is_none() {
                desired.sources.push(SourceState {
                    source: source.clone(),
                    revision,
                    source_type: "",
                });
                continue;
            }
            let trees = Trees {
                root: tree,
                path: source.path.clone().unwrap_or_default(),
                named: named.clone(),
            };
            let trees = self.dependencies.complete(trees, source).await?;
            let input = self.render_input(
                application,
                source,
                &revision,
                &discovery,
                known.get(&index).cloned().unwrap_or_default(),
            );
            let slot = Slot {
                owner: owner.clone(),
                index,
            };
            let rendered = self
                .render(slot, &trees, &revision, &named_revisions, input)
                .await?;
            if !rendered.remembered.0.is_empty() {
                remembered.insert(index, rendered.remembered.clone());
            }
            desired.warnings.extend(rendered.warnings.iter().cloned());
            desired.sources.push(SourceState {
                source: source.clone(),
                revision,
                source_type: rendered.source_type,
            });
            self.add_objects(&mut declared, application, &discovery, &rendered.manifests)?;
        }
        desired.set.objects = declared.objects.into_iter().flatten().collect();
        desired.repeated = declared.repeated;
        desired.rewrites = declared.rewrites;
        desired.remembered_changed = remembered != known;
        desired.remembered = remembered;
        Ok(desired)
    }

    async fn open(
        &self,
        source: &ApplicationSource,
    ) -> Result<(Revision, Arc<dyn FileTree>), PipelineError> {
        let reference = SourceRef {
            url: source.repo_url.clone(),
            chart: source.chart.clone(),
        };
        let repository = self.sources.open(&reference).await?;
        let spec = RevisionSpec(source.target_revision.clone().unwrap_or_default());
        let revision = repository.resolve(&spec).await?;
        let tree = repository.tree(&revision).await?;
        Ok((revision, tree))
    }

    fn render_input(
        &self,
        application: &Application,
        source: &ApplicationSource,
        revision: &Revision,
        discovery: &Discovery,
        remembered: RememberedValues,
    ) -> RenderInput {
        let helm = source.helm.as_ref();
        let namespace = application
            .spec
            .destination
            .namespace
            .clone()
            .unwrap_or_default();
        let text = |value: &str| value.to_owned();
        let short = |length: usize| revision.id.chars().take(length).collect::<String>();
        let build_environment = [
            ("ARGOCD_APP_NAME", text(application.name())),
            ("ARGOCD_APP_NAMESPACE", namespace.clone()),
            ("ARGOCD_APP_PROJECT_NAME", text(application.project())),
            ("ARGOCD_APP_REVISION", revision.id.clone()),
            ("ARGOCD_APP_REVISION_SHORT", short(7)),
            ("ARGOCD_APP_REVISION_SHORT_8", short(8)),
            ("ARGOCD_APP_SOURCE_REPO_URL", source.repo_url.clone()),
            (
                "ARGOCD_APP_SOURCE_PATH",
                source.path.clone().unwrap_or_default(),
            ),
            (
                "ARGOCD_APP_SOURCE_TARGET_REVISION",
                source.target_revision.clone().unwrap_or_default(),
            ),
        ];
        RenderInput {
            application: application.name().to_owned(),
            namespace,
            source: source.clone(),
            kube_version: helm
                .and_then(|helm| helm.kube_version.clone())
                .or_else(|| self.options.kube_version.clone())
                .unwrap_or_else(|| discovery.version.clone()),
            api_versions: match helm {
                Some(helm) if !helm.api_versions.is_empty() => helm.api_versions.clone(),
                _ => discovery.api_versions(),
            },
            build_environment: build_environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            randomness: Randomness::Remembered(Arc::new(remembered)),
            now: self.clock.now(),
            answers: BTreeMap::new(),
            lookups: self.options.lookups,
        }
    }

    async fn render(
        &self,
        slot: Slot,
        trees: &Trees,
        revision: &Revision,
        named_revisions: &[String],
        mut input: RenderInput,
    ) -> Result<Arc<Rendered>, PipelineError> {
        let fingerprint = fingerprint(&input, trees);
        if let Some(rendered) = self
            .rendered
            .unchanged(&slot, &fingerprint, trees)
            .map_err(RenderError::from)?
        {
            return Ok(rendered);
        }
        let key = format!(
            "{} {} {} {}",
            revision.id,
            named_revisions.join(" "),
            trees.path,
            serde_json::to_string(&input.source).unwrap_or_default()
        );
        let prepared = match self.rendered.prepared(&slot, &key) {
            Some(prepared) => prepared,
            None => self.prepare(trees, &input.source)?,
        };
        for _ in 0..LOOKUP_ROUNDS {
            match prepared.render(&input)? {
                RenderOutcome::Rendered(rendered) => {
                    let rendered = Arc::new(rendered);
                    let cacheable = input.answers.is_empty();
                    self.rendered
                        .keep(slot, key, fingerprint, prepared, &rendered, cacheable);
                    return Ok(rendered);
                }
                RenderOutcome::Needs(lookups) => {
                    for lookup in lookups {
                        let answer = look_up(&*self.cluster, &lookup).await?;
                        input.answers.insert(lookup, answer);
                    }
                }
            }
        }
        let at = Some(slot.owner.name);
        Err(RenderError::LimitExceeded {
            limit: "rounds of lookups",
            allowed: LOOKUP_ROUNDS as u64,
            at,
        }
        .into())
    }

    fn prepare(
        &self,
        trees: &Trees,
        source: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError> {
        let path = &trees.path;
        if !path.is_empty() && trees.root.list(path)?.is_empty() {
            return Err(RenderError::MissingPath { path: path.clone() });
        }
        for renderer in &self.renderers {
            if renderer.detects(trees, source)? {
                return renderer.prepare(trees, source);
            }
        }
        Err(RenderError::Unsupported {
            what: format!("the kind of source at `{path}`"),
        })
    }

    fn add_objects(
        &self,
        declared: &mut Declared,
        application: &Application,
        discovery: &Discovery,
        manifests: &[Manifest],
    ) -> Result<(), PipelineError> {
        let context = TransformContext {
            application: application.name(),
            namespace: application
                .spec
                .destination
                .namespace
                .as_deref()
                .unwrap_or_default(),
            kube_version: &discovery.version,
            served: discovery,
        };
        for manifest in manifests {
            let mut stage = vec![manifest.clone()];
            for transformer in &self.transformers {
                let mut next = Vec::with_capacity(stage.len());
                for manifest in stage {
                    let Transformed {
                        manifests,
                        rewrites,
                    } = transformer.transform(manifest, &context)?;
                    next.extend(manifests);
                    declared.rewrites.extend(rewrites);
                }
                stage = next;
            }
            for manifest in stage {
                declared.add(manifest);
            }
        }
        Ok(())
    }
}

/// Objects in the order in which they are declared.
#[derive(Default)]
struct Declared {
    objects: Vec<Option<Manifest>>,
    places: HashMap<ObjectId, usize>,
    repeated: Vec<ObjectId>,
    rewrites: Vec<Rewrite>,
}

impl Declared {
    /// Of several declarations of one object the last one counts, at its place.
    fn add(&mut self, manifest: Manifest) {
        let id = manifest.id();
        if !id.name.is_empty()
            && let Some(earlier) = self.places.insert(id.clone(), self.objects.len())
        {
            self.objects[earlier] = None;
            self.repeated.push(id);
        }
        self.objects.push(Some(manifest));
    }
}

/// One revision, or several joined by commas.
fn revisions<'a>(revisions: impl Iterator<Item = &'a Revision>) -> String {
    revisions
        .map(|revision| revision.id.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

pub(super) fn remembered_key(owner: &Owner) -> StateKey {
    StateKey {
        owner: owner.clone(),
        item: StateItem::RememberedValues,
    }
}

/// The rules by which an Application's spec is refused before anything is read.
fn check_spec(application: &Application) -> Result<(), PipelineError> {
    let invalid = |reason: String| Err(PipelineError::InvalidSpec { reason });
    let sources = application.sources();
    if sources.is_empty() {
        return invalid("spec.source is missing; name a repoURL and a path or chart".to_owned());
    }
    let several = !application.spec.sources.is_empty();
    for source in sources {
        let has_place = source.path.is_some()
            || source.chart.is_some()
            || (several && source.reference.is_some());
        if source.repo_url.is_empty() || !has_place {
            return invalid(format!(
                "spec.source of {} needs a repoURL and either a path or a chart",
                application.name()
            ));
        }
        if source.chart.is_some() && source.target_revision.as_deref().unwrap_or("").is_empty() {
            return invalid("spec.source.targetRevision is required with a chart".to_owned());
        }
        if source.chart.is_some() && source.reference.is_some() {
            return invalid("a source with `ref` cannot name a chart".to_owned());
        }
        let options = [
            ("Helm", source.helm.is_some()),
            ("Kustomize", source.kustomize.is_some()),
            ("Directory", source.directory.is_some()),
            ("Plugin", source.plugin.is_some()),
        ];
        let set: Vec<&str> = options
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| *name)
            .collect();
        if set.len() > 1 {
            return invalid(format!(
                "multiple application sources defined: {}; keep one of them",
                set.join(",")
            ));
        }
    }
    let destination = &application.spec.destination;
    let server = destination
        .server
        .as_deref()
        .unwrap_or_default()
        .trim_end_matches('/');
    let name = destination.name.as_deref().unwrap_or_default();
    match (server, name) {
        ("", "") => invalid("spec.destination needs a server or a name".to_owned()),
        (IN_CLUSTER_SERVER, "") | ("", IN_CLUSTER_NAME) => Ok(()),
        ("", name) => invalid(format!(
            "there is no cluster named `{name}`; this engine manages {IN_CLUSTER_NAME}"
        )),
        (server, "") => invalid(format!(
            "there is no cluster at `{server}`; this engine manages {IN_CLUSTER_SERVER}"
        )),
        _ => invalid("spec.destination has both server and name; keep one of them".to_owned()),
    }
}

async fn look_up(cluster: &dyn Cluster, lookup: &Lookup) -> Result<Vec<Manifest>, ClusterError> {
    let gvk = GroupVersionKind::from_api_version(&lookup.api_version, &lookup.kind);
    if lookup.name.is_empty() {
        let namespace = Some(lookup.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let scope = ListScope {
            gvk,
            namespace,
            label_selector: String::new(),
            metadata_only: false,
        };
        return Ok(cluster.list(&scope).await?.items);
    }
    let object = ObjectRef::new(gvk, &lookup.namespace, &lookup.name);
    match cluster.get(&object).await {
        Ok(found) => Ok(found.into_iter().collect()),
        Err(ClusterError::UnknownKind { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Everything besides files that a render depends on, as one text.
fn fingerprint(input: &RenderInput, trees: &Trees) -> String {
    let source = serde_json::to_string(&input.source).unwrap_or_default();
    // Variables are read only through `$`; the revision among them would else spoil every hit.
    let environment = if source.contains('$') {
        format!("{:?}", input.build_environment)
    } else {
        String::new()
    };
    let remembered = match &input.randomness {
        Randomness::Remembered(values) => serde_json::to_string(&**values).unwrap_or_default(),
        _ => String::new(),
    };
    let text = format!(
        "{}\n{}\n{}\n{source}\n{}\n{:?}\n{environment}\n{remembered}",
        input.application, input.namespace, trees.path, input.kube_version, input.api_versions,
    );
    ContentId::of(text.as_bytes()).0
}

/// A source of an application.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot {
    owner: Owner,
    index: usize,
}

/// The last render of every source, with what it depended on.
#[derive(Default)]
pub(super) struct RenderCache {
    slots: Mutex<HashMap<Slot, Kept>>,
}

struct Kept {
    key: String,
    fingerprint: String,
    prepared: Arc<dyn Prepared>,
    rendered: Option<Arc<Rendered>>,
}

impl RenderCache {
    /// The earlier result, if nothing that it depended on has changed.
    fn unchanged(
        &self,
        slot: &Slot,
        fingerprint: &str,
        trees: &Trees,
    ) -> Result<Option<Arc<Rendered>>, TreeError> {
        let rendered = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            match slots.get(slot) {
                Some(Kept {
                    fingerprint: kept,
                    rendered: Some(rendered),
                    ..
                }) if kept == fingerprint && !rendered.inputs_read.is_empty() => rendered.clone(),
                _ => return Ok(None),
            }
        };
        for (path, id) in &rendered.inputs_read {
            let now = match path.strip_prefix('$').and_then(|path| path.split_once('/')) {
                Some((name, path)) => match trees.named.get(name) {
                    Some(tree) => tree.id(path)?,
                    None => None,
                },
                None => trees.root.id(path)?,
            };
            if now != *id {
                return Ok(None);
            }
        }
        Ok(Some(rendered))
    }

    fn prepared(&self, slot: &Slot, key: &str) -> Option<Arc<dyn Prepared>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .get(slot)
            .filter(|kept| kept.key == key)
            .map(|kept| kept.prepared.clone())
    }

    fn keep(
        &self,
        slot: Slot,
        key: String,
        fingerprint: String,
        prepared: Arc<dyn Prepared>,
        rendered: &Arc<Rendered>,
        cacheable: bool,
    ) {
        let rendered = cacheable.then(|| rendered.clone());
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.insert(
            slot,
            Kept {
                key,
                fingerprint,
                prepared,
                rendered,
            },
        );
    }
}
