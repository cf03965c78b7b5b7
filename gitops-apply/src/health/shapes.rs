//! The types of fields that no rule looks at.
//!
//! A rule of a built-in kind reads the whole object into the type of the kind, so that a field of a
//! wrong type anywhere is an error. The types here are for that: they are decoded and dropped. What
//! is rarely written (affinity, lifecycle, sources of volumes beyond the usual) is left out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::go::{IntOrString, Quantity, Time};

type Texts = Vec<String>;
type TextMap = BTreeMap<String, String>;
type Quantities = BTreeMap<String, Quantity>;
type Untyped = Map<String, Value>;

macro_rules! shapes {
    ($($name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        #[allow(dead_code, non_snake_case, reason = "fields are decoded for their types")]
        pub(super) struct $name { $($field: $ty,)* }
    )*};
}

shapes! {
    Meta {
        name: String, generateName: String, namespace: String, selfLink: String, uid: String,
        resourceVersion: String, generation: i64, creationTimestamp: Time,
        deletionTimestamp: Time, deletionGracePeriodSeconds: i64, labels: TextMap,
        annotations: TextMap, ownerReferences: Vec<Owner>, finalizers: Texts,
        managedFields: Vec<Managed>,
    }
    Owner {
        apiVersion: String, kind: String, name: String, uid: String, controller: bool,
        blockOwnerDeletion: bool,
    }
    Managed {
        manager: String, operation: String, apiVersion: String, time: Time, fieldsType: String,
        subresource: String,
    }
    Condition {
        r#type: String, status: String, reason: String, message: String, lastTransitionTime: Time,
    }
    AnnotatedCondition { lasttransitiontime: Time }
    Probed {
        r#type: String, status: String, reason: String, message: String, lastTransitionTime: Time,
        lastProbeTime: Time,
    }
    Updated {
        r#type: String, status: String, reason: String, message: String, lastTransitionTime: Time,
        lastUpdateTime: Time,
    }
    Observed {
        r#type: String, status: String, reason: String, message: String, lastTransitionTime: Time,
        observedGeneration: i64,
    }
    PodCondition {
        r#type: String, status: String, reason: String, message: String, lastTransitionTime: Time,
        lastProbeTime: Time, observedGeneration: i64,
    }
    Selector { matchLabels: TextMap, matchExpressions: Vec<Requirement> }
    Requirement { key: String, operator: String, values: Texts }
    Named { name: String }

    Template { metadata: Meta, spec: PodSpec }
    Strategy { r#type: String, rollingUpdate: RollingUpdate }
    RollingUpdate { partition: i32, maxSurge: IntOrString, maxUnavailable: IntOrString }

    Deployment { metadata: Meta, spec: DeploymentSpec, status: DeploymentStatus }
    DeploymentSpec {
        replicas: i32, selector: Selector, template: Template, strategy: Strategy,
        minReadySeconds: i32, revisionHistoryLimit: i32, paused: bool,
        progressDeadlineSeconds: i32,
    }
    DeploymentStatus {
        observedGeneration: i64, replicas: i32, updatedReplicas: i32, readyReplicas: i32,
        availableReplicas: i32, unavailableReplicas: i32, terminatingReplicas: i32,
        conditions: Vec<Updated>, collisionCount: i32,
    }

    StatefulSet { metadata: Meta, spec: StatefulSetSpec, status: StatefulSetStatus }
    StatefulSetSpec {
        replicas: i32, selector: Selector, template: Template, volumeClaimTemplates: Vec<Claim>,
        serviceName: String, podManagementPolicy: String, updateStrategy: Strategy,
        revisionHistoryLimit: i32, minReadySeconds: i32,
        persistentVolumeClaimRetentionPolicy: Retention, ordinals: Ordinals,
    }
    Retention { whenDeleted: String, whenScaled: String }
    Ordinals { start: i32 }
    StatefulSetStatus {
        observedGeneration: i64, replicas: i32, readyReplicas: i32, currentReplicas: i32,
        updatedReplicas: i32, currentRevision: String, updateRevision: String,
        collisionCount: i32, conditions: Vec<Condition>, availableReplicas: i32,
    }

    DaemonSet { metadata: Meta, spec: DaemonSetSpec, status: DaemonSetStatus }
    DaemonSetSpec {
        selector: Selector, template: Template, updateStrategy: DaemonStrategy,
        minReadySeconds: i32, revisionHistoryLimit: i32,
    }
    DaemonStrategy { r#type: String, rollingUpdate: DaemonRollingUpdate }
    DaemonRollingUpdate { maxSurge: IntOrString, maxUnavailable: IntOrString }
    DaemonSetStatus {
        currentNumberScheduled: i32, numberMisscheduled: i32, desiredNumberScheduled: i32,
        numberReady: i32, observedGeneration: i64, updatedNumberScheduled: i32,
        numberAvailable: i32, numberUnavailable: i32, collisionCount: i32,
        conditions: Vec<Condition>,
    }

    ReplicaSet { metadata: Meta, spec: ReplicaSetSpec, status: ReplicaSetStatus }
    ReplicaSetSpec {
        replicas: i32, minReadySeconds: i32, selector: Selector, template: Template,
    }
    ReplicaSetStatus {
        replicas: i32, fullyLabeledReplicas: i32, readyReplicas: i32, availableReplicas: i32,
        terminatingReplicas: i32, observedGeneration: i64, conditions: Vec<Condition>,
    }

    Job { metadata: Meta, spec: JobSpec, status: JobStatus }
    JobSpec {
        parallelism: i32, completions: i32, activeDeadlineSeconds: i64, backoffLimit: i32,
        backoffLimitPerIndex: i32, maxFailedIndexes: i32, selector: Selector,
        manualSelector: bool, template: Template, ttlSecondsAfterFinished: i32,
        completionMode: String, suspend: bool, podReplacementPolicy: String, managedBy: String,
    }
    JobStatus {
        conditions: Vec<Probed>, startTime: Time, completionTime: Time, active: i32,
        succeeded: i32, failed: i32, terminating: i32, completedIndexes: String,
        failedIndexes: String, uncountedTerminatedPods: Uncounted, ready: i32,
    }
    Uncounted { succeeded: Texts, failed: Texts }

    Service { metadata: Meta, spec: ServiceSpec, status: ServiceStatus }
    ServiceSpec {
        ports: Vec<ServicePort>, selector: TextMap, clusterIP: String, clusterIPs: Texts,
        r#type: String, externalIPs: Texts, sessionAffinity: String, loadBalancerIP: String,
        loadBalancerSourceRanges: Texts, externalName: String, externalTrafficPolicy: String,
        healthCheckNodePort: i32, publishNotReadyAddresses: bool, ipFamilies: Texts,
        ipFamilyPolicy: String, allocateLoadBalancerNodePorts: bool, loadBalancerClass: String,
        internalTrafficPolicy: String, trafficDistribution: String,
    }
    ServicePort {
        name: String, protocol: String, appProtocol: String, port: i32, targetPort: IntOrString,
        nodePort: i32,
    }
    ServiceStatus { loadBalancer: LoadBalancer, conditions: Vec<Observed> }
    LoadBalancer { ingress: Vec<LoadBalancerIngress> }
    LoadBalancerIngress { ip: String, hostname: String, ipMode: String, ports: Vec<PortStatus> }
    PortStatus { port: i32, protocol: String, error: String }

    Claim { metadata: Meta, spec: ClaimSpec, status: ClaimStatus }
    ClaimSpec {
        accessModes: Texts, selector: Selector, resources: Resources, volumeName: String,
        storageClassName: String, volumeMode: String, dataSource: Reference,
        dataSourceRef: Reference, volumeAttributesClassName: String,
    }
    Reference { apiGroup: String, kind: String, name: String, namespace: String }
    ClaimStatus {
        phase: String, accessModes: Texts, capacity: Quantities, conditions: Vec<Probed>,
        allocatedResources: Quantities, allocatedResourceStatuses: TextMap,
        currentVolumeAttributesClassName: String,
    }

    ApiService { metadata: Meta, spec: ApiServiceSpec, status: ApiServiceStatus }
    ApiServiceSpec {
        service: ServiceReference, group: String, version: String, insecureSkipTLSVerify: bool,
        caBundle: String, groupPriorityMinimum: i32, versionPriority: i32,
    }
    ServiceReference { namespace: String, name: String, port: i32 }
    ApiServiceStatus { conditions: Vec<Condition> }

    Scaler { metadata: Meta, spec: ScalerSpec, status: ScalerStatus }
    ScalerSpec {
        scaleTargetRef: Target, minReplicas: i32, maxReplicas: i32,
        targetCPUUtilizationPercentage: i32,
    }
    Target { kind: String, name: String, apiVersion: String }
    ScalerStatus {
        observedGeneration: i64, lastScaleTime: Time, currentReplicas: i32, desiredReplicas: i32,
        currentCPUUtilizationPercentage: i32,
    }
    MetricScaler { metadata: Meta, spec: MetricScalerSpec, status: MetricScalerStatus }
    MetricScalerSpec {
        scaleTargetRef: Target, minReplicas: i32, maxReplicas: i32, metrics: Vec<Metric>,
        behavior: Untyped,
    }
    MetricScalerStatus {
        observedGeneration: i64, lastScaleTime: Time, currentReplicas: i32, desiredReplicas: i32,
        currentMetrics: Vec<Metric>, conditions: Vec<Condition>,
    }
    Metric { r#type: String, resource: Measured, containerResource: Measured, external: Measured }
    Measured { name: String, container: String, current: Amount, target: Amount }
    Amount { r#type: String, value: Quantity, averageValue: Quantity, averageUtilization: i32 }

    Pod { metadata: Meta, spec: PodSpec, status: PodStatus }
    PodSpec {
        volumes: Vec<Volume>, initContainers: Vec<Container>, containers: Vec<Container>,
        ephemeralContainers: Vec<Container>, restartPolicy: String,
        terminationGracePeriodSeconds: i64, activeDeadlineSeconds: i64, dnsPolicy: String,
        nodeSelector: TextMap, serviceAccountName: String, serviceAccount: String,
        automountServiceAccountToken: bool, nodeName: String, hostNetwork: bool, hostPID: bool,
        hostIPC: bool, shareProcessNamespace: bool, securityContext: Security,
        imagePullSecrets: Vec<Named>, hostname: String, subdomain: String, affinity: Untyped,
        schedulerName: String, tolerations: Vec<Toleration>, hostAliases: Vec<Alias>,
        priorityClassName: String, priority: i32, dnsConfig: Untyped, readinessGates: Vec<Untyped>,
        runtimeClassName: String, enableServiceLinks: bool, preemptionPolicy: String,
        overhead: Quantities, topologySpreadConstraints: Vec<Spread>, setHostnameAsFQDN: bool,
        os: Named, hostUsers: bool, resources: Resources,
    }
    Alias { ip: String, hostnames: Texts }
    Toleration {
        key: String, operator: String, value: String, effect: String, tolerationSeconds: i64,
    }
    Spread {
        maxSkew: i32, topologyKey: String, whenUnsatisfiable: String, labelSelector: Selector,
        minDomains: i32,
    }
    Security {
        runAsUser: i64, runAsGroup: i64, runAsNonRoot: bool, fsGroup: i64,
        supplementalGroups: Vec<i64>, fsGroupChangePolicy: String, privileged: bool,
        allowPrivilegeEscalation: bool, readOnlyRootFilesystem: bool, capabilities: Capabilities,
    }
    Capabilities { add: Texts, drop: Texts }
    Volume {
        name: String, secret: Files, configMap: Files, emptyDir: EmptyDir, hostPath: HostPath,
        persistentVolumeClaim: ClaimSource,
    }
    Files {
        name: String, secretName: String, items: Vec<KeyToPath>, defaultMode: i32, optional: bool,
    }
    KeyToPath { key: String, path: String, mode: i32 }
    EmptyDir { medium: String, sizeLimit: Quantity }
    HostPath { path: String, r#type: String }
    ClaimSource { claimName: String, readOnly: bool }
    Container {
        name: String, image: String, command: Texts, args: Texts, workingDir: String,
        ports: Vec<ContainerPort>, envFrom: Vec<Untyped>, env: Vec<Env>, resources: Resources,
        restartPolicy: String, volumeMounts: Vec<Mount>, livenessProbe: Probe,
        readinessProbe: Probe, startupProbe: Probe, lifecycle: Untyped,
        terminationMessagePath: String, terminationMessagePolicy: String, imagePullPolicy: String,
        securityContext: Security, stdin: bool, stdinOnce: bool, tty: bool,
    }
    ContainerPort {
        name: String, hostPort: i32, containerPort: i32, protocol: String, hostIP: String,
    }
    Env { name: String, value: String, valueFrom: Untyped }
    Resources { limits: Quantities, requests: Quantities, claims: Vec<Named> }
    Mount {
        name: String, readOnly: bool, mountPath: String, subPath: String,
        mountPropagation: String, subPathExpr: String,
    }
    Probe {
        exec: Exec, httpGet: HttpGet, tcpSocket: Socket, grpc: Grpc, initialDelaySeconds: i32,
        timeoutSeconds: i32, periodSeconds: i32, successThreshold: i32, failureThreshold: i32,
        terminationGracePeriodSeconds: i64,
    }
    Exec { command: Texts }
    HttpGet {
        path: String, port: IntOrString, host: String, scheme: String, httpHeaders: Vec<Header>,
    }
    Header { name: String, value: String }
    Socket { port: IntOrString, host: String }
    Grpc { port: i32, service: String }
    PodStatus {
        observedGeneration: i64, phase: String, conditions: Vec<PodCondition>, message: String,
        reason: String, nominatedNodeName: String, hostIP: String, hostIPs: Vec<Address>,
        podIP: String, podIPs: Vec<Address>, startTime: Time,
        initContainerStatuses: Vec<ContainerStatus>, containerStatuses: Vec<ContainerStatus>,
        qosClass: String, ephemeralContainerStatuses: Vec<ContainerStatus>, resize: String,
    }
    Address { ip: String }
    ContainerStatus {
        name: String, state: State, lastState: State, ready: bool, restartCount: i32,
        image: String, imageID: String, containerID: String, started: bool,
    }
    State { waiting: Waiting, running: Running, terminated: Terminated }
    Waiting { reason: String, message: String }
    Running { startedAt: Time }
    Terminated {
        exitCode: i32, signal: i32, reason: String, message: String, startedAt: Time,
        finishedAt: Time, containerID: String,
    }
}
