//! The requests that a cluster was asked, for tests that prove what was and was not sent.

use gitops_core::{GroupVersionKind, ObjectRef, cluster::ListScope};

/// Requests beyond this number are counted but not kept.
const KEPT: usize = 100_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// What was asked.
    pub verb: RequestVerb,
    /// Kind and version; empty for discovery.
    pub gvk: GroupVersionKind,
    /// Namespace; empty for cluster-scoped kinds and lists over all namespaces.
    pub namespace: String,
    /// Name; empty for lists, watches and generated names.
    pub name: String,
    /// Sub-resource; empty for the object itself.
    pub subresource: String,
    /// Field manager of writes.
    pub field_manager: String,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// Whether an injected fault refused it.
    pub failed_by_fault: bool,
}

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RequestVerb {
    /// What is served, or its schemas.
    Discovery,
    /// One object.
    Get,
    /// Many objects.
    List,
    /// Changes of objects.
    Watch,
    /// Server-side apply.
    Apply,
    /// Create.
    Create,
    /// Replace.
    Replace,
    /// JSON, merge or strategic merge patch.
    Patch,
    /// Delete.
    Delete,
}

impl RequestVerb {
    /// Whether it changes something, unless it is a dry run.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::Apply | Self::Create | Self::Replace | Self::Patch | Self::Delete
        )
    }
}

impl Request {
    pub(crate) fn of(verb: RequestVerb, object: &ObjectRef) -> Self {
        Self {
            verb,
            gvk: object.gvk.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            subresource: String::new(),
            field_manager: String::new(),
            dry_run: false,
            failed_by_fault: false,
        }
    }

    pub(crate) fn scope(verb: RequestVerb, scope: &ListScope) -> Self {
        Self::of(
            verb,
            &ObjectRef::new(
                scope.gvk.clone(),
                scope.namespace.clone().unwrap_or_default(),
                "",
            ),
        )
    }

    pub(crate) fn discovery() -> Self {
        Self::of(
            RequestVerb::Discovery,
            &ObjectRef::new(GroupVersionKind::new("", "", ""), "", ""),
        )
    }

    pub(crate) fn manager(mut self, manager: &str) -> Self {
        manager.clone_into(&mut self.field_manager);
        self
    }

    pub(crate) fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    pub(crate) fn subresource(mut self, subresource: Option<&str>) -> Self {
        subresource
            .unwrap_or_default()
            .clone_into(&mut self.subresource);
        self
    }

    pub(crate) fn object_text(&self) -> String {
        ObjectRef::new(self.gvk.clone(), &self.namespace, &self.name).to_string()
    }
}

/// Requests, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requests {
    /// The first hundred thousand of them.
    pub all: Vec<Request>,
    /// Number of gets, lists, watches and discoveries.
    pub reads: u64,
    /// Number of writes that were no dry runs.
    pub writes: u64,
    /// Number of dry runs.
    pub dry_runs: u64,
}

impl Requests {
    /// Those that are writes and no dry runs.
    pub fn written(&self) -> impl Iterator<Item = &Request> {
        self.all
            .iter()
            .filter(|request| request.verb.is_write() && !request.dry_run)
    }

    /// Number of requests with a verb, dry runs included.
    #[must_use]
    pub fn count(&self, verb: RequestVerb) -> usize {
        self.all
            .iter()
            .filter(|request| request.verb == verb)
            .count()
    }
}

/// Keeps the requests.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    requests: Requests,
}

impl Journal {
    pub(crate) fn note(&mut self, mut request: Request, failed_by_fault: bool) {
        request.failed_by_fault = failed_by_fault;
        if !request.verb.is_write() {
            self.requests.reads += 1;
        } else if request.dry_run {
            self.requests.dry_runs += 1;
        } else {
            self.requests.writes += 1;
        }
        if self.requests.all.len() < KEPT {
            self.requests.all.push(request);
        }
    }

    pub(crate) fn snapshot(&self) -> Requests {
        self.requests.clone()
    }

    pub(crate) fn clear(&mut self) {
        self.requests = Requests::default();
    }
}
