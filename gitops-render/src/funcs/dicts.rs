//! Dictionaries: `set`, `unset` and the merges change their first argument.

use super::{Registry, Rest, defaults::is_empty, strings::strval};
use crate::template::{
    CallError, Context, Entries, Kind, List, ListType, Map, MapType, Str, Value, with_stack,
};

pub(super) fn register(registry: &mut Registry) {
    registry.add("dict", dict);
    registry.add("get", |map: Map, key: Str| {
        map.get(&key).unwrap_or_else(|| Value::Str(Str::EMPTY))
    });
    registry.add("set", |map: Map, key: Str, value: Value| {
        map.insert(key, value).map(|()| map)
    });
    registry.add("unset", |map: Map, key: Str| {
        map.remove(&key);
        map
    });
    registry.add("hasKey", |map: Map, key: Str| map.contains_key(&key));
    registry.add("pluck", |key: Str, Rest(maps): Rest<Map>| {
        maps.iter()
            .filter_map(|map| map.get(&key))
            .collect::<List>()
    });
    registry.add("keys", |Rest(maps): Rest<Map>| {
        let keys = maps.iter().flat_map(Map::keys).map(Value::Str);
        List::typed(ListType::Strings, keys.collect())
    });
    registry.add("values", |map: Map| {
        let values = map.snapshot().into_iter().map(|(_, value)| value);
        values.collect::<List>()
    });
    registry.add("pick", |map: Map, Rest(keys): Rest<Str>| {
        keys.into_iter()
            .filter_map(|key| map.get(&key).map(|value| (key, value)))
            .collect::<Map>()
    });
    registry.add("omit", |map: Map, Rest(keys): Rest<Str>| {
        let kept = map.shallow_copy();
        for key in keys {
            kept.remove(&key);
        }
        kept
    });
    for name in ["deepCopy", "mustDeepCopy"] {
        registry.add(name, |context: &mut Context<'_>, value: Value| {
            if matches!(value, Value::Nil) {
                return Err(CallError::new(
                    "reflect: call of reflect.Value.Type on zero Value",
                ));
            }
            deep_copy(context, &value, 0)
        });
    }
    registry.add("dig", |Rest(arguments): Rest<Value>| dig(&arguments));
    for (name, overwrite, must) in [
        ("merge", false, false),
        ("mustMerge", false, true),
        ("mergeOverwrite", true, false),
        ("mustMergeOverwrite", true, true),
    ] {
        registry.add(
            name,
            move |context: &mut Context<'_>, target: Map, Rest(sources): Rest<Map>| {
                merge(context, target, &sources, overwrite, must)
            },
        );
    }
}

/// Keys and values in turn; a last key without a value has the empty string.
fn dict(Rest(pairs): Rest<Value>) -> Result<Map, CallError> {
    let mut entries = Entries::new();
    let mut pairs = pairs.into_iter();
    while let Some(key) = pairs.next() {
        let value = pairs.next().unwrap_or_else(|| Value::Str(Str::EMPTY));
        entries.insert(strval(&key)?, value);
    }
    Ok(Map::from_entries(MapType::Any, entries))
}

/// A copy of maps and lists all the way down; other values are shared, but for objects that lose by it.
fn deep_copy(context: &mut Context<'_>, value: &Value, depth: u32) -> Result<Value, CallError> {
    check_depth(context, depth)?;
    with_stack(|| match value {
        Value::List(list) if !list.is_nil() => {
            context.spend(1 + list.len() as u64 / 8)?;
            let items = list
                .iter()
                .map(|item| deep_copy(context, item, depth + 1))
                .collect::<Result<_, _>>()?;
            Ok(Value::List(List::typed(list.list_type(), items)))
        }
        Value::Map(map) if !map.is_nil() => {
            context.spend(1 + map.len() as u64 / 8)?;
            let entries = map
                .snapshot()
                .into_iter()
                .map(|(key, value)| Ok((key, deep_copy(context, &value, depth + 1)?)))
                .collect::<Result<_, CallError>>()?;
            Ok(Value::Map(Map::from_entries(map.map_type(), entries)))
        }
        Value::Object(object) => Ok(object.deep_copy().unwrap_or_else(|| value.clone())),
        _ => Ok(value.clone()),
    })
}

/// Follows keys through dictionaries: `dig "a" "b" DEFAULT DICT`.
fn dig(arguments: &[Value]) -> Result<Value, CallError> {
    let [keys @ .., default, dict] = arguments else {
        return Err(CallError::new("dig needs at least three arguments"));
    };
    if keys.is_empty() {
        return Err(CallError::new("dig needs at least three arguments"));
    }
    let mut map = plain_map(dict)?;
    let keys = keys
        .iter()
        .map(|key| match key {
            Value::Str(key) => Ok(key),
            other => Err(conversion_error(other, "string")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let (last, path) = keys.split_last().expect("there is at least one key");
    for key in path {
        match map.get(key) {
            Some(value) => map = plain_map(&value)?,
            None => return Ok(default.clone()),
        }
    }
    Ok(map.get(last).unwrap_or_else(|| default.clone()))
}

fn plain_map(value: &Value) -> Result<Map, CallError> {
    match value {
        Value::Map(map) if map.map_type() == MapType::Any => Ok(map.clone()),
        other => Err(conversion_error(other, "map[string]interface {}")),
    }
}

/// The text of the panic of a failed type assertion.
fn conversion_error(value: &Value, wanted: &str) -> CallError {
    let type_name = value.type_name();
    let own = if matches!(value, Value::Nil) {
        "nil"
    } else {
        &type_name
    };
    CallError::new(format!(
        "interface conversion: interface {{}} is {own}, not {wanted}"
    ))
}

/// Merges the sources into the target, one after another. Without `must` an error gives the empty
/// string.
fn merge(
    context: &mut Context<'_>,
    target: Map,
    sources: &[Map],
    overwrite: bool,
    must: bool,
) -> Result<Value, CallError> {
    let mut target = target;
    for source in sources {
        if target.is_nil() && !source.is_nil() {
            target = Map::new();
        }
        let merger = Merger { overwrite };
        match merger.merge_maps(context, &target, source, 0) {
            Ok(()) => {}
            Err(Trouble::Mismatch) if !must => return Ok(Value::Str(Str::EMPTY)),
            Err(Trouble::Mismatch) => {
                return Err(CallError::new("src and dst must be of same type"));
            }
            Err(Trouble::Fatal(error)) => return Err(error),
        }
    }
    Ok(Value::Map(target))
}

enum Trouble {
    /// An error of mergo, which `merge` swallows.
    Mismatch,
    /// A panic, or a limit.
    Fatal(CallError),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Fatal(error)
    }
}

/// `dario.cat/mergo` 1.0.1 on maps, with and without `WithOverride`.
#[derive(Clone, Copy)]
struct Merger {
    overwrite: bool,
}

impl Merger {
    fn merge_maps(
        self,
        context: &mut Context<'_>,
        target: &Map,
        source: &Map,
        depth: u32,
    ) -> Result<(), Trouble> {
        check_depth(context, depth)?;
        context.spend(1 + source.len() as u64 / 4)?;
        with_stack(|| {
            // Maps that contain each other change while they are merged.
            source
                .keys()
                .into_iter()
                .try_for_each(|key| match source.get(&key) {
                    Some(value) => self.merge_entry(context, target, key, value, depth),
                    None => Ok(()),
                })
        })
    }

    fn merge_entry(
        self,
        context: &mut Context<'_>,
        target: &Map,
        key: Str,
        value: Value,
        depth: u32,
    ) -> Result<(), Trouble> {
        // A nil map, list or pointer in an interface is a value.
        if matches!(value, Value::Nil) {
            if self.overwrite {
                put(target, key, value)?;
            }
            return Ok(());
        }
        let existing = target.get(&key);
        // mergo and sprig agree on what is empty.
        let existing_is_empty = existing.as_ref().is_none_or(is_empty);
        match value.kind() {
            Kind::Map | Kind::Struct | Kind::Pointer => {
                if let Some(existing) = &existing {
                    self.merge_values(context, existing, &value, depth)?;
                }
                // The merge may have filled a map that was empty, so it is looked at again.
                let is_map_now = existing
                    .as_ref()
                    .is_some_and(|existing| existing.kind() == Kind::Map);
                let filled = existing
                    .as_ref()
                    .is_some_and(|existing| !is_empty(existing));
                if is_map_now && filled && value.kind() == Kind::Map {
                    return Ok(());
                }
                if self.overwrite || !filled {
                    put(target, key, value)?;
                }
            }
            _ => {
                if self.overwrite || existing_is_empty {
                    put(target, key, value)?;
                }
            }
        }
        Ok(())
    }

    /// What mergo does with values that it cannot set: only maps are changed.
    fn merge_values(
        self,
        context: &mut Context<'_>,
        target: &Value,
        source: &Value,
        depth: u32,
    ) -> Result<(), Trouble> {
        match (target, source) {
            (Value::Map(target), Value::Map(source)) if !target.is_nil() => {
                self.merge_maps(context, target, source, depth + 1)
            }
            (Value::Object(target), _)
                if target.kind() == Kind::Pointer
                    && source.kind() != Kind::Pointer
                    && !self.overwrite =>
            {
                Err(Trouble::Mismatch)
            }
            _ => Ok(()),
        }
    }
}

fn put(target: &Map, key: Str, value: Value) -> Result<(), CallError> {
    if target.map_type() == MapType::Strings && !matches!(value, Value::Str(_)) {
        // mergo sets slices themselves, and everything else as the interface that holds it.
        let type_name = if value.kind() == Kind::Slice {
            value.type_name()
        } else {
            "interface {}".into()
        };
        return Err(CallError::new(format!(
            "reflect.Value.SetMapIndex: value of type {type_name} is not assignable to type string"
        )));
    }
    target.insert(key, value)
}

fn check_depth(context: &mut Context<'_>, depth: u32) -> Result<(), CallError> {
    let allowed = context.host().limits().value_depth;
    if depth > allowed {
        return Err(CallError::limit("value_depth", u64::from(allowed)));
    }
    Ok(())
}
