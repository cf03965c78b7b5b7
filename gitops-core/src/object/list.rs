//! Lists of objects as one object.

use serde_json::Value;

use super::manifest::{Manifest, ManifestError};

impl Manifest {
    /// Whether the object is a list of objects: its kind ends with `List` and it has `items`.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.kind().ends_with("List") && self.as_map().get("items").is_some_and(Value::is_array)
    }

    /// The objects of a list, lists in it resolved too; the object itself if it is no list. Items
    /// of a typed list (`ConfigMapList`) that name no kind are of the list's.
    ///
    /// ```
    /// use gitops_core::Manifest;
    /// let list = Manifest::try_from(serde_json::json!({
    ///     "apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}],
    /// }))?;
    /// let objects = list.flatten_list()?;
    /// assert_eq!(objects[0].id().to_string(), "ConfigMap a");
    /// # Ok::<(), gitops_core::ManifestError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An item is no object.
    pub fn flatten_list(self) -> Result<Vec<Self>, ManifestError> {
        let mut objects = Vec::new();
        // Lists yet to be resolved, the next one last.
        let mut pending = vec![self];
        while let Some(object) = pending.pop() {
            if !object.is_list() {
                objects.push(object);
                continue;
            }
            let api_version = object.api_version().to_owned();
            let kind = object.kind().to_owned();
            let item_kind = kind.strip_suffix("List").unwrap_or_default();
            let Value::Object(mut map) = object.into_value() else {
                unreachable!("a manifest is an object");
            };
            let Some(Value::Array(items)) = map.remove("items") else {
                continue;
            };
            let items: Vec<_> = items
                .into_iter()
                .map(|item| Self::try_from(with_kind(item, &api_version, item_kind)))
                .collect::<Result<_, _>>()?;
            pending.extend(items.into_iter().rev());
        }
        Ok(objects)
    }
}

/// An item of a list, with the kind of the list's items where it names none itself.
fn with_kind(mut item: Value, api_version: &str, kind: &str) -> Value {
    if let Value::Object(map) = &mut item
        && !kind.is_empty()
        && !map.contains_key("apiVersion")
        && !map.contains_key("kind")
    {
        map.insert("apiVersion".to_owned(), api_version.into());
        map.insert("kind".to_owned(), kind.into());
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Manifest {
        Manifest::try_from(value).expect("an object")
    }

    #[test]
    fn nested_lists_keep_their_order() {
        let named =
            |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
        let list = object(json!({"apiVersion": "v1", "kind": "List", "items": [
            named("a"),
            {"apiVersion": "v1", "kind": "List", "items": [named("b"), named("c")]},
            named("d"),
        ]}));
        let names: Vec<_> = list
            .flatten_list()
            .expect("objects")
            .iter()
            .map(|object| object.name().to_owned())
            .collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_is_no_list_stays() {
        let map = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "items": []}));
        assert_eq!(map.clone().flatten_list().expect("objects"), [map]);
        let bad = object(json!({"apiVersion": "v1", "kind": "List", "items": [1]}));
        assert!(bad.flatten_list().is_err());
    }
}
