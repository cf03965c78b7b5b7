//! JSON values as text in one piece.
//!
//! A packed value is a kind, and the length of what follows before it, so that a reader goes past a
//! value without reading it, and through an object from its beginning to its end. It takes less room
//! than JSON, and a tenth of a decoded tree. [`Packed`] looks into one without decoding it.
//!
//! Every byte that is not of a string is ASCII, so that all of it is text.

use serde_json::{Map, Number, Value};

use super::compact::Compact;

/// A packed JSON value.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// Exactly the value.
    text: &'a str,
}

/// What a packed value is.
#[derive(Clone)]
#[allow(clippy::exhaustive_enums)]
pub enum PackedValue<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(&'a str),
    /// A list.
    Array(PackedArray<'a>),
    /// An object.
    Object(PackedObject<'a>),
}

/// The items of a packed list, from the first one on.
#[derive(Clone, Copy)]
pub struct PackedArray<'a> {
    left: usize,
    text: &'a str,
}

/// The fields of a packed object, from the first one on, in the order of their names.
#[derive(Clone, Copy)]
pub struct PackedObject<'a> {
    left: usize,
    text: &'a str,
}

/// An object of which every part is packed.
#[derive(Clone, Copy)]
pub struct PackedManifest<'a>(pub(super) &'a Compact);

impl<'a> PackedManifest<'a> {
    /// `metadata` without `managedFields`.
    #[must_use]
    pub fn metadata(self) -> PackedObject<'a> {
        self.0.metadata_fields()
    }

    /// The entries of `metadata.managedFields`, each without its `fieldsV1`, which stands beside it.
    pub fn managed_fields(self) -> impl Iterator<Item = (Packed<'a>, Option<Packed<'a>>)> {
        self.0.entries()
    }

    /// Everything but `metadata`.
    #[must_use]
    pub fn others(self) -> PackedObject<'a> {
        self.0.others()
    }
}

impl std::fmt::Debug for PackedManifest<'_> {
    /// Identity only: it can be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedManifest({} {})", self.0.kind, self.0.name)
    }
}

const NULL: u8 = b'n';
const FALSE: u8 = b'f';
const TRUE: u8 = b't';
/// An integer, with its sign as its lowest bit.
const SIGNED: u8 = b'i';
/// An integer that is too large for 64 bits with a sign.
const UNSIGNED: u8 = b'u';
/// The bits of a float.
const FLOAT: u8 = b'd';
/// The text of a number that is none of these.
const NUMBER: u8 = b'x';
const STRING: u8 = b's';
/// Size, number of items, items.
const ARRAY: u8 = b'[';
/// Size, number of fields, fields: size of the name, name, value.
const OBJECT: u8 = b'{';
const EMPTY_OBJECT: u8 = b'e';

/// Deeper values stay trees.
const DEEPEST: usize = 100;

/// As few fields are quicker put into a map one by one.
const FEW: usize = 6;

/// Digits of a size, of seven bits each.
const SIZE: usize = 4;

/// Writes packed values one after the other.
#[derive(Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
}

/// A value nests too deep, is too large, or has a number that cannot be read again.
pub(super) struct DoesNotFit;

impl Packer {
    pub(super) fn value(&mut self, value: &Value) -> Result<(), DoesNotFit> {
        self.nested(value, 0)
    }

    /// An object of some fields.
    pub(super) fn object<'v>(
        &mut self,
        fields: impl Iterator<Item = (&'v String, &'v Value)> + Clone,
    ) -> Result<(), DoesNotFit> {
        self.fields(fields, 0)
    }

    /// A list whose items are written by `write`.
    pub(super) fn array<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<(), DoesNotFit>,
    ) -> Result<(), DoesNotFit> {
        self.bytes.push(ARRAY);
        let start = self.open(items.len());
        items.iter().try_for_each(|item| write(self, item))?;
        self.close(start)
    }

    pub(super) fn position(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(self) -> Box<str> {
        String::from_utf8(self.bytes)
            .expect("strings between ASCII are text")
            .into()
    }

    fn nested(&mut self, value: &Value, depth: usize) -> Result<(), DoesNotFit> {
        match value {
            Value::Null => self.bytes.push(NULL),
            Value::Bool(false) => self.bytes.push(FALSE),
            Value::Bool(true) => self.bytes.push(TRUE),
            Value::Number(number) => self.number(number)?,
            Value::String(text) => {
                self.bytes.push(STRING);
                self.text(text);
            }
            Value::Array(_) | Value::Object(_) if depth == DEEPEST => return Err(DoesNotFit),
            Value::Array(items) => self.array(items, |this, item| this.nested(item, depth + 1))?,
            Value::Object(map) => self.fields(map.iter(), depth)?,
        }
        Ok(())
    }

    fn fields<'v>(
        &mut self,
        fields: impl Iterator<Item = (&'v String, &'v Value)> + Clone,
        depth: usize,
    ) -> Result<(), DoesNotFit> {
        // Maps come sorted, unless somebody else in the build has asked for insertion order.
        if !fields.clone().is_sorted_by_key(|field| field.0) {
            let mut sorted: Vec<_> = fields.collect();
            sorted.sort_unstable_by_key(|field| field.0);
            return self.fields(sorted.into_iter(), depth);
        }
        let count = fields.clone().count();
        if count == 0 {
            self.bytes.push(EMPTY_OBJECT);
            return Ok(());
        }
        self.bytes.push(OBJECT);
        let start = self.open(count);
        for (name, value) in fields {
            self.text(name);
            self.nested(value, depth + 1)?;
        }
        self.close(start)
    }

    fn number(&mut self, number: &Number) -> Result<(), DoesNotFit> {
        // Where numbers are kept as they were written, they can be written another way.
        let (signed, unsigned, float) = (number.as_i64(), number.as_u64(), number.as_f64());
        if let Some(n) = signed.filter(|n| Number::from(*n) == *number) {
            self.bytes.push(SIGNED);
            self.digits((n.unsigned_abs().wrapping_sub(u64::from(n < 0)) << 1) | u64::from(n < 0));
        } else if let Some(n) = unsigned.filter(|n| Number::from(*n) == *number) {
            self.bytes.push(UNSIGNED);
            self.digits(n);
        } else if let Some(n) = float.filter(|n| Number::from_f64(*n).as_ref() == Some(number)) {
            self.bytes.push(FLOAT);
            self.digits(n.to_bits());
        } else {
            let text = number.to_string();
            if serde_json::from_str::<Number>(&text).ok().as_ref() != Some(number) {
                return Err(DoesNotFit);
            }
            self.bytes.push(NUMBER);
            self.text(&text);
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.digits(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Six bits in each byte, the lowest first; the seventh says that there is more.
    fn digits(&mut self, mut number: u64) {
        while number > 0x3f {
            self.bytes.push(0x40 | (number & 0x3f) as u8);
            number >>= 6;
        }
        self.bytes.push(number as u8);
    }

    fn open(&mut self, count: usize) -> usize {
        self.bytes.extend([0; SIZE]);
        let start = self.bytes.len();
        self.digits(count as u64);
        start
    }

    fn close(&mut self, start: usize) -> Result<(), DoesNotFit> {
        let size = self.bytes.len() - start;
        if size >> (7 * SIZE) != 0 {
            return Err(DoesNotFit);
        }
        for at in 0..SIZE {
            self.bytes[start - SIZE + at] = ((size >> (7 * at)) & 0x7f) as u8;
        }
        Ok(())
    }
}

impl<'a> Packed<'a> {
    /// The first of the values in a text that a [`Packer`] wrote, and what comes after it.
    #[inline]
    pub(super) fn first(text: &'a str) -> (Self, &'a str) {
        let mut end = 1;
        match text.as_bytes()[0] {
            SIGNED | UNSIGNED | FLOAT => {
                digits(text, &mut end);
            }
            STRING | NUMBER => {
                let size = digits(text, &mut end) as usize;
                end += size;
            }
            ARRAY | OBJECT => end += SIZE + size(text),
            _ => {}
        }
        let (text, rest) = text.split_at(end);
        (Self { text }, rest)
    }

    /// What it is.
    #[must_use]
    #[inline]
    pub fn get(self) -> PackedValue<'a> {
        if let Some(text) = self.as_str() {
            return PackedValue::String(text);
        }
        if let Some(object) = self.as_object() {
            return PackedValue::Object(object);
        }
        if let Some(items) = self.as_array() {
            return PackedValue::Array(items);
        }
        self.scalar()
    }

    fn scalar(self) -> PackedValue<'a> {
        let mut at = 1;
        match self.text.as_bytes()[0] {
            FALSE => PackedValue::Bool(false),
            TRUE => PackedValue::Bool(true),
            SIGNED => {
                let number = digits(self.text, &mut at);
                let half = (number >> 1).cast_signed();
                PackedValue::Number(if number & 1 == 1 { -1 - half } else { half }.into())
            }
            UNSIGNED => PackedValue::Number(digits(self.text, &mut at).into()),
            FLOAT => match Number::from_f64(f64::from_bits(digits(self.text, &mut at))) {
                Some(number) => PackedValue::Number(number),
                None => PackedValue::Null,
            },
            NUMBER => {
                digits(self.text, &mut at);
                let number = serde_json::from_str(&self.text[at..]);
                PackedValue::Number(number.expect("it was tried when it was written"))
            }
            _ => PackedValue::Null,
        }
    }

    /// Its fields; none where it is no object.
    #[inline]
    pub(super) fn object(self) -> PackedObject<'a> {
        self.as_object()
            .unwrap_or(PackedObject { left: 0, text: "" })
    }

    /// Its fields, where it is an object.
    #[must_use]
    #[inline]
    pub fn as_object(self) -> Option<PackedObject<'a>> {
        match self.text.as_bytes()[0] {
            OBJECT => {
                let mut at = 1 + SIZE;
                let left = digits(self.text, &mut at) as usize;
                let text = &self.text[at..];
                Some(PackedObject { left, text })
            }
            EMPTY_OBJECT => Some(PackedObject { left: 0, text: "" }),
            _ => None,
        }
    }

    /// Its items, where it is a list.
    #[must_use]
    #[inline]
    pub fn as_array(self) -> Option<PackedArray<'a>> {
        if self.text.as_bytes()[0] != ARRAY {
            return None;
        }
        let mut at = 1 + SIZE;
        let left = digits(self.text, &mut at) as usize;
        let text = &self.text[at..];
        Some(PackedArray { left, text })
    }

    /// Its text, where it is a string.
    #[must_use]
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        if self.text.as_bytes()[0] != STRING {
            return None;
        }
        let mut at = 1;
        digits(self.text, &mut at);
        Some(&self.text[at..])
    }

    /// The decoded value.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self.get() {
            PackedValue::Null => Value::Null,
            PackedValue::Bool(flag) => Value::Bool(flag),
            PackedValue::Number(number) => Value::Number(number),
            PackedValue::String(text) => Value::String(text.to_owned()),
            PackedValue::Array(items) => Value::Array(items.map(Self::to_value).collect()),
            PackedValue::Object(fields) => Value::Object(fields.to_map()),
        }
    }
}

impl std::fmt::Debug for Packed<'_> {
    /// Its size only: it can be of a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} bytes)", self.text.len())
    }
}

impl PackedObject<'_> {
    /// The decoded object.
    #[must_use]
    pub fn to_map(self) -> Map<String, Value> {
        let fields = self.map(|(name, value)| (name.to_owned(), value.to_value()));
        if fields.len() > FEW {
            return fields.collect();
        }
        let mut map = Map::new();
        for (name, value) in fields {
            map.insert(name, value);
        }
        map
    }
}

impl<'a> Iterator for PackedArray<'a> {
    type Item = Packed<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packed<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (item, rest) = Packed::first(self.text);
        self.text = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for PackedArray<'_> {}

impl<'a> Iterator for PackedObject<'a> {
    type Item = (&'a str, Packed<'a>);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, Packed<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let mut at = 0;
        let size = digits(self.text, &mut at) as usize;
        let (name, rest) = self.text[at..].split_at(size);
        let (value, rest) = Packed::first(rest);
        self.text = rest;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for PackedObject<'_> {}

impl std::fmt::Debug for PackedArray<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedArray({} items)", self.left)
    }
}

impl std::fmt::Debug for PackedObject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackedObject({} fields)", self.left)
    }
}

impl std::fmt::Debug for PackedValue<'_> {
    /// Its kind only: it can be of a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool",
            Self::Number(_) => "Number",
            Self::String(_) => "String",
            Self::Array(_) => "Array",
            Self::Object(_) => "Object",
        })
    }
}

#[inline]
fn digits(text: &str, at: &mut usize) -> u64 {
    let byte = text.as_bytes()[*at];
    if byte & 0x40 == 0 {
        *at += 1;
        return u64::from(byte);
    }
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = text.as_bytes()[*at];
        *at += 1;
        number |= u64::from(byte & 0x3f) << shift;
        if byte & 0x40 == 0 {
            return number;
        }
        shift += 6;
    }
}

#[inline]
fn size(text: &str) -> usize {
    let digits = &text.as_bytes()[1..=SIZE];
    let digits = digits.iter().rev();
    digits.fold(0, |size, digit| (size << 7) | usize::from(*digit))
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_map, vec},
        prelude::*,
    };
    use serde_json::json;

    use super::*;

    fn packed(value: &Value) -> Option<Box<str>> {
        let mut packer = Packer::default();
        packer.value(value).ok()?;
        Some(packer.finish())
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-70_i64..70).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-c]{0,200}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                btree_map(".{0,3}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_comes_back(value in any_json(), after in any_json()) {
            let mut packer = Packer::default();
            prop_assert!(packer.value(&value).is_ok() && packer.value(&after).is_ok());
            let text = packer.finish();
            let (first, rest) = Packed::first(&text);
            let (second, rest) = Packed::first(rest);
            prop_assert_eq!(rest, "");
            // To the bit: a zero has a sign.
            prop_assert_eq!(first.to_value().to_string(), value.to_string());
            prop_assert_eq!(first.to_value(), value);
            prop_assert_eq!(second.to_value(), after);
        }
    }

    #[test]
    fn fields_are_in_the_order_of_their_names() {
        let object = json!({"b": 1, "a": {"d": 2, "c": 3}, ".": {}});
        let text = packed(&object).expect("it fits");
        let names: Vec<&str> = Packed::first(&text)
            .0
            .object()
            .map(|field| field.0)
            .collect();
        assert_eq!(names, [".", "a", "b"]);
    }

    #[test]
    fn integers_are_exact() {
        for value in [
            json!(i64::MIN),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(-1),
            json!(0),
        ] {
            let text = packed(&value).expect("it fits");
            assert_eq!(Packed::first(&text).0.to_value(), value);
        }
    }

    #[test]
    fn what_nests_too_deep_does_not_fit() {
        let mut deep = json!(1);
        for _ in 0..DEEPEST {
            deep = json!([deep]);
        }
        assert!(packed(&deep).is_some());
        assert!(packed(&json!([deep])).is_none());
    }
}
