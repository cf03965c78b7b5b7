//! CertificateSigningRequest as `certificates.k8s.io/v1`.

use serde_json::json;

use super::draft::{Draft, is_unset};

/// `v1` requires a signer: the one that `v1beta1` guessed where none was named cannot be asked for any
/// more.
pub(super) fn request(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    let Some(spec) = draft.spec() else {
        return Ok(());
    };
    if is_unset(spec, "signerName") {
        return Err("certificates.k8s.io/v1 has no default signer; set spec.signerName".to_owned());
    }
    if is_unset(spec, "usages") {
        spec.insert(
            "usages".to_owned(),
            json!(["digital signature", "key encipherment"]),
        );
        draft.changed("spec.usages: digital signature and key encipherment as before");
    }
    Ok(())
}
