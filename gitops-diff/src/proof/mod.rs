//! Proofs that an apply would change nothing, without asking the API server.
//!
//! In: a desired object, the live one with its `managedFields`, the schema. Out: yes, or "not
//! proven". Two proofs count:
//!
//! * [`is_strictly_unchanged`]: the fields that desired states are exactly those of our Apply
//!   entry, which is of the same API version, and merging desired into live gives live.
//! * [`Confirmation`]: an apply of the same desired is known to have left the object as it is now.
//!
//! Nothing semantic is in here: `1000m` and `1`, absent and empty, `stringData` and `data` are
//! different, since the API server writes on some of them. What is not proven needs a dry-run,
//! whose answer [`Confirmation`] remembers.

mod fingerprint;

#[cfg(test)]
mod tests;

use gitops_core::{Manifest, schema::Schema};

pub use fingerprint::{Confirmation, Fingerprint, differs_in_content};

use crate::{
    merge::{
        focus::{Sides, is_of_no_concern},
        status_only,
    },
    schema::deduced_schema,
};

/// Whether a server-side apply of `desired` by `manager` is proven to change nothing in `live`.
#[must_use]
pub fn is_strictly_unchanged(
    desired: &Manifest,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> bool {
    let schema = schema.unwrap_or_else(|| deduced_schema());
    is_of_no_concern(Sides {
        schema,
        desired,
        live,
        manager,
        reset: &status_only(),
    })
}
