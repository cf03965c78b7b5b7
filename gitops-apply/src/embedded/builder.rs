//! Making an embedded cluster.

use std::sync::{Arc, Mutex};

use gitops_core::{
    GroupKind, Manifest,
    clock::{Clock, ManualClock, Timestamp},
    schema::Schemas,
};
use serde_json::{Value, json};

use super::{
    EmbeddedCluster, EmbeddedError, Shared,
    admission::{Hook, Review},
    controllers::{Queue, Work},
    faults::{Fault, Faults},
    journal::Journal,
    registry::Registry,
    saved::Saved,
    server::Server,
    simulation::Simulation,
    store::{Store, stored_id},
};

/// The start of 2020.
const EPOCH: i64 = 1_577_836_800;
const DEFAULT_VERSION: &str = "1.34";
const DEFAULT_HISTORY: usize = 16_384;

/// Settings of an [`EmbeddedCluster`].
#[derive(Clone)]
pub struct EmbeddedClusterBuilder {
    version: String,
    clock: Option<Arc<dyn Clock>>,
    simulation: Option<Simulation>,
    history: usize,
    seed: u64,
    hooks: Vec<(String, Hook)>,
    faults: Vec<Fault>,
    schemas: Option<Arc<dyn Schemas>>,
}

impl Default for EmbeddedClusterBuilder {
    fn default() -> Self {
        Self {
            version: DEFAULT_VERSION.to_owned(),
            clock: None,
            simulation: Some(Simulation::default()),
            history: DEFAULT_HISTORY,
            seed: 0,
            hooks: Vec::new(),
            faults: Vec::new(),
            schemas: None,
        }
    }
}

impl EmbeddedClusterBuilder {
    /// The version of Kubernetes, as in `1.34`, `1.34.2` or `v1.17`: it decides which kinds are
    /// served and which fields have defaults.
    #[must_use]
    pub fn kubernetes(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// The clock; without one the cluster has a manual clock of its own.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How workloads are simulated.
    #[must_use]
    pub fn simulation(mut self, simulation: Simulation) -> Self {
        self.simulation = Some(simulation);
        self
    }

    /// Without simulated workloads: nothing writes a status but the caller.
    #[must_use]
    pub fn without_simulation(mut self) -> Self {
        self.simulation = None;
        self
    }

    /// How many changes of each kind watches can go back; at least one.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// Makes uids and generated names differ from those of other clusters. The same seed and the
    /// same requests give the same cluster.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds an admission hook; `name` is what refusals say.
    #[must_use]
    pub fn admission(
        mut self,
        name: impl Into<String>,
        hook: impl Fn(&mut Review<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.push((name.into(), Arc::new(hook)));
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Builds the cluster with the namespaces, nodes and the service that each cluster has.
    pub fn build(self) -> Result<EmbeddedCluster, EmbeddedError> {
        let nodes = self
            .simulation
            .as_ref()
            .map_or(0, |simulation| simulation.nodes);
        let cluster = self.assemble()?;
        {
            let mut server = cluster.shared.server();
            for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
                server.make(json!({
                    "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                }));
            }
            server.make(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "kubernetes", "namespace": "default",
                    "labels": {"component": "apiserver", "provider": "kubernetes"},
                },
                "spec": {
                    "clusterIP": "10.96.0.1",
                    "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
                },
            }));
            for number in 0..nodes {
                server.make_node(number);
            }
            server.settle();
        }
        Ok(cluster)
    }

    pub(super) fn restore(mut self, saved: Saved) -> Result<EmbeddedCluster, EmbeddedError> {
        self.version.clone_from(&saved.kubernetes);
        self.seed = saved.seed;
        let cluster = self.assemble()?;
        {
            let mut server = cluster.shared.server();
            server.counter = saved.counter;
            let definition = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
            let kinds: Vec<(GroupKind, GroupKind)> = server
                .registry
                .kinds()
                .map(|kind| (kind.gvk.group_kind(), kind.stored.clone()))
                .collect();
            let key = |object: &Manifest| {
                let own = object.gvk().group_kind();
                kinds
                    .iter()
                    .find(|(kind, _)| *kind == own)
                    .map_or(own, |(_, stored)| stored.clone())
            };
            let work: Vec<Work> = saved
                .objects
                .iter()
                .map(|object| {
                    let kind = key(object);
                    if kind == definition {
                        Work::Definition(object.name().to_owned())
                    } else {
                        Work::Simulate(stored_id(&kind, object))
                    }
                })
                .collect();
            server.store.restore(saved.revision, saved.objects, key);
            let services: Vec<Manifest> = server
                .store
                .list(&GroupKind::new("", "Service"), None)
                .cloned()
                .collect();
            for service in services {
                server.note_addresses(&service, true);
            }
            // Definitions first, so that their objects are known to those that come after.
            let (definitions, rest): (Vec<Work>, Vec<Work>) = work
                .into_iter()
                .partition(|work| matches!(work, Work::Definition(_)));
            for work in definitions.into_iter().chain(rest) {
                server.queue.push(work);
            }
            server.settle();
        }
        Ok(cluster)
    }

    fn assemble(self) -> Result<EmbeddedCluster, EmbeddedError> {
        let unknown = || EmbeddedError::UnknownVersion {
            version: self.version.clone(),
            known: gitops_diff::schema::bundled_versions().to_vec(),
        };
        let discovery =
            gitops_diff::schema::bundled_discovery(&self.version).ok_or_else(unknown)?;
        let minor = discovery
            .version
            .split('.')
            .nth(1)
            .and_then(|minor| minor.parse().ok())
            .ok_or_else(unknown)?;
        let schemas: Arc<dyn Schemas> = match self.schemas {
            Some(schemas) => schemas,
            None => Arc::new(
                gitops_diff::schema::bundled_schemas_of(&self.version).ok_or_else(unknown)?,
            ),
        };
        let clock: Arc<dyn Clock> = self.clock.unwrap_or_else(|| {
            Arc::new(ManualClock::at(
                Timestamp::from_second(EPOCH).unwrap_or(Timestamp::UNIX_EPOCH),
            ))
        });
        let mut faults = Faults::default();
        self.faults.into_iter().for_each(|fault| faults.add(fault));
        let server = Server {
            store: Store::new(self.history),
            registry: Registry::new(discovery, schemas),
            clock: Arc::clone(&clock),
            minor,
            hooks: self.hooks,
            simulation: self.simulation,
            queue: Queue::default(),
            seed: self.seed,
            counter: 0,
            addresses: std::collections::BTreeSet::new(),
            ports: std::collections::BTreeSet::new(),
            warnings: Vec::new(),
        };
        let shared = Shared {
            server: Mutex::new(server),
            journal: Mutex::new(Journal::default()),
            faults: Mutex::new(faults),
            clock,
        };
        Ok(EmbeddedCluster {
            shared: Arc::new(shared),
        })
    }
}

impl Server {
    /// Makes an object that each cluster has.
    fn make(&mut self, object: Value) {
        if let Ok(object) = Manifest::try_from(object)
            && let Err(error) = self.control_create("kube-apiserver", object)
        {
            tracing::warn!(error = %error.message, "an object of a new cluster cannot be made");
        }
        self.settle();
    }

    fn make_node(&mut self, number: u32) {
        let name = super::simulation::node_name(number);
        let now = self.now_text();
        self.make(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {
                    "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
                    "kubernetes.io/hostname": name,
                },
            },
            "spec": {},
        }));
        let id = super::simulation::core_id("Node", "", &name);
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason,
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            })
        };
        let status = json!({
            "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                condition("Ready", "True", "KubeletReady"),
            ],
            "addresses": [{"type": "Hostname", "address": name}],
        });
        let _ = self.control(&id, "kubelet", "status", |node| {
            node.as_map_mut().insert("status".to_owned(), status);
        });
    }
}
