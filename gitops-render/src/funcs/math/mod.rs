//! Numbers: conversions, integer arithmetic on `int64`, decimal arithmetic on `float64`.

mod cast;
mod decimal;

use gitops_core::go::{NumberError, parse_int};

use self::decimal::Decimal;
use super::{Int64, Registry, Rest, strings};
use crate::template::{CallError, Context, List, ListType, Str, Value};

pub(crate) use cast::{float_to_int, to_float64, to_int64};

pub(super) fn register(registry: &mut Registry) {
    registry.add("atoi", atoi);
    registry.add("int64", |value: Value| Int64(to_int64(&value)));
    registry.add("int", |value: Value| to_int64(&value));
    registry.add("float64", |value: Value| to_float64(&value));
    registry.add("toDecimal", to_decimal);
    registry.add("seq", seq);
    registry.add("until", |context: &mut Context<'_>, count: i64| {
        ints(context, 0, count, if count < 0 { -1 } else { 1 })
    });
    registry.add("untilStep", ints);
    registry.add("add1", |value: Value| {
        Int64(to_int64(&value).wrapping_add(1))
    });
    registry.add("add", |Rest(values): Rest<Value>| {
        Int64(values.iter().map(to_int64).fold(0, i64::wrapping_add))
    });
    registry.add("sub", |a: Value, b: Value| {
        Int64(to_int64(&a).wrapping_sub(to_int64(&b)))
    });
    registry.add("div", |a: Value, b: Value| {
        divided(to_int64(&a), to_int64(&b), i64::wrapping_div)
    });
    registry.add("mod", |a: Value, b: Value| {
        divided(to_int64(&a), to_int64(&b), i64::wrapping_rem)
    });
    registry.add("mul", |a: Value, Rest(rest): Rest<Value>| {
        let start = to_int64(&a);
        Int64(rest.iter().map(to_int64).fold(start, i64::wrapping_mul))
    });
    registry.add("add1f", |value: Value| {
        decimals(&value, &[Value::Int(1)], Decimal::add)
    });
    registry.add("addf", |Rest(values): Rest<Value>| {
        decimals(&Value::Float(0.0), &values, Decimal::add)
    });
    registry.add("subf", |a: Value, Rest(rest): Rest<Value>| {
        decimals(&a, &rest, Decimal::subtract)
    });
    registry.add("divf", |a: Value, Rest(rest): Rest<Value>| {
        decimals(&a, &rest, Decimal::divide)
    });
    registry.add("mulf", |a: Value, Rest(rest): Rest<Value>| {
        decimals(&a, &rest, Decimal::multiply)
    });
    for name in ["max", "biggest"] {
        registry.add(name, |a: Value, Rest(rest): Rest<Value>| {
            let start = to_int64(&a);
            Int64(rest.iter().map(to_int64).fold(start, i64::max))
        });
    }
    registry.add("min", |a: Value, Rest(rest): Rest<Value>| {
        let start = to_int64(&a);
        Int64(rest.iter().map(to_int64).fold(start, i64::min))
    });
    registry.add("maxf", |a: Value, Rest(rest): Rest<Value>| {
        rest.iter().map(to_float64).fold(to_float64(&a), go_max)
    });
    registry.add("minf", |a: Value, Rest(rest): Rest<Value>| {
        rest.iter()
            .map(to_float64)
            .fold(to_float64(&a), |a, b| -go_max(-a, -b))
    });
    registry.add("ceil", |value: Value| to_float64(&value).ceil());
    registry.add("floor", |value: Value| to_float64(&value).floor());
    registry.add("round", round);
}

/// `strconv.Atoi` without its error: out of range gives the nearest `int`.
fn atoi(text: Str) -> i64 {
    match text.as_str().map(|text| parse_int(text, 10)) {
        Some(Ok(value)) => value,
        Some(Err(NumberError::Range { negative: true })) => i64::MIN,
        Some(Err(NumberError::Range { negative: false })) => i64::MAX,
        _ => 0,
    }
}

/// The decimal digits of a value, read as octal.
fn to_decimal(value: Value) -> Result<Int64, CallError> {
    let text = strings::printed(&value)?;
    let number = text.as_str().and_then(|text| parse_int(text, 8).ok());
    Ok(Int64(number.unwrap_or(0)))
}

fn divided(a: i64, b: i64, operation: fn(i64, i64) -> i64) -> Result<Int64, CallError> {
    if b == 0 {
        return Err(CallError::new("runtime error: integer divide by zero"));
    }
    Ok(Int64(operation(a, b)))
}

fn decimals(
    first: &Value,
    rest: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, CallError>,
) -> Result<f64, CallError> {
    let mut result = Decimal::from_float(to_float64(first))?;
    for value in rest {
        result = operation(&result, &Decimal::from_float(to_float64(value))?)?;
    }
    Ok(result.to_float())
}

/// `math.Max`: infinity before NaN, and 0 before −0.
fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// Integers from `start` to before `stop`; none where the step leads elsewhere.
fn ints(context: &mut Context<'_>, start: i64, stop: i64, step: i64) -> Result<List, CallError> {
    let numbers = range(context, start, stop, step)?;
    let items = numbers.into_iter().map(Value::Int).collect();
    Ok(List::appended(ListType::Ints, items, 0))
}

fn range(
    context: &mut Context<'_>,
    start: i64,
    stop: i64,
    step: i64,
) -> Result<Vec<i64>, CallError> {
    let distance = i128::from(stop) - i128::from(start);
    let step = i128::from(step);
    let leads_there = if distance < 0 { step < 0 } else { step > 0 };
    if !leads_there {
        return Ok(Vec::new());
    }
    let count = (distance.unsigned_abs()).div_ceil(step.unsigned_abs());
    context.allow_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok((0..count as i128)
        .map(|index| (i128::from(start) + index * step) as i64)
        .collect())
}

/// As the program `seq`: one number is the end, of two the second, between them of three the step.
fn seq(context: &mut Context<'_>, Rest(numbers): Rest<i64>) -> Result<String, CallError> {
    let (start, step, end) = match numbers[..] {
        [end] => (1, if end < 1 { -1 } else { 1 }, end),
        [start, end] => (start, if end < start { -1 } else { 1 }, end),
        [start, step, end] if end >= start || step <= 0 => (start, step, end),
        _ => return Ok(String::new()),
    };
    let stop = end.wrapping_add(if end < start { -1 } else { 1 });
    let numbers: Vec<String> = range(context, start, stop, step)?
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    Ok(numbers.join(" "))
}

/// To `places` digits after the point; a fraction of at least `on` (half) goes up, so that negative
/// numbers, whose fractions are negative, go down.
fn round(value: Value, places: i64, Rest(on): Rest<f64>) -> f64 {
    let on = on.first().copied().unwrap_or(0.5);
    let power = power_of_ten(places);
    let scaled = power * to_float64(&value);
    let rounded = if scaled.fract() >= on {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    rounded / power
}

/// `math.Pow(10, places)`, multiplied out as Go does it.
fn power_of_ten(places: i64) -> f64 {
    let (mut result, mut result_exponent) = (1.0_f64, 0_i64);
    // 10 is 0.625 · 2⁴.
    let (mut factor, mut factor_exponent) = (0.625_f64, 4_i64);
    let mut left = (places as f64).abs() as u64;
    while left != 0 {
        if !(-4096..=4096).contains(&factor_exponent) {
            result_exponent += factor_exponent;
            break;
        }
        if left & 1 == 1 {
            result *= factor;
            result_exponent += factor_exponent;
        }
        factor *= factor;
        factor_exponent <<= 1;
        if factor < 0.5 {
            factor += factor;
            factor_exponent -= 1;
        }
        left >>= 1;
    }
    if places < 0 {
        result = 1.0 / result;
        result_exponent = -result_exponent;
    }
    load_exponent(result, result_exponent)
}

/// `value · 2^exponent` for a value near 1, rounded once.
fn load_exponent(value: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-5000, 5000) as i32;
    if exponent >= -1000 {
        let first = exponent.min(1000);
        return value * 2_f64.powi(first) * 2_f64.powi((exponent - first).min(1000));
    }
    // Down to the smallest normal numbers the product is exact; the last factor rounds.
    value * 2_f64.powi(-1000) * two_to(exponent + 1000)
}

/// `2^exponent` for exponents down to that of the smallest number and below.
fn two_to(exponent: i32) -> f64 {
    if exponent < -1022 {
        0.0
    } else {
        2_f64.powi(exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        let round = |value: f64, places| round(Value::Float(value), places, Rest(vec![]));
        for (value, places, expected) in [
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (123.555_55, 3, 123.556),
            (1234.5, -2, 1200.0),
            (1.0, 400, f64::NAN),
        ] {
            let actual = round(value, places);
            assert!(
                actual.to_bits() == expected.to_bits() || (actual.is_nan() && expected.is_nan()),
                "{value} {places}: {actual}"
            );
        }
    }

    #[test]
    fn extremes() {
        assert!(go_max(f64::NAN, f64::INFINITY).is_infinite());
        assert!(go_max(-0.0, 0.0).is_sign_positive());
        assert!((-go_max(-0.0, 0.0)).is_sign_negative());
        assert_eq!(atoi(Str::from("99999999999999999999")), i64::MAX);
        assert_eq!(atoi(Str::from("1_0")), 0);
    }
}
