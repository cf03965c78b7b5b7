//! Ingress as `networking.k8s.io/v1`.
//!
//! The class stays where it is declared: the annotation `kubernetes.io/ingress.class` is still
//! honoured, needs no IngressClass object and must not stand beside `spec.ingressClassName`.

use serde_json::{Value, json};

use super::draft::{Draft, Fields, object_mut, objects_mut, rename, set_default};

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn ingress(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    let Some(mut spec) = draft.take_spec() else {
        return Ok(());
    };
    if rename(&mut spec, "backend", "defaultBackend") {
        draft.changed("spec.backend is spec.defaultBackend");
        if let Some(backend) = object_mut(&mut spec, "defaultBackend") {
            lift_backend(backend);
        }
    }
    let mut has_paths = false;
    for rule in objects_mut(&mut spec, "rules") {
        let Some(http) = object_mut(rule, "http") else {
            continue;
        };
        for path in objects_mut(http, "paths") {
            has_paths = true;
            if let Some(backend) = object_mut(path, "backend") {
                lift_backend(backend);
            }
            if set_default(path, "pathType", "ImplementationSpecific") {
                draft.changed("pathType: ImplementationSpecific as before");
            }
        }
    }
    if has_paths {
        draft.changed("backends name service.name and service.port");
    }
    draft.put_spec(spec);
    Ok(())
}

/// `serviceName` and `servicePort` as `service`.
fn lift_backend(backend: &mut Fields) {
    let name = backend.remove("serviceName").unwrap_or_default();
    let port = backend.remove("servicePort").unwrap_or_default();
    if name.is_null() && port.is_null() {
        return;
    }
    let port = match port {
        Value::Number(number) => json!({ "number": number }),
        // A name has a letter in it, so a text of digits can only mean the number.
        Value::String(text) => match text.parse::<u16>() {
            Ok(number) => json!({ "number": number }),
            Err(_) => json!({ "name": text }),
        },
        _ => json!({}),
    };
    backend.insert("service".to_owned(), json!({"name": name, "port": port}));
}
