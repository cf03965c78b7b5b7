//! Charts that are put together for the bench.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gitops_core::source::MemoryTree;
use gitops_render::{helm::ArchiveLimits, tree::ArchiveTree};

const FILES: usize = 20;

const HELPERS: &str = r#"{{- define "heavy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- define "heavy.fullname" -}}
{{- if contains (include "heavy.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "heavy.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- define "heavy.selector" -}}
app.kubernetes.io/name: {{ include "heavy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "heavy.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "heavy.selector" . }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
"#;

const VALUES: &str = r#"nameOverride: ""
replicaCount: 1
commonLabels:
  team: "{{ .Release.Name }}-team"
  tier: '{{ include "heavy.name" . }}'
image:
  repository: registry.example.org/heavy
  tag: 1.2.3
settings: |
  endpoint: http://{{ include "heavy.fullname" . }}.{{ .Release.Namespace }}.svc
  replicas: {{ .Values.replicaCount }}
resources:
  limits: {cpu: 100m, memory: 128Mi}
  requests: {cpu: 50m, memory: 64Mi}
"#;

const TEMPLATE: &str = r#"{{- range $i := until 100 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "heavy.fullname" $ }}-FILE-{{ $i }}
  labels:
    {{- include "heavy.labels" $ | nindent 4 }}
  annotations:
    {{- tpl $.Values.settings $ | nindent 4 }}
spec:
  replicas: {{ $.Values.replicaCount }}
  selector:
    matchLabels:
      {{- include "heavy.selector" $ | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "heavy.labels" $ | nindent 8 }}
    spec:
      containers:
        - name: {{ $.Chart.Name }}
          image: "{{ $.Values.image.repository }}:{{ $.Values.image.tag }}"
          args: [{{ tpl (printf "--instance={{ .Release.Name }}-%d" $i) $ | quote }}]
          resources:
            {{- toYaml $.Values.resources | nindent 12 }}
{{- end }}
"#;

/// Writes a chart of 2,000 documents whose text comes mostly from `include` and `tpl`.
pub(crate) fn heavy(directory: &Path) -> PathBuf {
    let mut tree = MemoryTree::new()
        .with(
            "Chart.yaml",
            "apiVersion: v2\nname: heavy\nversion: 1.0.0\n",
        )
        .with("values.yaml", VALUES)
        .with("templates/_helpers.tpl", HELPERS);
    for number in 0..FILES {
        let text = TEMPLATE.replace("FILE", &number.to_string());
        tree.insert(format!("templates/deployments-{number}.yaml"), text);
    }
    write(&tree, directory.join("heavy"))
}

/// Writes the seed's prometheus-operator with its dependencies unpacked in `charts/`; `None` where
/// there is no seed.
pub(crate) fn operator(seed: &Path, directory: &Path) -> Option<PathBuf> {
    let mut tree = super::in_memory(&seed.join("repos/helm-charts/stable/prometheus-operator"));
    for archive in [
        "kube-state-metrics-2.8.14",
        "prometheus-node-exporter-1.10.0",
        "grafana-5.3.6",
    ] {
        let path = seed.join(format!("chart-repositories/stable/{archive}.tgz"));
        let archive_tree =
            ArchiveTree::new(&fs::read(path).ok()?, &ArchiveLimits::default()).ok()?;
        for (name, content) in archive_tree.into_memory().files() {
            tree.insert(format!("charts/{archive}/{name}"), content.clone());
        }
    }
    Some(write(&tree, directory.join("operator")))
}

fn write(tree: &MemoryTree, root: PathBuf) -> PathBuf {
    for (name, content) in tree.files() {
        let path = root.join(name);
        path.parent().map(fs::create_dir_all);
        fs::write(path, content).expect("the target directory can be written");
    }
    root
}
