//! Fields looked up one after the other.

use serde_json::{Map, Value, map::Iter};

/// Fields of an object that are looked for in the order in which the object has them.
pub(super) struct Fields<'v> {
    object: &'v Map<String, Value>,
    rest: Iter<'v>,
    next: Option<(&'v String, &'v Value)>,
}

/// As many fields are found as quickly without their order.
const FEW: usize = 11;

impl<'v> Fields<'v> {
    pub(super) fn of(object: &'v Map<String, Value>) -> Self {
        let mut rest = object.iter();
        let next = if object.len() > FEW {
            rest.next()
        } else {
            None
        };
        Self { object, rest, next }
    }

    /// The field `prefix` and `name`, whose text goes into `key` where it is needed.
    pub(super) fn get(&mut self, prefix: &str, name: &str, key: &mut String) -> Option<&'v Value> {
        while let Some((found, value)) = self.next {
            let order = match found.strip_prefix(prefix) {
                Some(found) => found.cmp(name),
                None => found.as_str().cmp(prefix),
            };
            if order.is_gt() {
                break;
            }
            self.next = self.rest.next();
            if order.is_eq() {
                return Some(value);
            }
        }
        // Few, missing, or in another order.
        if prefix.is_empty() {
            return self.object.get(name);
        }
        key.clear();
        key.push_str(prefix);
        key.push_str(name);
        self.object.get(key.as_str())
    }
}
