//! What an earlier apply has shown.

use gitops_core::Manifest;
pub use gitops_core::object::Fingerprint;

/// An apply, or a dry-run of one, that left the object as it was: the confirmed proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// What was applied.
    pub desired: Fingerprint,
    /// The object that it left as it was.
    pub live: Fingerprint,
}

impl Confirmation {
    /// From fingerprints of a desired object and of the live one that has it.
    #[must_use]
    pub fn new(desired: Fingerprint, live: Fingerprint) -> Self {
        Self { desired, live }
    }

    /// From the answer of an apply or dry-run of `desired` to `before`; `None` where it changes
    /// more than `resourceVersion`, `generation` and times.
    #[must_use]
    pub fn of_answer(desired: &Manifest, before: &Manifest, answer: &Manifest) -> Option<Self> {
        (!differs_in_content(before, answer)).then(|| Self {
            desired: Fingerprint::of_desired(desired),
            live: Fingerprint::of_live(answer),
        })
    }

    /// Whether it proves that an apply changes nothing now.
    #[must_use]
    pub fn proves(&self, desired: &Fingerprint, live: &Fingerprint) -> bool {
        self.desired == *desired && self.live == *live
    }
}

/// Whether two states of an object differ in more than `status`, `resourceVersion`, `generation`
/// and times of `managedFields`: what counts as a write.
#[must_use]
pub fn differs_in_content(before: &Manifest, after: &Manifest) -> bool {
    Fingerprint::of_live(before) != Fingerprint::of_live(after)
}
