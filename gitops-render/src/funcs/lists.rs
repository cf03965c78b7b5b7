//! Lists: all of them give new lists.

use super::{
    Registry, Rest,
    defaults::is_empty,
    math::to_int64,
    reflection::deep_equal,
    strings::{strval, to_strings},
};
use crate::template::{CallError, Context, List, ListType, Str, Value};

pub(super) fn register(registry: &mut Registry) {
    for name in ["list", "tuple"] {
        registry.add(name, |Rest(items): Rest<Value>| List::new(items));
    }
    for name in ["append", "push", "mustAppend", "mustPush"] {
        registry.add(name, push);
    }
    for name in ["prepend", "mustPrepend"] {
        registry.add(name, prepend);
    }
    for name in ["chunk", "mustChunk"] {
        registry.add(name, chunk);
    }
    for name in ["first", "mustFirst"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "find first on")?;
            Ok::<_, CallError>(items.first().cloned().unwrap_or_default())
        });
    }
    for name in ["last", "mustLast"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "find last on")?;
            Ok::<_, CallError>(items.last().cloned().unwrap_or_default())
        });
    }
    for name in ["rest", "mustRest"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "find rest on")?;
            Ok::<_, CallError>(items.get(1..).map_or_else(nil_list, copied))
        });
    }
    for name in ["initial", "mustInitial"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "find initial on")?;
            let initial = items.split_last().map(|(_, initial)| initial);
            Ok::<_, CallError>(initial.map_or_else(nil_list, copied))
        });
    }
    for name in ["reverse", "mustReverse"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "find reverse on")?;
            Ok::<_, CallError>(items.into_iter().rev().collect::<List>())
        });
    }
    for name in ["compact", "mustCompact"] {
        registry.add(name, |list: Value| {
            let items = items_of(&list, "compact on")?;
            let kept = items.into_iter().filter(|item| !is_empty(item));
            Ok::<_, CallError>(List::appended(ListType::Any, kept.collect(), 0))
        });
    }
    for name in ["uniq", "mustUniq"] {
        registry.add(name, uniq);
    }
    for name in ["without", "mustWithout"] {
        registry.add(name, without);
    }
    for name in ["has", "mustHas"] {
        registry.add(name, has);
    }
    for name in ["slice", "mustSlice"] {
        registry.add(name, slice);
    }
    registry.add("concat", concat);
    registry.add("sortAlpha", sort_alpha);
    registry.add("toStrings", |value: Value| match value {
        Value::List(list) if list.list_type() == ListType::Strings => Ok(list),
        value => to_strings(&value).map(|all| List::typed(ListType::Strings, texts(all))),
    });
    registry.add("join", join);
}

/// The items of a slice; bytes are items too. Fails for nil as Go does, and for other kinds with
/// `Cannot VERB type KIND`.
fn items_of(value: &Value, verb: &str) -> Result<Vec<Value>, CallError> {
    items(value)?
        .ok_or_else(|| CallError::new(format!("Cannot {verb} type {}", value.kind().name())))
}

/// The items of a slice; None for values of other kinds.
fn items(value: &Value) -> Result<Option<Vec<Value>>, CallError> {
    match value {
        Value::Nil => Err(CallError::nil_pointer()),
        Value::List(list) => Ok(Some(list.as_slice().to_vec())),
        Value::Bytes(bytes) => Ok(Some(bytes.iter().map(|&byte| Value::Uint8(byte)).collect())),
        Value::Object(object) => match object.underlying() {
            Some(underlying @ (Value::List(_) | Value::Bytes(_))) => items(&underlying),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn nil_list() -> List {
    List::nil(ListType::Any)
}

fn copied(items: &[Value]) -> List {
    List::new(items.to_vec())
}

fn texts(texts: Vec<Str>) -> Vec<Value> {
    texts.into_iter().map(Value::Str).collect()
}

fn push(list: Value, value: Value) -> Result<List, CallError> {
    let mut items = items_of(&list, "push on")?;
    let room = items.len();
    items.push(value);
    Ok(List::appended(ListType::Any, items, room))
}

fn prepend(list: Value, value: Value) -> Result<List, CallError> {
    let mut items = items_of(&list, "prepend on")?;
    items.insert(0, value);
    Ok(List::new(items))
}

/// Lists of `size` items; the last one may be shorter. The arithmetic of floats, and what comes of sizes
/// that are not positive, is sprig's.
fn chunk(context: &mut Context<'_>, size: i64, list: Value) -> Result<List, CallError> {
    let out_of_range = || CallError::new("runtime error: makeslice: len out of range");
    let items = items_of(&list, "chunk")?;
    let length = items.len() as f64;
    let count = ((length - 1.0) / size as f64).floor() + 1.0;
    if !(0.0..1e15).contains(&count) {
        return Err(out_of_range());
    }
    let count = count as usize;
    context.allow_items(count)?;
    let mut chunks = Vec::with_capacity(count);
    let mut rest = items.as_slice();
    for index in 0..count {
        let mut wanted = size;
        if index == count - 1 {
            let last = (length % size as f64).floor() as i64;
            wanted = if last == 0 { size } else { last };
        }
        let wanted = usize::try_from(wanted).map_err(|_| out_of_range())?;
        let (chunk, after) = rest
            .split_at_checked(wanted)
            .ok_or_else(|| CallError::new("reflect: slice index out of range"))?;
        chunks.push(Value::list(chunk.to_vec()));
        rest = after;
    }
    Ok(List::typed(ListType::Lists, chunks))
}

fn uniq(context: &mut Context<'_>, list: Value) -> Result<List, CallError> {
    let mut unique: Vec<Value> = Vec::new();
    for item in items_of(&list, "find uniq on")? {
        context.spend(unique.len() as u64 / 4)?;
        if !contains(&unique, &item)? {
            unique.push(item);
        }
    }
    Ok(List::appended(ListType::Any, unique, 0))
}

fn without(
    context: &mut Context<'_>,
    list: Value,
    Rest(omitted): Rest<Value>,
) -> Result<List, CallError> {
    let mut kept = Vec::new();
    for item in items_of(&list, "find without on")? {
        context.spend(omitted.len() as u64 / 4)?;
        if !contains(&omitted, &item)? {
            kept.push(item);
        }
    }
    Ok(List::appended(ListType::Any, kept, 0))
}

fn has(needle: Value, haystack: Value) -> Result<bool, CallError> {
    if matches!(haystack, Value::Nil) {
        return Ok(false);
    }
    contains(&items_of(&haystack, "find has on")?, &needle)
}

fn contains(items: &[Value], needle: &Value) -> Result<bool, CallError> {
    for item in items {
        if deep_equal(needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A part of a list, of the same type.
fn slice(list: Value, Rest(indexes): Rest<Value>) -> Result<Value, CallError> {
    let Some(mut items) = items(&list)? else {
        return Err(CallError::new(format!(
            "list should be type of slice or array but {}",
            list.kind().name()
        )));
    };
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = indexes.first().map_or(0, to_int64);
    let end = indexes.get(1).map_or(items.len() as i64, to_int64);
    let length = items.len();
    let mut room = length;
    if let (Value::List(list), Ok(end)) = (list.underlying().as_ref(), usize::try_from(end)) {
        room += list.spare();
        if (length..=room).contains(&end) {
            let unused = match list.list_type() {
                ListType::Strings => Value::Str(Str::EMPTY),
                ListType::Ints => Value::Int(0),
                _ => Value::Nil,
            };
            items.resize(end, unused);
        }
    }
    let part = usize::try_from(start)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| items.get(start..end))
        .ok_or_else(|| CallError::new("reflect.Value.Slice: slice index out of bounds"))?;
    Ok(match list.underlying().as_ref() {
        Value::List(list) => {
            // Behind items that were cut off there are these, and no room to tell of.
            let end = end as usize;
            let spare = if end < length { 0 } else { room - end };
            Value::List(List::with_spare(list.list_type(), part.to_vec(), spare))
        }
        Value::Bytes(bytes) => Value::Bytes(Str::new(&bytes[start as usize..end as usize])),
        _ => Value::list(part.to_vec()),
    })
}

/// All items in one list; the nil list of none.
fn concat(Rest(lists): Rest<Value>) -> Result<Value, CallError> {
    let mut all = Vec::new();
    for list in &lists {
        let items = items(list)?.ok_or_else(|| {
            let kind = list.kind().name();
            CallError::new(format!("Cannot concat type {kind} as list"))
        })?;
        all.extend(items);
    }
    Ok(Value::List(if all.is_empty() {
        nil_list()
    } else {
        List::new(all)
    }))
}

/// The texts of the items, sorted by their bytes; of other values the text alone.
fn sort_alpha(value: Value) -> Result<List, CallError> {
    let mut all = match value.underlying().as_ref() {
        Value::List(list) if list.list_type() == ListType::Strings && list.is_nil() => {
            return Ok(list.clone());
        }
        Value::List(_) | Value::Bytes(_) => to_strings(&value)?,
        _ => vec![strval(&value)?],
    };
    all.sort();
    Ok(List::typed(ListType::Strings, texts(all)))
}

fn join(context: &mut Context<'_>, separator: Str, value: Value) -> Result<Vec<u8>, CallError> {
    let texts = to_strings(&value)?;
    let length = texts.iter().map(|text| text.len()).sum::<usize>()
        + separator.len() * texts.len().saturating_sub(1);
    context.allow_bytes(length)?;
    let mut out = Vec::with_capacity(length);
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(&separator);
        }
        out.extend_from_slice(text);
    }
    Ok(out)
}
