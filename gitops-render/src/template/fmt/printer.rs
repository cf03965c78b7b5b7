//! Values under verbs.

use super::{
    super::{
        CallError, Kind, Object, Value,
        containers::{List, Map, with_stack},
        lex::decode,
        types::ListType,
    },
    verbs::{Flags, LOWER, UPPER},
};

/// Where all pointers point to.
const ADDRESS: u64 = 0xc0_0000_0000;

/// Writes values. A value that nests too deeply (a map that contains itself) stops it; what it
/// wrote is not to be used then.
pub(super) struct Printer<'o> {
    out: &'o mut Vec<u8>,
    flags: Flags,
    is_failing: bool,
    depth: u32,
    depth_left: u32,
    is_too_deep: bool,
    /// Where the text must end.
    end: usize,
    is_too_long: bool,
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, depth: u32) -> Self {
        Self {
            out,
            flags: Flags::default(),
            is_failing: false,
            depth,
            depth_left: depth,
            is_too_deep: false,
            end: usize::MAX,
            is_too_long: false,
        }
    }

    /// Stops when it has written so many bytes.
    pub(super) fn with_limit(mut self, bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.end = self.out.len().saturating_add(bytes);
        self
    }

    fn is_full(&mut self) -> bool {
        self.is_too_long |= self.out.len() > self.end;
        self.is_too_long
    }

    pub(super) fn finish(self) -> Result<(), CallError> {
        if self.is_too_long {
            return Err(CallError::limit("output_bytes", self.end as u64));
        }
        if self.is_too_deep {
            return Err(CallError::limit("value_depth", self.depth.into()));
        }
        Ok(())
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn push_char(&mut self, character: char) {
        self.push(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// A value that was given to a function of fmt.
    pub(super) fn argument(&mut self, value: &Value, verb: char) {
        if self.is_full() {
            return;
        }
        match verb {
            'T' if matches!(value, Value::Nil) => return self.flags.pad(self.out, b"<nil>"),
            'T' => return self.flags.string(self.out, value.type_name().as_bytes()),
            'p' => return self.pointer(value, verb),
            _ => {}
        }
        match value {
            Value::Nil if verb == 'v' => self.flags.pad(self.out, b"<nil>"),
            Value::Nil => self.bad_verb(verb, value),
            Value::Bytes(bytes) => self.bytes(value, bytes, verb),
            Value::Object(_) => self.value(value, verb, 0),
            // Maps and slices have no methods, but any value can be asked to be wrapped.
            Value::Map(_) | Value::List(_) if verb == 'w' => self.bad_verb(verb, value),
            _ => self.value(value, verb, 0),
        }
    }

    pub(super) fn reflected(&mut self, value: &Value) {
        match value {
            Value::Object(object)
                if object.kind() == Kind::Pointer && object.string_of_element().is_none() =>
            {
                self.fields(&**object, 'v', 0);
            }
            _ => self.argument(value, 'v'),
        }
    }

    fn bad_verb(&mut self, verb: char, value: &Value) {
        self.is_failing = true;
        self.push(b"%!");
        self.push_char(verb);
        self.push(b"(");
        if matches!(value, Value::Nil) {
            self.push(b"<nil>");
        } else {
            self.push(value.type_name().as_bytes());
            self.push(b"=");
            self.argument(value, 'v');
        }
        self.push(b")");
        self.is_failing = false;
    }

    fn value(&mut self, value: &Value, verb: char, depth: u32) {
        if self.is_full() {
            return;
        }
        match value {
            Value::Nil => self.push(b"<nil>"),
            Value::Bool(boolean) => match verb {
                't' | 'v' => self.flags.boolean(self.out, *boolean),
                _ => self.bad_verb(verb, value),
            },
            Value::Int(number) | Value::Int64(number) => {
                self.integer(value, number.unsigned_abs(), *number < 0, true, verb);
            }
            Value::Uint8(number) => self.integer(value, (*number).into(), false, false, verb),
            Value::Uint32(number) => self.integer(value, (*number).into(), false, false, verb),
            Value::Uint64(number) => self.integer(value, *number, false, false, verb),
            Value::Float(number) => self.float(value, *number, verb),
            Value::Complex(complex) => self.complex(value, **complex, verb),
            Value::Str(text) => match verb {
                'v' if self.flags.sharp_v => self.flags.quoted(self.out, text),
                'v' | 's' => self.flags.string(self.out, text),
                'x' => self.flags.bytes(self.out, text, LOWER),
                'X' => self.flags.bytes(self.out, text, UPPER),
                'q' => self.flags.quoted(self.out, text),
                _ => self.bad_verb(verb, value),
            },
            Value::Bytes(bytes) => match verb {
                's' | 'q' | 'x' | 'X' => self.bytes(value, bytes, verb),
                _ => self.byte_items(value, bytes, verb),
            },
            Value::List(list) => self.nested(|printer| printer.list(list, verb, depth)),
            Value::Map(map) => self.nested(|printer| printer.map(map, verb, depth)),
            Value::Object(object) => {
                self.nested(|printer| printer.object(value, &**object, verb, depth));
            }
        }
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self)) {
        let Some(left) = self.depth_left.checked_sub(1) else {
            self.is_too_deep = true;
            return;
        };
        if self.is_too_deep {
            return;
        }
        self.depth_left = left;
        with_stack(|| write(self));
        self.depth_left += 1;
    }

    fn integer(
        &mut self,
        value: &Value,
        magnitude: u64,
        is_negative: bool,
        is_signed: bool,
        verb: char,
    ) {
        let code = if is_negative {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
        let out = &mut *self.out;
        let flags = self.flags;
        match verb {
            'v' if flags.sharp_v && !is_signed => flags.hexadecimal(out, magnitude, true),
            'v' | 'd' => flags.integer(out, magnitude, is_negative, 10, verb, LOWER),
            'b' => flags.integer(out, magnitude, is_negative, 2, verb, LOWER),
            'o' | 'O' => flags.integer(out, magnitude, is_negative, 8, verb, LOWER),
            'x' => flags.integer(out, magnitude, is_negative, 16, verb, LOWER),
            'X' => flags.integer(out, magnitude, is_negative, 16, verb, UPPER),
            'c' => flags.character(out, code),
            'q' => flags.quoted_character(out, code),
            'U' => flags.unicode(out, code),
            _ => self.bad_verb(verb, value),
        }
    }

    fn float(&mut self, value: &Value, number: f64, verb: char) {
        match verb {
            'v' => self.flags.float(self.out, number, b'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => {
                self.flags.float(self.out, number, verb as u8, None);
            }
            'f' | 'e' | 'E' => self.flags.float(self.out, number, verb as u8, Some(6)),
            'F' => self.flags.float(self.out, number, b'f', Some(6)),
            _ => self.bad_verb(verb, value),
        }
    }

    fn complex(&mut self, value: &Value, (real, imaginary): (f64, f64), verb: char) {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(verb, value);
        }
        let plus = self.flags.plus;
        self.push(b"(");
        self.float(value, real, verb);
        self.flags.plus = true;
        self.float(value, imaginary, verb);
        self.push(b"i)");
        self.flags.plus = plus;
    }

    /// A `[]byte` as an argument.
    fn bytes(&mut self, value: &Value, bytes: &[u8], verb: char) {
        match verb {
            'v' | 'd' if self.flags.sharp_v => {
                self.push(b"[]byte{");
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.push(b", ");
                    }
                    let flags = self.flags;
                    flags.hexadecimal(self.out, (*byte).into(), true);
                }
                self.push(b"}");
            }
            'v' | 'd' => {
                self.push(b"[");
                for (index, byte) in bytes.iter().enumerate() {
                    if index > 0 {
                        self.push(b" ");
                    }
                    let flags = self.flags;
                    flags.integer(self.out, (*byte).into(), false, 10, verb, LOWER);
                }
                self.push(b"]");
            }
            's' => self.flags.string(self.out, bytes),
            'x' => self.flags.bytes(self.out, bytes, LOWER),
            'X' => self.flags.bytes(self.out, bytes, UPPER),
            'q' => self.flags.quoted(self.out, bytes),
            _ => self.byte_items(value, bytes, verb),
        }
    }

    /// A `[]byte` as a slice of numbers.
    fn byte_items(&mut self, value: &Value, bytes: &[u8], verb: char) {
        self.items(
            "[]uint8",
            value.is_nil(),
            bytes.iter().map(|byte| Value::Uint8(*byte)),
            verb,
            0,
        );
    }

    fn items(
        &mut self,
        type_name: &str,
        is_nil: bool,
        items: impl Iterator<Item = Value>,
        verb: char,
        depth: u32,
    ) {
        let is_go = self.flags.sharp_v;
        if is_go {
            self.push(type_name.as_bytes());
            if is_nil {
                return self.push(b"(nil)");
            }
        }
        self.push(if is_go { b"{" } else { b"[" });
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.push(if is_go { b", " } else { b" " });
            }
            self.value(&item, verb, depth + 1);
        }
        self.push(if is_go { b"}" } else { b"]" });
    }

    fn list(&mut self, list: &List, verb: char, depth: u32) {
        let is_go = self.flags.sharp_v;
        if is_go {
            self.push(list.list_type().name().as_bytes());
            if list.is_nil() {
                return self.push(b"(nil)");
            }
        }
        self.push(if is_go { b"{" } else { b"[" });
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                self.push(if is_go { b", " } else { b" " });
            }
            self.element(item, list.list_type() == ListType::Any, verb, depth);
        }
        self.push(if is_go { b"}" } else { b"]" });
    }

    fn map(&mut self, map: &Map, verb: char, depth: u32) {
        let is_go = self.flags.sharp_v;
        if is_go {
            self.push(map.map_type().name().as_bytes());
            if map.is_nil() {
                return self.push(b"(nil)");
            }
            self.push(b"{");
        } else {
            self.push(b"map[");
        }
        if let Some(entries) = map.entries() {
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    self.push(if is_go { b", " } else { b" " });
                }
                self.value(&Value::Str(key.clone()), verb, depth + 1);
                self.push(b":");
                self.element(value, map.map_type().holds_interfaces(), verb, depth);
            }
        }
        self.push(if is_go { b"}" } else { b"]" });
    }

    /// An element of a container.
    fn element(&mut self, value: &Value, is_interface: bool, verb: char, depth: u32) {
        match value {
            Value::Nil if self.flags.sharp_v && is_interface => {
                self.push(b"interface {}(nil)");
            }
            Value::Map(_) | Value::List(_) | Value::Bytes(_) if verb == 'w' && !self.is_failing => {
                self.bad_verb(verb, value);
            }
            _ => self.value(value, verb, depth + 1),
        }
    }

    fn object(&mut self, value: &Value, object: &dyn Object, verb: char, depth: u32) {
        if !self.is_failing {
            if verb == 'w' {
                return self.bad_verb(verb, value);
            }
            if self.flags.sharp_v
                && let Some(text) = object.go_string()
            {
                return self.flags.string(self.out, text.as_bytes());
            }
            if !self.flags.sharp_v
                && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
                && let Some(text) = object.string()
            {
                return self.value(&Value::str(text), verb, depth);
            }
        }
        if let Some(inner) = object.underlying() {
            return match &inner {
                Value::Map(map) if self.flags.sharp_v => {
                    self.push(object.type_name().as_bytes());
                    self.flags.sharp_v = true;
                    self.map_body(map, verb, depth);
                }
                Value::List(list) => self.items(
                    &object.type_name(),
                    list.is_nil(),
                    list.iter().cloned(),
                    verb,
                    depth,
                ),
                Value::Int(number) | Value::Int64(number) => {
                    self.integer(value, number.unsigned_abs(), *number < 0, true, verb);
                }
                _ => self.value(&inner, verb, depth),
            };
        }
        let is_pointer = object.kind() == Kind::Pointer;
        if is_pointer {
            if object.is_nil() || depth > 0 {
                return self.pointer(value, verb);
            }
            self.push(b"&");
        }
        self.fields(object, verb, depth);
    }

    fn fields(&mut self, object: &dyn Object, verb: char, depth: u32) {
        let is_go = self.flags.sharp_v;
        if is_go {
            self.push(object.type_name().trim_start_matches('*').as_bytes());
        }
        self.push(b"{");
        for (index, (name, field)) in object.fields().iter().enumerate() {
            if index > 0 {
                self.push(if is_go { b", " } else { b" " });
            }
            if is_go || self.flags.plus_v {
                self.push(name.as_bytes());
                self.push(b":");
            }
            self.element(field, false, verb, depth);
        }
        self.push(b"}");
    }

    fn map_body(&mut self, map: &Map, verb: char, depth: u32) {
        self.push(b"{");
        for (index, (key, value)) in map.snapshot().iter().enumerate() {
            if index > 0 {
                self.push(b", ");
            }
            self.value(&Value::Str(key.clone()), verb, depth + 1);
            self.push(b":");
            self.element(value, false, verb, depth);
        }
        self.push(b"}");
    }

    /// `%p` and pointers inside of other values. All pointers have the same address, so that
    /// renders can be repeated and no address of this process is shown.
    fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::Map(_) | Value::List(_) | Value::Bytes(_) if value.is_nil() => 0,
            Value::Map(_) | Value::List(_) | Value::Bytes(_) => ADDRESS,
            Value::Object(object)
                if matches!(object.kind(), Kind::Pointer | Kind::Map | Kind::Slice) =>
            {
                if object.is_nil() { 0 } else { ADDRESS }
            }
            _ => return self.bad_verb(verb, value),
        };
        let flags = self.flags;
        match verb {
            'v' if flags.sharp_v => {
                self.push(b"(");
                self.push(value.type_name().as_bytes());
                self.push(b")(");
                if address == 0 {
                    self.push(b"nil");
                } else {
                    flags.hexadecimal(self.out, address, true);
                }
                self.push(b")");
            }
            'v' if address == 0 => flags.pad(self.out, b"<nil>"),
            'v' | 'p' => flags.hexadecimal(self.out, address, !flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(value, address, false, false, verb),
            _ => self.bad_verb(verb, value),
        }
    }

    // Formats.

    pub(super) fn format(&mut self, format: &[u8], arguments: &[Value]) {
        let mut position = 0;
        let mut next = 0;
        let mut is_reordered = false;
        while position < format.len() {
            let start = position;
            while position < format.len() && format[position] != b'%' {
                position += 1;
            }
            self.push(&format[start..position]);
            if position >= format.len() {
                break;
            }
            position += 1;
            self.flags = Flags::default();
            while let Some(byte) = format.get(position) {
                match byte {
                    b'#' => self.flags.sharp = true,
                    b'0' => self.flags.zero = true,
                    b'+' => self.flags.plus = true,
                    b'-' => self.flags.minus = true,
                    b' ' => self.flags.space = true,
                    _ => break,
                }
                position += 1;
            }
            let mut index = Index {
                next,
                is_good: true,
                is_reordered,
                count: arguments.len(),
            };
            let mut after_index = index.read(format, &mut position);
            if format.get(position) == Some(&b'*') {
                position += 1;
                match index.take_number(arguments) {
                    Some(width) => {
                        if width < 0 {
                            self.flags.minus = true;
                            self.flags.zero = false;
                        }
                        self.flags.width = Some(width.unsigned_abs() as usize);
                    }
                    None => self.push(b"%!(BADWIDTH)"),
                }
                after_index = false;
            } else {
                self.flags.width = read_number(format, &mut position);
                if after_index && self.flags.width.is_some() {
                    index.is_good = false;
                }
            }
            if position + 1 < format.len() && format[position] == b'.' {
                position += 1;
                if after_index {
                    index.is_good = false;
                }
                after_index = index.read(format, &mut position);
                if format.get(position) == Some(&b'*') {
                    position += 1;
                    match index.take_number(arguments) {
                        Some(precision) if precision >= 0 => {
                            self.flags.precision = Some(precision as usize);
                        }
                        _ => self.push(b"%!(BADPREC)"),
                    }
                    after_index = false;
                } else {
                    self.flags.precision = Some(read_number(format, &mut position).unwrap_or(0));
                }
            }
            if !after_index {
                index.read(format, &mut position);
            }
            next = index.next;
            is_reordered = index.is_reordered;
            let Some((verb, width)) = decode(&format[position.min(format.len())..]) else {
                self.push(b"%!(NOVERB)");
                break;
            };
            position += width;
            if verb == '%' {
                self.push(b"%");
            } else if !index.is_good {
                self.push(b"%!");
                self.push_char(verb);
                self.push(b"(BADINDEX)");
            } else if let Some(argument) = arguments.get(next) {
                if matches!(verb, 'v' | 'w') {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                self.argument(argument, verb);
                next += 1;
            } else {
                self.push(b"%!");
                self.push_char(verb);
                self.push(b"(MISSING)");
            }
        }
        if !is_reordered && next < arguments.len() {
            self.flags = Flags::default();
            self.push(b"%!(EXTRA ");
            for (index, argument) in arguments[next..].iter().enumerate() {
                if index > 0 {
                    self.push(b", ");
                }
                if matches!(argument, Value::Nil) {
                    self.push(b"<nil>");
                } else {
                    self.push(argument.type_name().as_bytes());
                    self.push(b"=");
                    self.argument(argument, 'v');
                }
            }
            self.push(b")");
        }
    }
}

/// Which argument a verb takes.
struct Index {
    next: usize,
    is_good: bool,
    is_reordered: bool,
    count: usize,
}

impl Index {
    /// Reads `[n]`; whether there was one.
    fn read(&mut self, format: &[u8], position: &mut usize) -> bool {
        let rest = &format[(*position).min(format.len())..];
        if rest.first() != Some(&b'[') {
            return false;
        }
        self.is_reordered = true;
        let closing = rest.iter().skip(1).position(|byte| *byte == b']');
        let (Some(closing), true) = (closing, rest.len() >= 3) else {
            *position += 1;
            self.is_good = false;
            return false;
        };
        let closing = closing + 1;
        let mut end = 1;
        let number = read_number(&rest[..closing], &mut end).filter(|_| end == closing);
        *position += closing + 1;
        match number {
            Some(number) if (1..=self.count).contains(&number) => {
                self.next = number - 1;
                true
            }
            Some(_) => {
                self.is_good = false;
                true
            }
            None => {
                self.is_good = false;
                false
            }
        }
    }

    /// The argument for a `*`, if it is a number of a sensible size.
    fn take_number(&mut self, arguments: &[Value]) -> Option<i64> {
        let value = arguments.get(self.next)?;
        self.next += 1;
        let number = match &*value.underlying() {
            Value::Int(number) | Value::Int64(number) => *number,
            Value::Uint8(number) => i64::from(*number),
            Value::Uint32(number) => i64::from(*number),
            Value::Uint64(number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-MAXIMUM_NUMBER..=MAXIMUM_NUMBER)
            .contains(&number)
            .then_some(number)
    }
}

const MAXIMUM_NUMBER: i64 = 1_000_000;

/// Reads decimal digits. A number that is too large ends the format, as in Go.
fn read_number(format: &[u8], position: &mut usize) -> Option<usize> {
    let mut number = None;
    while let Some(digit @ b'0'..=b'9') = format.get(*position) {
        let before = number.unwrap_or(0);
        if before as i64 > MAXIMUM_NUMBER {
            *position = format.len();
            return None;
        }
        number = Some(before * 10 + usize::from(digit - b'0'));
        *position += 1;
    }
    number
}
