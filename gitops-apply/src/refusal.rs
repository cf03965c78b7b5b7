//! What an API server's refusal means. Statuses tell a wrong object and a field that cannot change
//! apart by their words only.

/// Words of refusals that only another object in its place gets around.
const IMMUTABLE: [&str; 9] = [
    "immutable",
    "cannot change",
    "may not be changed",
    "may not change once set",
    "updates to statefulset spec",
    "pod updates may not change",
    "updates to parameters are forbidden",
    "updates to provisioner are forbidden",
    "updates to reclaimPolicy are forbidden",
];

/// Whether only recreation helps, by the words of one cause.
pub(crate) fn is_immutable(detail: &str) -> bool {
    IMMUTABLE.iter().any(|words| detail.contains(words))
}

/// Whether an internal error is about the object: server-side apply reports objects that do not fit
/// their schema as one.
#[cfg(feature = "kube")]
pub(crate) fn is_about_the_object(message: &str) -> bool {
    message.starts_with("failed to create typed ") || message.starts_with("failed to convert ")
}
