//! Random texts. Each result is remembered by call site where the host does so.

use gitops_core::go::unicode::runes;

use crate::{
    funcs::{
        Registry,
        encoding::{Alphabet, encode_base},
    },
    template::{CallError, Context, Str},
};

pub(super) fn register(registry: &mut Registry) {
    for (name, characters) in [
        ("randAlphaNum", Characters::AlphaNumeric),
        ("randAlpha", Characters::Alphabetic),
        ("randAscii", Characters::Ascii),
        ("randNumeric", Characters::Numeric),
    ] {
        registry.add(name, move |context: &mut Context<'_>, count: i64| {
            context.remembered(|context| random_text(context, characters, count))
        });
    }
    registry.add("randBytes", |context: &mut Context<'_>, count: i64| {
        context.remembered(|context| random_bytes(context, count))
    });
    registry.add("randInt", random_int);
    registry.add("uuidv4", |context: &mut Context<'_>| {
        context.remembered(|context| uuid(context).map(Str::from))
    });
    registry.add("shuffle", |context: &mut Context<'_>, text: Str| {
        context.remembered(|context| shuffled(context, &text).map(Str::from))
    });
}

/// A number below `limit`, all of them equally likely.
pub(crate) fn random_below(context: &mut Context<'_>, limit: u64) -> Result<u64, CallError> {
    let reject_from = u64::MAX - u64::MAX % limit.max(1);
    loop {
        let mut bytes = [0; 8];
        context.random(&mut bytes)?;
        let value = u64::from_le_bytes(bytes);
        if value < reject_from {
            return Ok(value % limit);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Characters {
    AlphaNumeric,
    Alphabetic,
    /// From space to tilde.
    Ascii,
    Numeric,
}

impl Characters {
    fn all(self) -> Vec<u8> {
        (b' '..=b'~')
            .filter(|byte| match self {
                Self::AlphaNumeric => byte.is_ascii_alphanumeric(),
                Self::Alphabetic => byte.is_ascii_alphabetic(),
                Self::Ascii => true,
                Self::Numeric => byte.is_ascii_digit(),
            })
            .collect()
    }
}

/// Empty for negative counts.
fn random_text(
    context: &mut Context<'_>,
    characters: Characters,
    count: i64,
) -> Result<Str, CallError> {
    let count = usize::try_from(count).unwrap_or(0);
    context.allow_bytes(count)?;
    context.spend(count as u64 / 8)?;
    let all = characters.all();
    // The largest multiple of the number of characters that a byte can hold.
    let reject_from = 256 - 256 % all.len();
    let mut text = Vec::with_capacity(count);
    let mut buffer = [0; 64];
    while text.len() < count {
        context.random(&mut buffer)?;
        let picked = buffer
            .iter()
            .map(|&byte| usize::from(byte))
            .filter(|&value| value < reject_from)
            .map(|value| all[value % all.len()]);
        text.extend(picked.take(count - text.len()));
    }
    Ok(text.into())
}

fn random_bytes(context: &mut Context<'_>, count: i64) -> Result<Str, CallError> {
    let count = usize::try_from(count)
        .map_err(|_| CallError::new("runtime error: makeslice: len out of range"))?;
    context.allow_bytes(count)?;
    let mut bytes = vec![0; count];
    context.random(&mut bytes)?;
    Ok(encode_base(Alphabet::Base64, &bytes).into())
}

/// From `min` to before `max`.
fn random_int(context: &mut Context<'_>, min: i64, max: i64) -> Result<i64, CallError> {
    let range = max.wrapping_sub(min);
    if range <= 0 {
        return Err(CallError::new("invalid argument to Intn"));
    }
    let text = context.remembered(|context| {
        let value = random_below(context, range as u64)? as i64;
        Ok(Str::from(value.wrapping_add(min).to_string()))
    })?;
    // A remembered number may be one of another range.
    let value: i64 = text.to_str().parse().unwrap_or(min);
    Ok(if (min..max).contains(&value) {
        value
    } else {
        min
    })
}

fn uuid(context: &mut Context<'_>) -> Result<String, CallError> {
    let mut bytes = [0; 16];
    context.random(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let value = u128::from_be_bytes(bytes);
    let digits = format!("{value:032x}");
    Ok(format!(
        "{}-{}-{}-{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    ))
}

fn shuffled(context: &mut Context<'_>, text: &Str) -> Result<String, CallError> {
    let mut characters: Vec<char> = runes(text).collect();
    context.spend(characters.len() as u64)?;
    for last in (1..characters.len()).rev() {
        let other = random_below(context, last as u64 + 1)? as usize;
        characters.swap(last, other);
    }
    Ok(characters.into_iter().collect())
}
