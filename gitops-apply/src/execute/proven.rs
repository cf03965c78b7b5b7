//! A [`Differ`] that does not compare what is known to be in sync.

use gitops_core::{
    Manifest, ObjectId,
    diff::{DiffError, DiffOptions, Differ, Ignored, ObjectDiff, Verdict},
    object::Fingerprint,
    schema::Schemas,
};
use gitops_diff::proof::Confirmation;

use super::confirm::Answers;

/// Remembers what `differ` has found to be in sync: the same desired object and the same live one
/// are so again, and neither is looked into.
pub(super) struct Proven<'a> {
    pub(super) differ: &'a dyn Differ,
    pub(super) answers: &'a Answers,
    pub(super) owner: &'a str,
}

impl Differ for Proven<'_> {
    fn diff(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
    ) -> Result<ObjectDiff, DiffError> {
        // Which differences are ignored is not part of the proof.
        let live = match live {
            Some(live) if options.ignore.is_empty() => live,
            _ => return self.differ.diff(desired, live, schemas, options),
        };
        let object = live.id();
        let (wanted, found) = (Fingerprint::of_desired(desired), Fingerprint::of_live(live));
        if self.answers.is_proven(self.owner, &object, &wanted, &found) {
            return Ok(unchanged(object, live));
        }
        let diff = self.differ.diff(desired, Some(live), schemas, options)?;
        if diff.verdict == Verdict::Unchanged {
            let confirmation = Confirmation::new(wanted, found);
            self.answers.remember(self.owner, object, confirmation);
        }
        Ok(diff)
    }

    fn payload(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
        ignored: Ignored,
    ) -> Result<Manifest, DiffError> {
        self.differ
            .payload(desired, live, schemas, options, ignored)
    }
}

fn unchanged(object: ObjectId, live: &Manifest) -> ObjectDiff {
    ObjectDiff {
        object,
        verdict: Verdict::Unchanged,
        changes: Vec::new(),
        predicted: Some(live.clone()),
    }
}
