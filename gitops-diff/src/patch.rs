//! JSON patches (RFC 6902) between two states of an object.

use gitops_core::schema::{Schema, Type};
use imara_diff::{Algorithm, Diff, InternedInput, Token};
use json_patch::{
    AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation, jsonptr::PointerBuf,
};
use serde_json::{Map, Value};

use crate::{
    merge::{ANY, ListShape, Shape, shape},
    schema::deduced_schema,
};

/// The patch that makes `after` of `before`.
///
/// Lists are aligned: by the names of their items where the schema has them, else by equality, so
/// that an item inserted at the head of a long list is one operation. The patch is not masked: it
/// is to be applied, not to be shown.
///
/// ```
/// use serde_json::json;
/// let patch = gitops_diff::patch::json_patch(None, &json!({"l": [1, 2]}), &json!({"l": [0, 1, 2]}));
/// assert_eq!(serde_json::to_value(patch).unwrap(), json!([{"op": "add", "path": "/l/0", "value": 0}]));
/// ```
#[must_use]
pub fn json_patch(schema: Option<&Schema>, before: &Value, after: &Value) -> Patch {
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let mut writer = Writer {
        schema,
        path: PointerBuf::new(),
        operations: Vec::new(),
    };
    writer.values(schema.root(), before, after);
    Patch(writer.operations)
}

struct Writer<'s> {
    schema: &'s Schema,
    path: PointerBuf,
    operations: Vec<PatchOperation>,
}

impl<'s> Writer<'s> {
    fn values(&mut self, ty: &'s Type, before: &Value, after: &Value) {
        if before == after {
            return;
        }
        match (before, after) {
            (Value::Object(a), Value::Object(b)) => self.maps(ty, before, a, b),
            (Value::Array(a), Value::Array(b)) => {
                let list = match shape(self.schema, ty, before) {
                    Shape::List(list) => Some(list),
                    _ => None,
                };
                self.lists(list, a, b);
            }
            _ => self.replace(after),
        }
    }

    fn maps(
        &mut self,
        ty: &'s Type,
        before: &Value,
        a: &Map<String, Value>,
        b: &Map<String, Value>,
    ) {
        let shape = shape(self.schema, ty, before);
        for (name, old) in a {
            self.path.push_back(name.as_str());
            match b.get(name) {
                Some(new) => {
                    let below = match shape {
                        Shape::Map(map) => map.field(self.schema, name),
                        _ => &ANY,
                    };
                    self.values(below, old, new);
                }
                None => self.remove(),
            }
            self.path.pop_back();
        }
        for (name, new) in b {
            if !a.contains_key(name) {
                self.path.push_back(name.as_str());
                self.add(new);
                self.path.pop_back();
            }
        }
    }

    fn lists(&mut self, list: Option<ListShape<'s>>, a: &[Value], b: &[Value]) {
        let item_type = list.map_or(&ANY, |list| list.item);
        let name = |item: &Value| match list.map(|list| list.element(item)) {
            Some(Ok(element)) => element.to_text(),
            _ => item.to_string(),
        };
        let mut input = InternedInput::default();
        input.update_before(a.iter().map(name));
        input.update_after(b.iter().map(name));
        let diff = compute(&input.before, &input.after, input.interner.num_tokens());

        // `at` is the position in the list as the operations so far have left it.
        let (mut i, mut j, mut at) = (0, 0, 0);
        while i < a.len() || j < b.len() {
            let removed = (i..a.len()).take_while(|i| is_removed(&diff, *i)).count();
            let added = (j..b.len()).take_while(|j| is_added(&diff, *j)).count();
            for _ in 0..removed.min(added) {
                self.item(at, |writer| writer.values(item_type, &a[i], &b[j]));
                (i, j, at) = (i + 1, j + 1, at + 1);
            }
            for _ in added..removed {
                self.item(at, Self::remove);
                i += 1;
            }
            for _ in removed..added {
                self.item(at, |writer| writer.add(&b[j]));
                (j, at) = (j + 1, at + 1);
            }
            if let (Some(old), Some(new)) = (a.get(i), b.get(j)) {
                self.item(at, |writer| writer.values(item_type, old, new));
                (i, j, at) = (i + 1, j + 1, at + 1);
            }
        }
    }

    fn item(&mut self, at: usize, write: impl FnOnce(&mut Self)) {
        self.path.push_back(at);
        write(self);
        self.path.pop_back();
    }

    fn add(&mut self, value: &Value) {
        self.operations.push(PatchOperation::Add(AddOperation {
            path: self.path.clone(),
            value: value.clone(),
        }));
    }

    fn remove(&mut self) {
        self.operations
            .push(PatchOperation::Remove(RemoveOperation {
                path: self.path.clone(),
            }));
    }

    fn replace(&mut self, value: &Value) {
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation {
                path: self.path.clone(),
                value: value.clone(),
            }));
    }
}

fn compute(before: &[Token], after: &[Token], tokens: u32) -> Diff {
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::MyersMinimal, before, after, tokens);
    diff
}

fn is_removed(diff: &Diff, at: usize) -> bool {
    u32::try_from(at).is_ok_and(|at| diff.is_removed(at))
}

fn is_added(diff: &Diff, at: usize) -> bool {
    u32::try_from(at).is_ok_and(|at| diff.is_added(at))
}

#[cfg(test)]
mod tests {
    use gitops_core::{GroupVersionKind, schema::Schemas as _};
    use serde_json::json;

    use super::*;

    fn check(schema: Option<&Schema>, before: &Value, after: &Value, operations: usize) {
        let patch = json_patch(schema, before, after);
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched, *after);
        assert_eq!(patch.0.len(), operations, "{patch}");
    }

    #[test]
    fn patches_are_small() {
        let hundred: Vec<u32> = (0..100).collect();
        let mut head = hundred.clone();
        head.insert(0, 1000);
        check(None, &json!({"l": hundred}), &json!({"l": head}), 1);
        check(None, &json!({"l": head}), &json!({"l": hundred}), 1);
        check(
            None,
            &json!({"l": [{"a": 1, "b": 2}]}),
            &json!({"l": [{"a": 1, "b": 3}]}),
            1,
        );
        check(
            None,
            &json!({"a/b": {"~": 1}}),
            &json!({"a/b": {"~": 2}, "c": null}),
            2,
        );
        check(None, &json!([1, 2, 3]), &json!([]), 3);
        check(None, &json!(1), &json!(1.0), 1);
    }

    #[test]
    fn items_are_aligned_by_name() {
        let schema = crate::bundled_schemas()
            .schema(&GroupVersionKind::new("", "v1", "Pod"))
            .unwrap();
        let pod = |containers: Value| json!({"spec": {"containers": containers}});
        let before = pod(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]));
        let after =
            pod(json!([{"name": "z"}, {"name": "a", "image": "2"}, {"name": "b", "image": "1"}]));
        check(Some(&schema), &before, &after, 2);
        check(Some(&schema), &after, &before, 2);
    }
}
