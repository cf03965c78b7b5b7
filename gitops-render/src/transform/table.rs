//! Which kinds at which versions were removed, and what comes in their place.

use super::{
    autoscaling, batch, certificates, definitions, draft::Draft, endpoints, flow, ingress, policy,
    roles, runtime, webhooks, workloads,
};

/// Kinds that a server removed at one of its versions.
pub(super) struct Removed {
    /// The version that was removed.
    pub(super) api_version: &'static str,
    /// The kinds.
    pub(super) kinds: &'static [&'static str],
    /// The minor version of Kubernetes 1 that serves it no more; 0 where it was never served by default.
    pub(super) until: u64,
    /// What comes in its place, best first; nothing where the kind is gone.
    pub(super) successors: &'static [Successor],
    /// Writes the rest of the object anew. Fails with what the object must say and does not.
    pub(super) lift: fn(&mut Draft, from: &str) -> Result<(), String>,
    /// Why an object is left out where no successor is served; it stays as it is where this is empty.
    pub(super) why: &'static str,
}

/// A version of a kind that takes the place of a removed one.
pub(super) struct Successor {
    pub(super) api_version: &'static str,
    /// The minor version of Kubernetes 1 that serves it first.
    pub(super) since: u64,
    /// The minor version that serves it no more.
    pub(super) until: u64,
}

/// The entry of a kind, if it was ever removed.
pub(super) fn find(api_version: &str, kind: &str) -> Option<&'static Removed> {
    REMOVED
        .iter()
        .find(|removed| removed.api_version == api_version && removed.kinds.contains(&kind))
}

const fn next(api_version: &'static str, since: u64) -> Successor {
    Successor {
        api_version,
        since,
        until: u64::MAX,
    }
}

type Lift = fn(&mut Draft, &str) -> Result<(), String>;

const fn lifted(
    api_version: &'static str,
    kinds: &'static [&'static str],
    until: u64,
    successors: &'static [Successor],
    lift: Lift,
) -> Removed {
    Removed {
        api_version,
        kinds,
        until,
        successors,
        lift,
        why: "",
    }
}

const fn gone(
    api_version: &'static str,
    kinds: &'static [&'static str],
    until: u64,
    why: &'static str,
) -> Removed {
    Removed {
        api_version,
        kinds,
        until,
        successors: &[],
        lift: same,
        why,
    }
}

/// Versions that differ in nothing but their name.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
fn same(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    Ok(())
}

const APPS: &[Successor] = &[next("apps/v1", 9)];
const NETWORKING: &[Successor] = &[next("networking.k8s.io/v1", 19)];
const RBAC: &[Successor] = &[next("rbac.authorization.k8s.io/v1", 8)];
const RBAC_KINDS: &[&str] = &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
const ADMISSION: &[Successor] = &[next("admissionregistration.k8s.io/v1", 16)];
const ADMISSION_POLICIES: &[Successor] = &[next("admissionregistration.k8s.io/v1", 30)];
const ADMISSION_POLICY_KINDS: &[&str] = &[
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
const FLOW_KINDS: &[&str] = &["FlowSchema", "PriorityLevelConfiguration"];
const FLOW_V1: Successor = next("flowcontrol.apiserver.k8s.io/v1", 29);
const FLOW_V1BETA3: Successor = Successor {
    api_version: "flowcontrol.apiserver.k8s.io/v1beta3",
    since: 26,
    until: 32,
};
const FLOW_V1BETA2: Successor = Successor {
    api_version: "flowcontrol.apiserver.k8s.io/v1beta2",
    since: 23,
    until: 29,
};
const POD_SECURITY: &str = "PodSecurityPolicy has no successor; label namespaces for Pod Security \
                            admission instead";
const POD_SECURITY_POLICY: &[Successor] = &[Successor {
    api_version: "policy/v1beta1",
    since: 10,
    until: 25,
}];
const PRIORITY: &[Successor] = &[next("scheduling.k8s.io/v1", 14)];
const RUNTIME: &[Successor] = &[next("node.k8s.io/v1", 20)];
const SLICES: &[Successor] = &[next("discovery.k8s.io/v1", 21)];
const CRON: &[Successor] = &[next("batch/v1", 21)];
const AUTOSCALING: &[Successor] = &[next("autoscaling/v2", 23)];
const ATTACHMENT: &[Successor] = &[next("storage.k8s.io/v1", 13)];
const CAPACITY: &[Successor] = &[next("storage.k8s.io/v1", 24)];
const VOLUME_ATTRIBUTES: &[Successor] = &[next("storage.k8s.io/v1", 34)];
const ADDRESSES: &[Successor] = &[next("networking.k8s.io/v1", 33)];
const DEVICES: &[Successor] = &[next("resource.k8s.io/v1", 34)];
const DEVICE_KINDS: &[&str] = &[
    "DeviceClass",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "ResourceSlice",
];

#[rustfmt::skip]
static REMOVED: &[Removed] = &[
    // Workloads.
    lifted("extensions/v1beta1", &["Deployment"], 16, APPS, workloads::deployment),
    lifted("extensions/v1beta1", &["DaemonSet"], 16, APPS, workloads::daemon_set),
    lifted("extensions/v1beta1", &["ReplicaSet"], 16, APPS, workloads::replica_set),
    lifted("apps/v1beta1", &["Deployment"], 16, APPS, workloads::deployment),
    lifted("apps/v1beta1", &["StatefulSet"], 16, APPS, workloads::stateful_set),
    lifted("apps/v1beta1", &["ControllerRevision"], 16, APPS, same),
    lifted("apps/v1beta2", &["Deployment"], 16, APPS, workloads::deployment),
    lifted("apps/v1beta2", &["DaemonSet"], 16, APPS, workloads::daemon_set),
    lifted("apps/v1beta2", &["ReplicaSet"], 16, APPS, workloads::replica_set),
    lifted("apps/v1beta2", &["StatefulSet"], 16, APPS, workloads::stateful_set),
    lifted("apps/v1beta2", &["ControllerRevision"], 16, APPS, same),
    lifted("batch/v1beta1", &["CronJob"], 25, CRON, batch::cron_job),
    lifted("batch/v2alpha1", &["CronJob"], 0, CRON, batch::cron_job),
    // Networking.
    lifted("extensions/v1beta1", &["Ingress"], 22, NETWORKING, ingress::ingress),
    lifted("networking.k8s.io/v1beta1", &["Ingress"], 22, NETWORKING, ingress::ingress),
    lifted("networking.k8s.io/v1beta1", &["IngressClass"], 22, NETWORKING, same),
    lifted("extensions/v1beta1", &["NetworkPolicy"], 16, &[next("networking.k8s.io/v1", 7)], same),
    lifted("networking.k8s.io/v1alpha1", &["IPAddress", "ServiceCIDR"], 0, ADDRESSES, same),
    lifted("networking.k8s.io/v1beta1", &["IPAddress", "ServiceCIDR"], 0, ADDRESSES, same),
    lifted("discovery.k8s.io/v1alpha1", &["EndpointSlice"], 0, SLICES, endpoints::slice),
    lifted("discovery.k8s.io/v1beta1", &["EndpointSlice"], 25, SLICES, endpoints::slice),
    // Policies.
    lifted("policy/v1beta1", &["PodDisruptionBudget"], 25, &[next("policy/v1", 21)], policy::budget),
    lifted("rbac.authorization.k8s.io/v1beta1", RBAC_KINDS, 22, RBAC, same),
    lifted("rbac.authorization.k8s.io/v1alpha1", RBAC_KINDS, 0, RBAC, roles::alpha),
    lifted("scheduling.k8s.io/v1beta1", &["PriorityClass"], 22, PRIORITY, same),
    lifted("scheduling.k8s.io/v1alpha1", &["PriorityClass"], 0, PRIORITY, same),
    lifted("flowcontrol.apiserver.k8s.io/v1alpha1", FLOW_KINDS, 0, &[FLOW_V1, FLOW_V1BETA3, FLOW_V1BETA2], flow::control),
    lifted("flowcontrol.apiserver.k8s.io/v1beta1", FLOW_KINDS, 26, &[FLOW_V1, FLOW_V1BETA3, FLOW_V1BETA2], flow::control),
    lifted("flowcontrol.apiserver.k8s.io/v1beta2", FLOW_KINDS, 29, &[FLOW_V1, FLOW_V1BETA3], flow::control),
    lifted("flowcontrol.apiserver.k8s.io/v1beta3", FLOW_KINDS, 32, &[FLOW_V1], flow::control),
    // Extension of the API.
    lifted("apiextensions.k8s.io/v1beta1", &["CustomResourceDefinition"], 22, &[next("apiextensions.k8s.io/v1", 16)], definitions::definition),
    lifted("apiregistration.k8s.io/v1beta1", &["APIService"], 22, &[next("apiregistration.k8s.io/v1", 10)], same),
    lifted("admissionregistration.k8s.io/v1beta1", &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"], 22, ADMISSION, webhooks::configuration),
    lifted("admissionregistration.k8s.io/v1alpha1", ADMISSION_POLICY_KINDS, 0, ADMISSION_POLICIES, same),
    lifted("admissionregistration.k8s.io/v1beta1", ADMISSION_POLICY_KINDS, 34, ADMISSION_POLICIES, same),
    // The rest.
    lifted("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], 25, AUTOSCALING, autoscaling::metrics),
    lifted("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], 26, AUTOSCALING, same),
    lifted("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 22, &[next("certificates.k8s.io/v1", 19)], certificates::request),
    lifted("coordination.k8s.io/v1beta1", &["Lease"], 22, &[next("coordination.k8s.io/v1", 14)], same),
    lifted("events.k8s.io/v1beta1", &["Event"], 25, &[next("events.k8s.io/v1", 19)], same),
    lifted("node.k8s.io/v1beta1", &["RuntimeClass"], 25, RUNTIME, same),
    lifted("node.k8s.io/v1alpha1", &["RuntimeClass"], 0, RUNTIME, runtime::alpha),
    lifted("storage.k8s.io/v1beta1", &["StorageClass"], 22, &[next("storage.k8s.io/v1", 6)], same),
    lifted("storage.k8s.io/v1beta1", &["CSIDriver"], 22, &[next("storage.k8s.io/v1", 18)], same),
    lifted("storage.k8s.io/v1beta1", &["CSINode"], 22, &[next("storage.k8s.io/v1", 17)], same),
    lifted("storage.k8s.io/v1beta1", &["VolumeAttachment"], 22, ATTACHMENT, same),
    lifted("storage.k8s.io/v1alpha1", &["VolumeAttachment"], 0, ATTACHMENT, same),
    lifted("storage.k8s.io/v1alpha1", &["CSIStorageCapacity"], 0, CAPACITY, same),
    lifted("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 27, CAPACITY, same),
    lifted("storage.k8s.io/v1alpha1", &["VolumeAttributesClass"], 0, VOLUME_ATTRIBUTES, same),
    lifted("storage.k8s.io/v1beta1", &["VolumeAttributesClass"], 0, VOLUME_ATTRIBUTES, same),
    lifted("resource.k8s.io/v1beta2", DEVICE_KINDS, 0, DEVICES, same),
    // Without a successor.
    Removed { successors: POD_SECURITY_POLICY, ..gone("extensions/v1beta1", &["PodSecurityPolicy"], 16, POD_SECURITY) },
    gone("policy/v1beta1", &["PodSecurityPolicy"], 25, POD_SECURITY),
    gone("settings.k8s.io/v1alpha1", &["PodPreset"], 20, "PodPreset has no successor; a mutating admission webhook or policy can do the same"),
    gone("auditregistration.k8s.io/v1alpha1", &["AuditSink"], 19, "AuditSink has no successor; configure auditing by the flags of the API server"),
    gone("admissionregistration.k8s.io/v1alpha1", &["InitializerConfiguration"], 14, "initializers have no successor; a mutating admission webhook can do the same"),
    gone("networking.k8s.io/v1alpha1", &["ClusterCIDR"], 31, "ClusterCIDR has no successor; node ranges are a matter of the network plug-in"),
];
