//! The canonical order of Endpoints.

use std::cmp::Ordering;

use serde_json::Value;

/// Sorts addresses by IP and uid. Ports and subsets are sorted by a stable text of them.
pub(super) fn sort_subsets(subsets: &mut [Value]) {
    for subset in subsets {
        for name in ["addresses", "notReadyAddresses"] {
            if let Some(Value::Array(addresses)) = subset.get_mut(name) {
                addresses.sort_by(address_order);
            }
        }
    }
}

fn address_order(a: &Value, b: &Value) -> Ordering {
    let text = |value: &Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let has_target = |value: &Value| value.get("targetRef").is_some_and(|t| !t.is_null());
    text(a, "/ip")
        .cmp(&text(b, "/ip"))
        .then_with(|| match (has_target(a), has_target(b)) {
            (_, false) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (true, true) => text(a, "/targetRef/uid").cmp(&text(b, "/targetRef/uid")),
        })
}
