//! The canonical order of Endpoints.

use std::cmp::Ordering;

use md5::{Digest as _, Md5};
use serde_json::Value;

/// Sorts addresses by IP and uid, ports and subsets by a hash, as Kubernetes' endpoints package
/// does.
pub(super) fn sort_subsets(subsets: &mut [Value]) {
    for subset in subsets.iter_mut() {
        for name in ["addresses", "notReadyAddresses"] {
            if let Some(Value::Array(addresses)) = subset.get_mut(name) {
                addresses.sort_by(address_order);
            }
        }
        if let Some(Value::Array(ports)) = subset.get_mut("ports") {
            ports.sort_by_cached_key(|port| hash(|out| port_text(out, port)));
        }
    }
    subsets.sort_by_cached_key(|subset| hash(|out| subset_text(out, subset)));
}

fn address_order(a: &Value, b: &Value) -> Ordering {
    let text = |value: &Value, pointer: &str| {
        let text = value.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
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

/// The hash of the text that Go's `%#v` gives, with types.
fn hash(write: impl FnOnce(&mut String)) -> [u8; 16] {
    let mut text = String::new();
    write(&mut text);
    Md5::digest(text.as_bytes()).into()
}

fn string<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn field(out: &mut String, name: &str, ty: &str, value: &str) {
    out.push_str(&format!("{name}:({ty}){value}"));
}

/// A pointer to a string.
fn optional(out: &mut String, name: &str, value: Option<&Value>) {
    match value.and_then(Value::as_str) {
        Some(text) => field(out, name, "*string", text),
        None => field(out, name, "*string", "<nil>"),
    }
}

type Writer<'v> = Box<dyn FnOnce(&mut String) + 'v>;

fn fields(out: &mut String, writers: Vec<Writer<'_>>) {
    out.push('{');
    for (at, write) in writers.into_iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        write(out);
    }
    out.push('}');
}

fn port_text(out: &mut String, port: &Value) {
    out.push_str("(v1.EndpointPort)");
    port_fields(out, port);
}

fn port_fields(out: &mut String, port: &Value) {
    let number = port.get("port").and_then(Value::as_i64).unwrap_or_default();
    fields(
        out,
        vec![
            Box::new(|out| field(out, "Name", "string", string(port, "name"))),
            Box::new(|out| field(out, "Port", "int32", &number.to_string())),
            Box::new(|out| field(out, "Protocol", "v1.Protocol", string(port, "protocol"))),
            Box::new(|out| optional(out, "AppProtocol", port.get("appProtocol"))),
        ],
    );
}

fn address_fields(out: &mut String, address: &Value) {
    fields(
        out,
        vec![
            Box::new(|out| field(out, "IP", "string", string(address, "ip"))),
            Box::new(|out| field(out, "Hostname", "string", string(address, "hostname"))),
            Box::new(|out| optional(out, "NodeName", address.get("nodeName"))),
            Box::new(|out| match address.get("targetRef") {
                None | Some(Value::Null) => {
                    field(out, "TargetRef", "*v1.ObjectReference", "<nil>");
                }
                Some(target) => {
                    field(out, "TargetRef", "*v1.ObjectReference", "");
                    reference_fields(out, target);
                }
            }),
        ],
    );
}

fn reference_fields(out: &mut String, target: &Value) {
    let names: [(&'static str, &'static str, &'static str); 7] = [
        ("Kind", "string", "kind"),
        ("Namespace", "string", "namespace"),
        ("Name", "string", "name"),
        ("UID", "types.UID", "uid"),
        ("APIVersion", "string", "apiVersion"),
        ("ResourceVersion", "string", "resourceVersion"),
        ("FieldPath", "string", "fieldPath"),
    ];
    let mut writers: Vec<Writer<'_>> = Vec::new();
    for (name, ty, key) in names {
        writers.push(Box::new(move |out| {
            field(out, name, ty, string(target, key))
        }));
    }
    fields(out, writers);
}

fn list(
    out: &mut String,
    name: &str,
    ty: &str,
    value: Option<&Value>,
    item: fn(&mut String, &Value),
) {
    let Some(Value::Array(items)) = value else {
        field(out, name, ty, "<nil>");
        return;
    };
    field(out, name, ty, "[");
    for (at, value) in items.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        item(out, value);
    }
    out.push(']');
}

fn subset_text(out: &mut String, subset: &Value) {
    out.push_str("(v1.EndpointSubset)");
    let addresses = "[]v1.EndpointAddress";
    fields(
        out,
        vec![
            Box::new(|out| {
                list(
                    out,
                    "Addresses",
                    addresses,
                    subset.get("addresses"),
                    address_fields,
                );
            }),
            Box::new(|out| {
                let value = subset.get("notReadyAddresses");
                list(out, "NotReadyAddresses", addresses, value, address_fields);
            }),
            Box::new(|out| {
                list(
                    out,
                    "Ports",
                    "[]v1.EndpointPort",
                    subset.get("ports"),
                    port_fields,
                );
            }),
        ],
    );
}
