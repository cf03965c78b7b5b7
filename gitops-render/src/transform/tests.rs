use gitops_core::{
    Manifest, Scope,
    cluster::{Discovery, ServedKind},
    yaml,
};
use serde_json::{Value, json};

use super::*;

fn object(text: &str) -> Manifest {
    Manifest::try_from(yaml::from_str(text).unwrap()).unwrap()
}

/// The objects and the notes that come of an object on a server of today, as text.
fn migrated(text: &str) -> String {
    on("1.34", text)
}

fn on(version: &str, text: &str) -> String {
    let target = Target::version(version).unwrap();
    let made = RemovedApis
        .migrate(object(text), &target)
        .unwrap_or_else(|error| panic!("{error}"));
    let notes = made.rewrites.iter().map(|rewrite| format!("# {rewrite}\n"));
    let objects = made
        .manifests
        .iter()
        .map(|object| yaml::to_string(&object.to_value()));
    notes.chain(objects).collect()
}

#[test]
fn what_is_served_stays_as_it_is() {
    let text = "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: a}\n";
    assert_eq!(on("1.24", text), yaml::to_string(&object(text).to_value()));
    let served = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
    assert_eq!(
        migrated(served),
        yaml::to_string(&object(served).to_value())
    );
}

#[test]
fn discovery_decides_where_there_is_one() {
    let kind = ServedKind {
        plural: "ingresses".to_owned(),
        scope: Scope::Namespaced,
        verbs: Vec::new(),
        subresources: Vec::new(),
        short_names: Vec::new(),
    };
    let mut served = Discovery {
        version: "1.21.0".to_owned(),
        ..Discovery::default()
    };
    let new = GroupVersionKind::new("networking.k8s.io", "v1", "Ingress");
    let old = GroupVersionKind::new("networking.k8s.io", "v1beta1", "Ingress");
    served.kinds.insert(new, kind.clone());
    let ingress =
        object("apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: a}\n");
    let context = TransformContext {
        application: "a",
        namespace: "",
        kube_version: "1.17.0",
        served: &served,
    };
    let made = RemovedApis.transform(ingress.clone(), &context).unwrap();
    assert_eq!(made.manifests[0].version(), "v1");
    let mut both = served.clone();
    both.kinds.insert(old, kind);
    let context = TransformContext {
        served: &both,
        ..context
    };
    let made = RemovedApis.transform(ingress.clone(), &context).unwrap();
    assert_eq!(made, ingress.clone().into());
    // Neither is served: nothing is gained by another version.
    let mut neither = Discovery::default();
    neither.kinds.insert(
        GroupVersionKind::new("", "v1", "Secret"),
        ServedKind {
            plural: "secrets".to_owned(),
            scope: Scope::Namespaced,
            verbs: Vec::new(),
            subresources: Vec::new(),
            short_names: Vec::new(),
        },
    );
    let context = TransformContext {
        served: &neither,
        ..context
    };
    let made = RemovedApis.transform(ingress.clone(), &context).unwrap();
    assert_eq!(made, ingress.into());
}

#[test]
fn deployments() {
    let template = "
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
";
    let extensions = format!(
        "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  \
         rollbackTo: {{revision: 1}}{template}"
    );
    insta::assert_snapshot!("deployment_of_extensions", migrated(&extensions));
    let recreate = format!(
        "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {{name: web, labels: {{a: b}}}}\n\
         spec:\n  progressDeadlineSeconds: 60\n  revisionHistoryLimit: 3\n  \
         strategy: {{type: Recreate}}\n  selector: {{matchLabels: {{app: web}}}}{template}"
    );
    insta::assert_snapshot!("deployment_that_says_all", migrated(&recreate));
    let beta1 = format!(
        "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {{name: web}}\nspec:{template}"
    );
    insta::assert_snapshot!("deployment_of_apps_v1beta1", migrated(&beta1));
    let beta2 = format!(
        "apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  \
         selector: {{matchLabels: {{app: web}}}}{template}"
    );
    insta::assert_snapshot!("deployment_of_apps_v1beta2", migrated(&beta2));
}

#[test]
fn other_workloads() {
    insta::assert_snapshot!(
        "daemon_set",
        migrated(
            "
apiVersion: extensions/v1beta1
kind: DaemonSet
metadata:
  name: agent
  annotations: {argocd.argoproj.io/sync-wave: '2', helm.sh/hook: post-install}
spec:
  templateGeneration: 3
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: agent}]}
"
        )
    );
    insta::assert_snapshot!(
        "replica_set",
        migrated(
            "
apiVersion: extensions/v1beta1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
status: {replicas: 0}
"
        )
    );
    insta::assert_snapshot!(
        "stateful_set",
        migrated(
            "
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db}]}
"
        )
    );
    insta::assert_snapshot!(
        "cron_job",
        migrated(
            "
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: tidy}
spec:
  schedule: 'CRON_TZ=Europe/Berlin 0 3 * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
"
        )
    );
}

#[test]
fn networking() {
    insta::assert_snapshot!(
        "ingress",
        migrated(
            "
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: web, annotations: {kubernetes.io/ingress.class: nginx}}
spec:
  backend: {serviceName: rest, servicePort: http}
  tls: [{hosts: [a.example.com], secretName: a}]
  rules:
  - host: a.example.com
    http:
      paths:
      - backend: {serviceName: web, servicePort: 80}
      - {path: /x, pathType: Prefix, backend: {serviceName: web, servicePort: '8080'}}
      - {path: /y, backend: {resource: {kind: Bucket, name: b, apiGroup: s.example.com}}}
"
        )
    );
    insta::assert_snapshot!(
        "network_policy",
        migrated(
            "
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}
"
        )
    );
    insta::assert_snapshot!(
        "endpoint_slice",
        migrated(
            "
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {name: web-1}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
  topology:
    kubernetes.io/hostname: node-1
    topology.kubernetes.io/zone: z1
    topology.kubernetes.io/region: r1
ports: [{name: http, port: 80}]
"
        )
    );
}

#[test]
fn policies() {
    let budget = |selector: &str| {
        migrated(&format!(
            "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {{name: a}}\n\
             spec: {{maxUnavailable: 1{selector}}}\n"
        ))
    };
    insta::assert_snapshot!(
        "budgets",
        format!(
            "{}---\n{}---\n{}",
            budget(", selector: {matchLabels: {app: a}}"),
            budget(", selector: {}"),
            budget("")
        )
    );
    insta::assert_snapshot!(
        "pod_security_policy",
        migrated(
            "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: a}\nspec: {}\n"
        )
    );
    let security = "apiVersion: extensions/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: a}\n";
    assert!(on("1.20", security).contains("apiVersion: policy/v1beta1"));
    assert!(on("1.30", security).contains("is left out"));
    insta::assert_snapshot!(
        "role_binding",
        migrated(
            "
apiVersion: rbac.authorization.k8s.io/v1alpha1
kind: ClusterRoleBinding
metadata: {name: a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {apiVersion: rbac.authorization.k8s.io/v1alpha1, kind: User, name: '*'}
- {apiVersion: v1, kind: ServiceAccount, name: a, namespace: b}
"
        )
    );
    insta::assert_snapshot!(
        "role",
        migrated(
            "
apiVersion: rbac.authorization.k8s.io/v1beta1
kind: Role
metadata: {name: a}
rules: [{apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use], resourceNames: [a]}]
"
        )
    );
}

#[test]
fn webhook_configurations() {
    insta::assert_snapshot!(migrated(
        "
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingWebhookConfiguration
metadata: {name: a}
webhooks:
- name: a.example.com
  clientConfig: {service: {name: a, namespace: b, path: /a}}
  rules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [CREATE], resources: [pods]}]
- name: b.example.com
  failurePolicy: Fail
  matchPolicy: Equivalent
  sideEffects: None
  timeoutSeconds: 5
  admissionReviewVersions: [v1]
  clientConfig: {url: 'https://b.example.com'}
"
    ));
}

#[test]
fn autoscalers() {
    insta::assert_snapshot!(
        "autoscaler_of_v2beta1",
        migrated(
            "
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 5
  scaleTargetRef: {apiVersion: extensions/v1beta1, kind: Deployment, name: web}
  metrics:
  - type: Resource
    resource: {name: cpu, targetAverageUtilization: 80}
  - type: Resource
    resource: {name: memory, targetAverageValue: 1Gi}
  - type: Pods
    pods: {metricName: hits, targetAverageValue: 10, selector: {matchLabels: {a: b}}}
  - type: Object
    object:
      metricName: hits
      target: {apiVersion: extensions/v1beta1, kind: Ingress, name: web}
      targetValue: 100
  - type: Object
    object:
      metricName: hits
      target: {kind: Service, name: web}
      targetValue: 100
      averageValue: 10
  - type: External
    external: {metricName: queue, metricSelector: {matchLabels: {q: a}}, targetAverageValue: 30}
"
        )
    );
    insta::assert_snapshot!(
        "reference_of_a_served_autoscaler",
        migrated(
            "
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1beta2, kind: StatefulSet, name: web}}
"
        )
    );
}

#[test]
fn priorities_of_requests() {
    let level = |version: &str, metadata: &str, limited: &str| {
        format!(
            "apiVersion: flowcontrol.apiserver.k8s.io/{version}\nkind: PriorityLevelConfiguration\n\
             metadata: {{name: a{metadata}}}\nspec: {{type: Limited, limited: {{{limited}}}}}\n"
        )
    };
    let zero = ", annotations: {flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares: ''}";
    let all = [
        migrated(&level("v1beta1", "", "assuredConcurrencyShares: 20")),
        migrated(&level("v1beta2", "", "limitResponse: {type: Reject}")),
        migrated(&level("v1beta3", "", "nominalConcurrencyShares: 0")),
        migrated(&level("v1beta3", zero, "nominalConcurrencyShares: 0")),
        on(
            "1.27",
            &level("v1beta1", "", "assuredConcurrencyShares: 20"),
        ),
    ];
    insta::assert_snapshot!(all.join("---\n"));
}

#[test]
fn the_rest() {
    let all = [
        "apiVersion: certificates.k8s.io/v1beta1\nkind: CertificateSigningRequest\n\
         metadata: {name: a}\nspec: {signerName: example.com/a, request: YQ==}\n",
        "apiVersion: node.k8s.io/v1alpha1\nkind: RuntimeClass\nmetadata: {name: a}\n\
         spec: {runtimeHandler: runsc, scheduling: {nodeSelector: {a: b}}}\n",
        "apiVersion: apiregistration.k8s.io/v1beta1\nkind: APIService\nmetadata: {name: v1.a}\n\
         spec: {group: a, version: v1, groupPriorityMinimum: 1, versionPriority: 1}\n",
        "apiVersion: storage.k8s.io/v1beta1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: a\n",
        "apiVersion: storage.k8s.io/v1beta1\nkind: CSIDriver\nmetadata: {name: a}\nspec: {}\n",
        "apiVersion: scheduling.k8s.io/v1beta1\nkind: PriorityClass\nmetadata: {name: a}\nvalue: 1\n",
        "apiVersion: coordination.k8s.io/v1beta1\nkind: Lease\nmetadata: {name: a}\nspec: {}\n",
        "apiVersion: settings.k8s.io/v1alpha1\nkind: PodPreset\nmetadata: {name: a}\nspec: {}\n",
    ];
    let all: Vec<String> = all.iter().map(|text| migrated(text)).collect();
    insta::assert_snapshot!(all.join("---\n"));
    let request = object(
        "apiVersion: certificates.k8s.io/v1beta1\nkind: CertificateSigningRequest\n\
         metadata: {name: a}\nspec: {request: YQ==}\n",
    );
    let error = RemovedApis
        .migrate(request, &Target::version("1.34").unwrap())
        .unwrap_err();
    insta::assert_snapshot!("a_request_without_a_signer", error.to_string());
}

#[test]
fn seccomp_profiles() {
    let pod = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        a: b
        seccomp.security.alpha.kubernetes.io/pod: docker/default
        container.seccomp.security.alpha.kubernetes.io/web: localhost/web.json
        container.seccomp.security.alpha.kubernetes.io/side: own
    spec:
      containers: [{name: web}, {name: side, securityContext: {seccompProfile: {type: Unconfined}}}]
";
    insta::assert_snapshot!(migrated(pod));
    assert_eq!(on("1.26", pod), yaml::to_string(&object(pod).to_value()));
}

#[test]
fn definitions() {
    insta::assert_snapshot!(
        "definition_without_a_schema",
        migrated(
            "
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: tills.shop.k8s.io}
spec:
  group: shop.k8s.io
  version: v1
  names: {kind: Till, plural: tills}
  additionalPrinterColumns: [{name: Open, type: string, JSONPath: .status.open}]
  subresources: {status: {}}
status: {conditions: [], storedVersions: []}
"
        )
    );
    insta::assert_snapshot!(
        "definition_of_several_versions",
        migrated(
            "
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: tills.shop.example.com}
spec:
  group: shop.example.com
  scope: Cluster
  preserveUnknownFields: false
  names: {kind: Till, plural: tills}
  conversion:
    strategy: Webhook
    webhookClientConfig: {service: {name: a, namespace: b}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object}}}}
    additionalPrinterColumns: [{name: Open, type: string, JSONPath: .status.open}]
  - name: v2
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object}}
"
        )
    );
}

/// The schema that comes of one, and what is noted.
fn schema(preserve: bool, with_status: bool, text: &str) -> String {
    let mut structure = structural::Structure::new(preserve);
    let schema = structural::structural(yaml::from_str(text).unwrap(), with_status, &mut structure);
    let changes = structure.changes().map(|change| format!("# {change}\n"));
    let losses = structure.losses().map(|loss| format!("# lost: {loss}\n"));
    changes
        .chain(losses)
        .chain([yaml::to_string(&schema)])
        .collect()
}

#[test]
fn a_structural_schema_stays_as_it_is() {
    let text = "
description: A till.
type: object
required: [spec]
properties:
  apiVersion: {type: string}
  kind: {type: string}
  metadata: {type: object}
  spec:
    type: object
    nullable: true
    properties:
      port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
      labels: {type: object, additionalProperties: {type: string}}
      coins:
        type: array
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items: {type: object, required: [name], properties: {name: {type: string}}}
      mode: {type: string, enum: [a, b], default: a}
";
    let value: Value = yaml::from_str(text).unwrap();
    assert_eq!(schema(false, true, text), yaml::to_string(&value));
}

#[test]
fn schemas_become_structural() {
    insta::assert_snapshot!(
        "types_and_unknown_fields",
        schema(
            true,
            false,
            "
properties:
  apiVersion: {description: A version.}
  metadata: {description: Names., properties: {name: {maxLength: 5}, labels: {type: object}}}
  spec:
    required: [a]
    properties:
      any: {description: Anything.}
      a: {items: {properties: {b: {type: string}}}}
      list: {type: array}
      tuple: {type: array, items: [{type: string}]}
      labels: {type: object, additionalProperties: true}
      values: {additionalProperties: {properties: {x: {type: string}}}}
      mixed: {properties: {x: {type: string}}, additionalProperties: {type: string}}
      mode: {enum: [a, b]}
      amount: {type: [integer, 'null'], unknownKeyword: 1, readOnly: true}
      nothing: {type: 'null'}
      unique: {type: array, uniqueItems: true, items: {type: string}}
      raw: {type: object, x-kubernetes-embedded-resource: true}
      reference: {$ref: '#/definitions/a', patternProperties: {x: {type: string}}}
"
        )
    );
    insta::assert_snapshot!(
        "alternatives",
        schema(
            true,
            true,
            "
oneOf: [{required: [spec]}, {required: [status]}]
properties:
  spec:
    anyOf:
    - {properties: {a: {type: string, minLength: 1}}, required: [a]}
    - {properties: {b: {type: object, properties: {c: {pattern: x}}}}, additionalProperties: false}
    not: {properties: {d: {enum: [1]}}}
    properties:
      port: {oneOf: [{type: string}, {type: integer}]}
      size: {anyOf: [{type: integer, minimum: 1}, {type: string, pattern: '%$'}]}
      same: {anyOf: [{type: string, pattern: a}, {type: string, pattern: b}]}
      old: {format: int-or-string}
"
        )
    );
    insta::assert_snapshot!(
        "lists",
        schema(
            false,
            false,
            "
type: object
properties:
  keyed:
    type: array
    x-kubernetes-list-type: map
    x-kubernetes-list-map-keys: [port, protocol]
    items:
      type: object
      required: [port]
      properties: {port: {type: integer}, protocol: {type: string}}
  set: {type: array, x-kubernetes-list-type: set, items: {type: object}}
"
        )
    );
}

#[test]
fn a_schema_without_end_is_cut() {
    let mut deep = json!({"type": "object"});
    for _ in 0..200 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    let mut structure = structural::Structure::new(false);
    structural::structural(deep, false, &mut structure);
    assert_eq!(structure.losses().count(), 1);
}

#[test]
fn streams_of_text() {
    let text = "---
# Source: a/b.yaml
apiVersion: v1
kind: Secret   # as it is
metadata: {name: a}
---
# Source: a/c.yaml
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata: {name: a}
---
# Source: a/d.yaml
apiVersion: v1
kind: List
items:
- {apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: a}}
- {apiVersion: v1, kind: Service, metadata: {name: b}}
---
# Source: a/e.yaml
# nothing
";
    let target = Target::version("v1.34.1").unwrap();
    let (output, rewrites) = RemovedApis.migrate_text(text, &target).unwrap();
    assert_eq!(rewrites.len(), 2);
    insta::assert_snapshot!(output);
    assert!(Target::version("new").is_err());
}
