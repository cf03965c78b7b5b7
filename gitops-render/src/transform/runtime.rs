//! RuntimeClass of `v1alpha1`: its spec was unfolded into the object.

use super::draft::{Draft, rename};

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn alpha(draft: &mut Draft, _from: &str) -> Result<(), String> {
    let Some(mut spec) = draft.take_spec() else {
        return Ok(());
    };
    rename(&mut spec, "runtimeHandler", "handler");
    let fields = draft.fields();
    fields.remove("spec");
    for field in ["handler", "overhead", "scheduling"] {
        if let Some(value) = spec.remove(field) {
            fields.insert(field.to_owned(), value);
        }
    }
    draft.changed("spec.runtimeHandler is handler");
    Ok(())
}
