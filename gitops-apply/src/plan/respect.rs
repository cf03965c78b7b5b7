//! `RespectIgnoreDifferences=true`: fields whose differences are ignored are sent as they are live.

use gitops_core::{Manifest, app::IgnoreDifferences, glob::file_path_match};
use serde_json::Value;

/// Puts the live values of ignored fields (those named by JSON pointers) into the declared object.
/// Fields that are not there in the live object are left out.
pub(super) fn keep_ignored(object: &mut Manifest, live: &Manifest, rules: &[IgnoreDifferences]) {
    for rule in rules {
        if !applies(rule, object) {
            continue;
        }
        for pointer in &rule.json_pointers {
            let Some((parent, last)) = split(pointer) else {
                continue;
            };
            let live = live.pointer(pointer).cloned();
            let Some(parent) = value_mut(object, &parent) else {
                continue;
            };
            match (parent, live) {
                (Value::Object(map), Some(value)) => {
                    map.insert(last, value);
                }
                (Value::Object(map), None) => {
                    map.remove(&last);
                }
                (Value::Array(list), Some(value)) => {
                    if let Some(item) = last.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                        *item = value;
                    }
                }
                _ => {}
            }
        }
    }
}

fn applies(rule: &IgnoreDifferences, object: &Manifest) -> bool {
    file_path_match(&rule.group, object.group())
        && file_path_match(&rule.kind, object.kind())
        && (rule.name.is_empty() || rule.name == object.name())
        && (rule.namespace.is_empty() || rule.namespace == object.namespace())
}

/// The pointer of the parent and the last segment; `None` for the whole object.
fn split(pointer: &str) -> Option<(String, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    (!parent.is_empty()).then(|| (parent.to_owned(), last))
}

fn value_mut<'a>(object: &'a mut Manifest, pointer: &str) -> Option<&'a mut Value> {
    let rest = pointer.strip_prefix('/')?;
    let (first, rest) = rest
        .split_once('/')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let first = first.replace("~1", "/").replace("~0", "~");
    let value = object.as_map_mut().get_mut(&first)?;
    match rest {
        None => Some(value),
        Some(rest) => value.pointer_mut(&format!("/{rest}")),
    }
}
