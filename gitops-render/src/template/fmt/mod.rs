//! Go's package fmt over [`Value`]s: `Sprint`, `Sprintf`, and the default format of every value.

mod float;
mod printer;
pub(crate) mod quote;
mod verbs;

pub use float::format_float;

use self::printer::Printer;
use super::{CallError, Kind, Limits, Object, Str, Value};

/// Nesting up to which values are printed where no limit is at hand.
const DEFAULT_DEPTH: u32 = 10_000;

/// Appends a value in its default format, `%v`.
pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    let mut printer = Printer::new(out, DEFAULT_DEPTH);
    printer.argument(value, 'v');
}

/// A value in its default format, `%v`.
#[must_use]
pub fn to_str(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        _ => {
            let mut out = Vec::new();
            write_value(&mut out, value);
            Str::from(out)
        }
    }
}

/// A value in its default format, for messages.
#[must_use]
pub fn to_text(value: &Value) -> String {
    to_str(value).to_str().into_owned()
}

/// What `%v` shows of a value through which reflection looks: of a pointer that to which it points.
#[must_use]
pub(super) fn reflected(value: &Value) -> String {
    let mut out = Vec::new();
    Printer::new(&mut out, DEFAULT_DEPTH).reflected(value);
    String::from_utf8_lossy(&out).into_owned()
}

/// `fmt.Sprintf`.
pub fn sprintf(format: &[u8], arguments: &[Value], limits: &Limits) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::with_capacity(format.len() + 16);
    let mut printer = Printer::new(&mut out, limits.value_depth).with_limit(limits.output_bytes);
    printer.format(format, arguments);
    printer.finish()?;
    Ok(out)
}

/// `fmt.Sprint`: a space between operands neither of which is a string.
pub fn sprint(arguments: &[Value], limits: &Limits) -> Result<Vec<u8>, CallError> {
    sprint_with(arguments, limits, |printer, argument| {
        printer.argument(argument, 'v');
    })
}

/// `fmt.Sprint` of what actions print: pointers are followed.
pub(crate) fn sprint_printable(arguments: &[Value], limits: &Limits) -> Result<Vec<u8>, CallError> {
    sprint_with(arguments, limits, |printer, argument| match argument {
        Value::Object(object) if is_followed(&**object) => printer.reflected(argument),
        _ => printer.argument(argument, 'v'),
    })
}

fn sprint_with(
    arguments: &[Value],
    limits: &Limits,
    print: impl Fn(&mut Printer<'_>, &Value),
) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    let mut was_string = false;
    let mut printer = Printer::new(&mut out, limits.value_depth).with_limit(limits.output_bytes);
    for (index, argument) in arguments.iter().enumerate() {
        let is_string = argument.kind() == Kind::String;
        if index > 0 && !is_string && !was_string {
            printer.push(b" ");
        }
        print(&mut printer, argument);
        was_string = is_string;
    }
    printer.finish()?;
    Ok(out)
}

/// `fmt.Sprintln`: spaces between all operands, and a newline.
pub fn sprintln(arguments: &[Value], limits: &Limits) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, limits.value_depth).with_limit(limits.output_bytes);
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            printer.push(b" ");
        }
        printer.argument(argument, 'v');
    }
    printer.push(b"\n");
    printer.finish()?;
    Ok(out)
}

/// Whether what is printed in its place is that to which it points.
fn is_followed(object: &dyn Object) -> bool {
    object.kind() == Kind::Pointer && !object.is_nil() && object.string().is_none()
}

/// Prints the value of an action: objects of which only the pointer has a text print that.
pub(super) fn print_directly(
    out: &mut Vec<u8>,
    value: &Value,
    limits: &Limits,
) -> Result<(), CallError> {
    if let Value::Object(object) = value
        && object.string().is_none()
    {
        if let Some(text) = object.string_of_pointer() {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        if is_followed(&**object) {
            out.extend_from_slice(reflected(value).as_bytes());
            return Ok(());
        }
    }
    let mut printer = Printer::new(out, limits.value_depth).with_limit(limits.output_bytes);
    printer.argument(value, 'v');
    printer.finish()
}

/// `reflect.Value.String`: the text of a string, and only the type of everything else.
pub(super) fn reflect_string(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        Value::Nil => "<invalid Value>".into(),
        other => format!("<{} Value>", other.type_name()).into(),
    }
}

#[cfg(test)]
mod tests;
