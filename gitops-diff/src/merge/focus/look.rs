//! Live values as the walk looks at them: of a tree, or packed.

use std::{borrow::Cow, cmp::Ordering};

use gitops_core::object::{Packed, PackedArray, PackedObject, PackedValue};
use serde_json::{Map, Number, Value, map};

use crate::fields::{numbers_equal, values_equal};

/// A value that is looked at.
pub(in crate::merge) trait Look<'v>: Copy {
    type Object: LookObject<'v, Value = Self>;
    type Items: LookItems<Value = Self>;

    fn seen(self) -> Seen<'v>;
    /// Its fields, where it is an object.
    fn object(self) -> Option<Self::Object>;
    /// Its items, where it is a list.
    fn items(self) -> Option<Self::Items>;
    /// As [`values_equal`].
    fn equals(self, other: &Value) -> bool;
    /// The decoded value.
    fn value(self) -> Cow<'v, Value>;

    fn is_container(self) -> bool {
        matches!(self.seen(), Seen::Container)
    }

    fn text(self) -> Option<&'v str> {
        match self.seen() {
            Seen::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A value as far as it is one.
pub(in crate::merge) enum Seen<'v> {
    Null,
    Bool(bool),
    Number(Cow<'v, Number>),
    String(&'v str),
    Container,
}

/// The fields of an object.
pub(in crate::merge) trait LookObject<'v>: Copy {
    type Value: Look<'v>;
    type Search: Search<'v, Value = Self::Value>;

    fn len(self) -> usize;
    fn get(self, name: &str) -> Option<Self::Value>;
    fn fields(self) -> impl Iterator<Item = (&'v str, Self::Value)>;
    /// To look for many fields.
    fn search(self) -> Self::Search;

    /// Whether there is a field `.`.
    fn has_dot(self) -> bool;
}

/// Looks for fields, best in the order in which the object has them.
pub(in crate::merge) trait Search<'v> {
    type Value;

    /// The field of this name.
    fn find(&mut self, name: &str) -> Option<Self::Value>;
    /// The field `f:` and `name`, whose text goes into `key` where it is needed.
    fn find_owned(&mut self, name: &str, key: &mut String) -> Option<Self::Value>;
}

/// The items of a list.
pub(in crate::merge) trait LookItems {
    type Value: Copy;

    fn len(&self) -> usize;
    fn at(&self, position: usize) -> Self::Value;

    fn iter(&self) -> impl Iterator<Item = Self::Value> {
        (0..self.len()).map(|position| self.at(position))
    }
}

impl<'v> Look<'v> for &'v Value {
    type Object = &'v Map<String, Value>;
    type Items = &'v [Value];

    fn seen(self) -> Seen<'v> {
        match self {
            Value::Null => Seen::Null,
            Value::Bool(flag) => Seen::Bool(*flag),
            Value::Number(number) => Seen::Number(Cow::Borrowed(number)),
            Value::String(text) => Seen::String(text),
            Value::Array(_) | Value::Object(_) => Seen::Container,
        }
    }

    fn object(self) -> Option<Self::Object> {
        self.as_object()
    }

    fn items(self) -> Option<Self::Items> {
        self.as_array().map(Vec::as_slice)
    }

    fn equals(self, other: &Value) -> bool {
        values_equal(self, other)
    }

    fn value(self) -> Cow<'v, Value> {
        Cow::Borrowed(self)
    }
}

impl<'v> LookObject<'v> for &'v Map<String, Value> {
    type Value = &'v Value;
    type Search = TreeSearch<'v>;

    fn len(self) -> usize {
        Map::len(self)
    }

    fn get(self, name: &str) -> Option<&'v Value> {
        Map::get(self, name)
    }

    fn fields(self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn search(self) -> TreeSearch<'v> {
        TreeSearch::of(self)
    }

    fn has_dot(self) -> bool {
        self.contains_key(".")
    }
}

impl<'v> LookItems for &'v [Value] {
    type Value = &'v Value;

    fn len(&self) -> usize {
        <[Value]>::len(self)
    }

    fn at(&self, position: usize) -> &'v Value {
        &self[position]
    }
}

/// As many fields are found as quickly without their order.
const FEW: usize = 11;

pub(in crate::merge) struct TreeSearch<'v> {
    object: &'v Map<String, Value>,
    rest: map::Iter<'v>,
    next: Option<(&'v String, &'v Value)>,
}

impl<'v> TreeSearch<'v> {
    fn of(object: &'v Map<String, Value>) -> Self {
        let mut rest = object.iter();
        let next = if object.len() > FEW {
            rest.next()
        } else {
            None
        };
        Self { object, rest, next }
    }
}

impl<'v> TreeSearch<'v> {
    /// The next field, where it is in the order in which `order` compares fields to it.
    fn ahead(&mut self, order: impl Fn(&str) -> Ordering) -> Option<&'v Value> {
        while let Some((found, value)) = self.next {
            let order = order(found);
            if order.is_gt() {
                break;
            }
            self.next = self.rest.next();
            if order.is_eq() {
                return Some(value);
            }
        }
        None
    }
}

impl<'v> Search<'v> for TreeSearch<'v> {
    type Value = &'v Value;

    fn find(&mut self, name: &str) -> Option<&'v Value> {
        // Few, missing, or in another order.
        self.ahead(|found| found.cmp(name))
            .or_else(|| self.object.get(name))
    }

    fn find_owned(&mut self, name: &str, key: &mut String) -> Option<&'v Value> {
        self.ahead(|found| owned_order(found, name)).or_else(|| {
            key.clear();
            key.push_str(OWNED);
            key.push_str(name);
            self.object.get(key.as_str())
        })
    }
}

/// What stands before the name of a field in `fieldsV1`.
const OWNED: &str = "f:";

fn owned_order(found: &str, name: &str) -> Ordering {
    match found.strip_prefix(OWNED) {
        Some(found) => found.cmp(name),
        None => found.cmp(OWNED),
    }
}

impl<'v> Look<'v> for Packed<'v> {
    type Object = PackedObject<'v>;
    type Items = Vec<Self>;

    fn seen(self) -> Seen<'v> {
        match self.get() {
            PackedValue::Null => Seen::Null,
            PackedValue::Bool(flag) => Seen::Bool(flag),
            PackedValue::Number(number) => Seen::Number(Cow::Owned(number)),
            PackedValue::String(text) => Seen::String(text),
            PackedValue::Array(_) | PackedValue::Object(_) => Seen::Container,
        }
    }

    fn object(self) -> Option<PackedObject<'v>> {
        self.as_object()
    }

    fn items(self) -> Option<Vec<Self>> {
        self.as_array().map(Iterator::collect)
    }

    fn text(self) -> Option<&'v str> {
        self.as_str()
    }

    fn equals(self, other: &Value) -> bool {
        if let Value::String(other) = other {
            return self.as_str() == Some(other);
        }
        match (self.get(), other) {
            (PackedValue::Null, Value::Null) => true,
            (PackedValue::Bool(a), Value::Bool(b)) => a == *b,
            (PackedValue::Number(a), Value::Number(b)) => numbers_equal(&a, b),
            (PackedValue::Array(a), Value::Array(b)) => same_items(a, b),
            (PackedValue::Object(a), Value::Object(b)) => same_fields(a, b),
            _ => false,
        }
    }

    fn value(self) -> Cow<'v, Value> {
        Cow::Owned(self.to_value())
    }
}

fn same_items(mut a: PackedArray<'_>, b: &[Value]) -> bool {
    a.len() == b.len()
        && a.all({
            let mut b = b.iter();
            move |a| b.next().is_some_and(|b| a.equals(b))
        })
}

fn same_fields(a: PackedObject<'_>, b: &Map<String, Value>) -> bool {
    ExactSizeIterator::len(&a) == b.len()
        && a.zip(b).all(|((name, a), (other, b_value))| {
            // Fields come in the same order, unless somebody has asked for another.
            let b = if name == other {
                Some(b_value)
            } else {
                b.get(name)
            };
            b.is_some_and(|b| a.equals(b))
        })
}

impl<'v> LookObject<'v> for PackedObject<'v> {
    type Value = Packed<'v>;
    type Search = PackedSearch<'v>;

    fn len(self) -> usize {
        ExactSizeIterator::len(&self)
    }

    fn get(mut self, name: &str) -> Option<Packed<'v>> {
        self.find(|(found, _)| *found == name).map(|found| found.1)
    }

    fn fields(self) -> impl Iterator<Item = (&'v str, Packed<'v>)> {
        self
    }

    fn search(self) -> PackedSearch<'v> {
        PackedSearch {
            object: self,
            rest: self,
            index: Vec::new(),
        }
    }

    fn has_dot(mut self) -> bool {
        self.find(|(name, _)| *name >= ".")
            .is_some_and(|(name, _)| name == ".")
    }
}

impl<'v> LookItems for Vec<Packed<'v>> {
    type Value = Packed<'v>;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn at(&self, position: usize) -> Packed<'v> {
        self[position]
    }
}

/// Goes through the fields, and halves them where they are many and asked for in another order.
pub(in crate::merge) struct PackedSearch<'v> {
    object: PackedObject<'v>,
    /// After the field that was found last.
    rest: PackedObject<'v>,
    index: Vec<(&'v str, Packed<'v>)>,
}

/// As many fields are gone through each time.
const SHORT: usize = 16;

impl<'v> PackedSearch<'v> {
    fn search(
        &mut self,
        is_it: impl Fn(&str) -> bool,
        order: impl Fn(&str) -> Ordering,
    ) -> Option<Packed<'v>> {
        if let Some(found) = self.ahead(&is_it) {
            return Some(found);
        }
        if LookObject::len(self.object) <= SHORT {
            self.rest = self.object;
            return self.ahead(is_it);
        }
        if self.index.is_empty() {
            self.index.extend(self.object);
        }
        let at = self.index.binary_search_by(|(found, _)| order(found));
        Some(self.index[at.ok()?].1)
    }

    fn ahead(&mut self, is_it: impl Fn(&str) -> bool) -> Option<Packed<'v>> {
        let mut ahead = self.rest;
        for _ in 0..SHORT {
            let (found, value) = ahead.next()?;
            if is_it(found) {
                self.rest = ahead;
                return Some(value);
            }
        }
        None
    }
}

impl<'v> Search<'v> for PackedSearch<'v> {
    type Value = Packed<'v>;

    fn find(&mut self, name: &str) -> Option<Packed<'v>> {
        self.search(|found| found == name, |found| found.cmp(name))
    }

    fn find_owned(&mut self, name: &str, _: &mut String) -> Option<Packed<'v>> {
        let is_it = |found: &str| {
            found.len() == OWNED.len() + name.len() && found.strip_prefix(OWNED) == Some(name)
        };
        self.search(is_it, |found| owned_order(found, name))
    }
}
