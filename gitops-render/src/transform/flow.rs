//! FlowSchema and PriorityLevelConfiguration of the beta versions.

use super::draft::{Draft, is_unset, object_mut, rename};

/// By this annotation a zero counted in `v1beta3`.
const ZERO_COUNTS: &str = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares";
const DEFAULT_SHARES: i32 = 30;

/// The shares were renamed with `v1beta3`, and a zero means what it says only since `v1`.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn control(draft: &mut Draft, from: &str) -> Result<(), String> {
    draft.remove_status();
    let zero_counts =
        from.ends_with("/v1beta3") && draft.manifest().annotation(ZERO_COUNTS).is_some();
    let to_v1 = draft.to.ends_with("/v1");
    let is_renamed = to_v1 || draft.to.ends_with("/v1beta3");
    let Some(limited) = draft.spec().and_then(|spec| object_mut(spec, "limited")) else {
        return Ok(());
    };
    let renamed = is_renamed
        && rename(
            limited,
            "assuredConcurrencyShares",
            "nominalConcurrencyShares",
        );
    let shares = limited.get("nominalConcurrencyShares");
    let is_zero = shares.and_then(serde_json::Value::as_i64) == Some(0);
    let defaulted =
        to_v1 && !zero_counts && (is_zero || is_unset(limited, "nominalConcurrencyShares"));
    if defaulted {
        limited.insert("nominalConcurrencyShares".to_owned(), DEFAULT_SHARES.into());
    }
    if renamed {
        draft.changed("spec.limited.assuredConcurrencyShares is nominalConcurrencyShares");
    }
    if defaulted {
        draft.changed("spec.limited.nominalConcurrencyShares: 30 as before");
    }
    if to_v1
        && let Some(annotations) = object_mut(draft.metadata(), "annotations")
        && annotations.remove(ZERO_COUNTS).is_some()
    {
        draft.changed(format!("the annotation {ZERO_COUNTS} left out"));
    }
    Ok(())
}
