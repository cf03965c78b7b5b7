//! What may happen to manifests between rendering and printing.

use gitops_core::error::BoxError;

/// Changes the manifests of a release as a whole: Helm's post-renderer.
///
/// It is given the text of all manifests in order of installation, each behind its `# Source:` line,
/// with the chart's CRDs before them where they are printed, and without hooks. A closure is one.
///
/// ```
/// use gitops_core::source::MemoryTree;
/// use gitops_render::helm::{Chart, Helm, PrintOptions, Profile, Release, Values};
///
/// let tree = MemoryTree::new()
///     .with("Chart.yaml", "{apiVersion: v2, name: web, version: 1.0.0}")
///     .with("templates/web.yaml", "kind: Service\n");
/// let helm = Helm::new(Profile::helm_3_22());
/// let out = helm.render(&Chart::load(&tree)?, &Release::named("web"), Values::new())?;
/// let text = out.post_rendered(&PrintOptions::default(), &|manifests: &str| {
///     Ok(manifests.replace("Service", "Ingress"))
/// })?;
/// assert_eq!(text, "---\n# Source: web/templates/web.yaml\nkind: Ingress\n");
/// # Ok::<(), gitops_render::helm::HelmError>(())
/// ```
pub trait PostRenderer: Send + Sync {
    /// The text that takes the place of `manifests`.
    ///
    /// # Errors
    /// When there is none; the message becomes part of Helm's.
    fn post_render(&self, manifests: &str) -> Result<String, BoxError>;
}

impl<F> PostRenderer for F
where
    F: Fn(&str) -> Result<String, BoxError> + Send + Sync,
{
    fn post_render(&self, manifests: &str) -> Result<String, BoxError> {
        self(manifests)
    }
}
