//! The rules of an AppProject, ready to be asked.

use crate::{
    app::{AppProject, ApplicationDestination, ProjectDestination, ResourceRule},
    glob::{Glob, file_path_match},
    object::{GroupVersionKind, ObjectId, Scope},
    policy::Policy,
};

/// URL under which Applications name the cluster they live in.
pub const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";
/// Name under which Applications name the cluster they live in.
pub const IN_CLUSTER_NAME: &str = "in-cluster";

/// The rules of a project for one destination cluster.
#[derive(Debug, Clone)]
pub struct ProjectRules<'a> {
    project: &'a AppProject,
    destination: &'a ApplicationDestination,
}

impl<'a> ProjectRules<'a> {
    /// The rules of `project` for objects that go to `destination`.
    #[must_use]
    pub fn new(project: &'a AppProject, destination: &'a ApplicationDestination) -> Self {
        Self {
            project,
            destination,
        }
    }

    /// Whether applications may use the repository. `Err` says why not.
    pub fn permits_source(&self, url: &str) -> Result<(), String> {
        let url = normalized_url(url);
        let rules = &self.project.spec.source_repos;
        let matches = |pattern: &str| {
            pattern == "*"
                || Glob::new(&normalized_url(pattern), &['/']).is_ok_and(|glob| glob.matches(&url))
        };
        let denied = rules
            .iter()
            .any(|rule| rule.strip_prefix('!').is_some_and(matches));
        let allowed = rules
            .iter()
            .any(|rule| !rule.starts_with('!') && matches(rule));
        if allowed && !denied {
            return Ok(());
        }
        Err(format!(
            "application repo {url} is not permitted in project '{}' (sourceRepos)",
            self.project.name()
        ))
    }

    /// Whether applications may sync to the destination. `Err` says why not.
    pub fn permits_destination(&self) -> Result<(), String> {
        let namespace = self.destination.namespace.as_deref().unwrap_or_default();
        if self.permits_namespace(namespace) {
            return Ok(());
        }
        Err(format!(
            "application destination server '{}' and namespace '{namespace}' do not match any of \
             the allowed destinations in project '{}' (destinations)",
            self.destination
                .server
                .as_deref()
                .or(self.destination.name.as_deref())
                .unwrap_or_default(),
            self.project.name()
        ))
    }

    fn permits_namespace(&self, namespace: &str) -> bool {
        let rules = &self.project.spec.destinations;
        rules.iter().any(|rule| self.rule_allows(rule, namespace))
            && !rules.iter().any(|rule| self.rule_denies(rule, namespace))
    }

    fn rule_allows(&self, rule: &ProjectDestination, namespace: &str) -> bool {
        let glob = |pattern: &Option<String>, text: &str| {
            pattern
                .as_deref()
                .is_some_and(|p| !p.starts_with('!') && matches(p, text))
        };
        let cluster = glob(&rule.server, self.server()) || glob(&rule.name, self.cluster_name());
        cluster && glob(&rule.namespace, namespace)
    }

    fn rule_denies(&self, rule: &ProjectDestination, namespace: &str) -> bool {
        let denied = |pattern: &Option<String>, text: &str| {
            pattern
                .as_deref()
                .and_then(|p| p.strip_prefix('!'))
                .is_some_and(|p| matches(p, text))
        };
        let allowed_or_any = |pattern: &Option<String>, text: &str| {
            pattern
                .as_deref()
                .is_none_or(|p| p.starts_with('!') || matches(p, text))
        };
        (denied(&rule.namespace, namespace) && allowed_or_any(&rule.server, self.server()))
            || denied(&rule.server, self.server())
            || denied(&rule.name, self.cluster_name())
    }

    fn server(&self) -> &str {
        match (&self.destination.server, self.destination.name.as_deref()) {
            (Some(server), _) => server.trim_end_matches('/'),
            (None, Some(IN_CLUSTER_NAME)) => IN_CLUSTER_SERVER,
            (None, _) => "",
        }
    }

    fn cluster_name(&self) -> &str {
        match (self.destination.name.as_deref(), self.server()) {
            (Some(name), _) => name,
            (None, IN_CLUSTER_SERVER) => IN_CLUSTER_NAME,
            (None, _) => "",
        }
    }
}

impl Policy for ProjectRules<'_> {
    fn permits(
        &self,
        gvk: &GroupVersionKind,
        object: &ObjectId,
        scope: Scope,
    ) -> Result<(), String> {
        let spec = &self.project.spec;
        let listed = |rules: &[ResourceRule]| rules.iter().any(|rule| rule_matches(rule, object));
        let name = self.project.name();
        let refusal = |rule: &str| {
            Err(format!(
                "resource {}:{} {} is not permitted in project {name} ({rule})",
                gvk.group, gvk.kind, object.name
            ))
        };
        match scope {
            Scope::Cluster => {
                if !listed(&spec.cluster_resource_whitelist) {
                    return refusal("not in clusterResourceWhitelist");
                }
                if listed(&spec.cluster_resource_blacklist) {
                    return refusal("in clusterResourceBlacklist");
                }
            }
            Scope::Namespaced => {
                if spec
                    .namespace_resource_whitelist
                    .as_deref()
                    .is_some_and(|rules| !listed(rules))
                {
                    return refusal("not in namespaceResourceWhitelist");
                }
                if listed(&spec.namespace_resource_blacklist) {
                    return refusal("in namespaceResourceBlacklist");
                }
                if !self.permits_namespace(&object.namespace) {
                    return Err(format!(
                        "namespace {} of {} {} is not permitted in project '{name}' (destinations)",
                        object.namespace, gvk.kind, object.name
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The project that applies where none was created: everything is allowed.
#[must_use]
pub fn default_project() -> AppProject {
    let any = || Some("*".to_owned());
    let mut project = AppProject::default();
    project.metadata.insert("name".to_owned(), "default".into());
    project.spec.source_repos = vec!["*".to_owned()];
    project.spec.destinations = vec![ProjectDestination {
        server: any(),
        namespace: any(),
        ..ProjectDestination::default()
    }];
    project.spec.cluster_resource_whitelist = vec![ResourceRule {
        group: "*".into(),
        kind: "*".into(),
        ..ResourceRule::default()
    }];
    project
}

/// A repository URL in the form in which URLs are compared: lower case, no `.git`, scp-like
/// addresses written as `host/path` of ssh.
#[must_use]
pub fn normalized_url(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    if !url.contains("://")
        && let Some((host, path)) = url.split_once(':')
        && host.contains('@')
    {
        url = format!("{host}/{path}");
    }
    let url = url.strip_prefix("ssh://").unwrap_or(&url);
    url.strip_suffix(".git").unwrap_or(url).to_owned()
}

fn matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern, &[]).is_ok_and(|glob| glob.matches(text))
}

fn rule_matches(rule: &ResourceRule, object: &ObjectId) -> bool {
    // A malformed pattern permits nothing and forbids nothing.
    let matches = |pattern: &str, text: &str| file_path_match(pattern, text).unwrap_or(false);
    matches(&rule.group, &object.group)
        && matches(&rule.kind, &object.kind)
        && rule
            .name
            .as_deref()
            .is_none_or(|name| name.is_empty() || matches(name, &object.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn project(spec: serde_json::Value) -> AppProject {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
    }

    fn destination(namespace: &str) -> ApplicationDestination {
        serde_json::from_value(json!({"server": IN_CLUSTER_SERVER, "namespace": namespace}))
            .unwrap()
    }

    fn object(group: &str, kind: &str, namespace: &str) -> (GroupVersionKind, ObjectId) {
        let gvk = GroupVersionKind::new(group, "v1", kind);
        let id = ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: "x".into(),
        };
        (gvk, id)
    }

    #[test]
    fn sources_are_globs_over_normalized_urls() {
        let project = project(
            json!({"sourceRepos": ["https://example.com/team/*", "!https://example.com/team/secret"]}),
        );
        let destination = destination("a");
        let rules = ProjectRules::new(&project, &destination);
        assert!(
            rules
                .permits_source("https://Example.com/team/app.git")
                .is_ok()
        );
        assert!(
            rules
                .permits_source("https://example.com/team/a/b")
                .is_err()
        );
        assert!(
            rules
                .permits_source("https://example.com/team/secret.git")
                .is_err()
        );
    }

    #[test]
    fn a_missing_cluster_list_allows_nothing_and_a_missing_namespace_list_everything() {
        let project = project(json!({"destinations": [{"server": "*", "namespace": "a"}]}));
        let destination = destination("a");
        let rules = ProjectRules::new(&project, &destination);
        let (gvk, id) = object("rbac.authorization.k8s.io", "ClusterRole", "");
        let refusal = rules.permits(&gvk, &id, Scope::Cluster).unwrap_err();
        assert!(refusal.contains("clusterResourceWhitelist") && refusal.contains("ClusterRole"));
        let (gvk, id) = object("apps", "Deployment", "a");
        assert!(rules.permits(&gvk, &id, Scope::Namespaced).is_ok());
        let (gvk, id) = object("apps", "Deployment", "b");
        assert!(
            rules
                .permits(&gvk, &id, Scope::Namespaced)
                .unwrap_err()
                .contains("namespace b")
        );
    }

    #[test]
    fn an_empty_namespace_list_allows_nothing() {
        let project = project(json!({
            "destinations": [{"server": "*", "namespace": "*"}, {"server": "*", "namespace": "!kube-*"}],
            "namespaceResourceWhitelist": [{"group": "", "kind": "ConfigMap"}],
        }));
        let destination = destination("a");
        let rules = ProjectRules::new(&project, &destination);
        let (gvk, id) = object("", "ConfigMap", "a");
        assert!(rules.permits(&gvk, &id, Scope::Namespaced).is_ok());
        let (gvk, id) = object("", "Secret", "a");
        assert!(rules.permits(&gvk, &id, Scope::Namespaced).is_err());
        let (gvk, id) = object("", "ConfigMap", "kube-system");
        assert!(rules.permits(&gvk, &id, Scope::Namespaced).is_err());
    }

    #[test]
    fn the_default_project_allows_everything() {
        let project = default_project();
        let destination = destination("a");
        let rules = ProjectRules::new(&project, &destination);
        assert!(rules.permits_source("git@example.com:a/b.git").is_ok());
        assert!(rules.permits_destination().is_ok());
        let (gvk, id) = object("rbac.authorization.k8s.io", "ClusterRole", "");
        assert!(rules.permits(&gvk, &id, Scope::Cluster).is_ok());
    }
}
