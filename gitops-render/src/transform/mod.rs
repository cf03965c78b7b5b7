//! Changes of rendered manifests: pure stages between a renderer and the comparison.
//!
//! [`RemovedApis`] writes objects of API versions that a server has removed in the form of their
//! successors, and leaves out those that have none. In comes one manifest, as the repository declares
//! it, and what the server serves; out comes the manifest in a form the server takes, with a
//! [`Rewrite`] that says what was changed and what the new form cannot say.
//!
//! An object means the same afterwards: where the two versions have different defaults, the old one is
//! written out. What the server serves is left as it is.

mod autoscaling;
mod batch;
mod certificates;
mod definitions;
mod documents;
mod draft;
mod endpoints;
mod flow;
mod ingress;
mod policy;
mod roles;
mod runtime;
mod seccomp;
mod structural;
mod table;
#[cfg(test)]
mod tests;
mod webhooks;
mod workloads;

use gitops_core::{
    GroupVersionKind, Manifest,
    cluster::Discovery,
    render::{RenderError, Rewrite, TransformContext, Transformed, Transformer},
    version::Version,
};

use self::{
    draft::Draft,
    table::{Removed, Successor},
};

/// Writes objects of removed API versions as their successors; leaves out those that have none.
///
/// ```
/// use gitops_core::Manifest;
/// use gitops_render::transform::{RemovedApis, Target};
/// let budget = Manifest::try_from(serde_json::json!({
///     "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
///     "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
/// }))?;
/// let migrated = RemovedApis.migrate(budget, &Target::version("1.34")?)?;
/// assert_eq!(migrated.manifests[0].api_version(), "policy/v1");
/// assert_eq!(
///     migrated.rewrites[0].to_string(),
///     "policy/PodDisruptionBudget web of policy/v1beta1 is written as policy/v1",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct RemovedApis;

/// The server that manifests are to be fit for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Minor version of Kubernetes 1.
    minor: u64,
    /// What it serves, where that is known.
    served: Option<&'a Discovery>,
}

impl<'a> Target<'a> {
    /// A server of a Kubernetes version that serves what that version serves by default.
    ///
    /// # Errors
    /// When the version cannot be read.
    pub fn version(version: &str) -> Result<Self, RenderError> {
        let parsed = Version::parse(version).map_err(|error| RenderError::InvalidSource {
            reason: format!("the Kubernetes version `{version}` cannot be read: {error}"),
        })?;
        Ok(Self {
            minor: parsed.minor(),
            served: None,
        })
    }

    /// A server of which it is known what it serves.
    #[must_use]
    pub fn served(served: &'a Discovery) -> Self {
        Self {
            minor: Version::parse(&served.version).map_or(u64::MAX, |version| version.minor()),
            served: Some(served),
        }
    }

    fn serves(&self, api_version: &str, kind: &str, since: u64, until: u64) -> bool {
        match self.served {
            Some(served) => {
                let gvk = GroupVersionKind::from_api_version(api_version, kind);
                served.get(&gvk).is_some()
            }
            None => (since..until).contains(&self.minor),
        }
    }

    /// The successor to write, if the server does not serve the kind itself.
    fn successor(&self, removed: &'static Removed, kind: &str) -> Verdict {
        if self.serves(removed.api_version, kind, 0, removed.until) {
            return Verdict::Keep;
        }
        let next = removed
            .successors
            .iter()
            .find(|next| self.serves(next.api_version, kind, next.since, next.until));
        match next {
            Some(next) => Verdict::Lift(next),
            None if removed.why.is_empty() => Verdict::Keep,
            None => Verdict::Drop,
        }
    }

    /// The version to name in a reference to a kind, where it is another one.
    fn reference(&self, api_version: &str, kind: &str) -> Option<&'static str> {
        let removed = table::find(api_version, kind)?;
        match self.successor(removed, kind) {
            Verdict::Lift(next) => Some(next.api_version),
            Verdict::Keep | Verdict::Drop => None,
        }
    }
}

enum Verdict {
    Keep,
    Drop,
    Lift(&'static Successor),
}

impl RemovedApis {
    /// The manifest in a form that the server takes; as it is where the server serves it, or serves
    /// none of its successors either.
    ///
    /// # Errors
    /// When the successor requires something that the manifest does not say.
    pub fn migrate(
        &self,
        manifest: Manifest,
        target: &Target<'_>,
    ) -> Result<Transformed, RenderError> {
        let object = manifest.id();
        let from = manifest.api_version().to_owned();
        let removed = table::find(&from, manifest.kind());
        let verdict = removed.map_or(Verdict::Keep, |removed| {
            target.successor(removed, manifest.kind())
        });
        let to = match verdict {
            Verdict::Drop => {
                let reason = removed.map_or("", |removed| removed.why).to_owned();
                let rewrite = Rewrite {
                    object,
                    from,
                    to: None,
                    changes: Vec::new(),
                    losses: vec![reason],
                };
                return Ok(Transformed {
                    manifests: Vec::new(),
                    rewrites: vec![rewrite],
                });
            }
            Verdict::Lift(next) => Some(next.api_version),
            Verdict::Keep => None,
        };
        if to.is_none() && !seccomp::concerns(&manifest) && !autoscaling::concerns(&manifest) {
            return Ok(manifest.into());
        }
        let mut draft = Draft::new(manifest, to.unwrap_or(&from), target.minor);
        if let (Some(to), Some(removed)) = (to, removed) {
            draft.set_api_version(to);
            (removed.lift)(&mut draft, &from).map_err(|reason| RenderError::InvalidManifest {
                path: format!("{object} of {from}"),
                reason,
            })?;
        }
        autoscaling::references(&mut draft, target);
        seccomp::annotations(&mut draft);
        Ok(draft.finish(object, from))
    }
}

impl Transformer for RemovedApis {
    fn transform(
        &self,
        manifest: Manifest,
        context: &TransformContext<'_>,
    ) -> Result<Transformed, RenderError> {
        let target = if context.served.kinds.is_empty() {
            Target::version(context.kube_version)?
        } else {
            Target::served(context.served)
        };
        self.migrate(manifest, &target)
    }
}
