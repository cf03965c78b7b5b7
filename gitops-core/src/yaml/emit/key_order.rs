//! The order in which go-yaml v2 writes the keys of a mapping.

use std::cmp::Ordering;

/// go-yaml v2's natural order of keys: letters by code point, other characters before letters, and
/// runs of digits by the number they stand for.
///
/// ```
/// use std::cmp::Ordering;
/// assert_eq!(gitops_core::yaml::key_order("foo-2", "foo-10"), Ordering::Less);
/// ```
///
/// The order is not transitive (`v10` before `v1alpha1` before `v2` before `v10`), and so no order
/// to the sort functions of the standard library: use [`sort_by_key_order`].
#[must_use]
pub fn key_order(a: &str, b: &str) -> Ordering {
    natural_order(a, b, |_| Ordering::Greater)
}

/// go-yaml v3's natural order of keys: as v2's, but after a digit a letter comes before what is no
/// letter, so that `foo1bar` comes before `foo10bar`.
pub(super) fn key_order_v3(a: &str, b: &str) -> Ordering {
    natural_order(a, b, |before| {
        if before.is_some_and(is_digit) {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    })
}

/// `letter_order` says, from the character before, how a letter compares with what is no letter.
fn natural_order(a: &str, b: &str, letter_order: impl Fn(Option<char>) -> Ordering) -> Ordering {
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let mut start = common;
    while !a.is_char_boundary(start) || !b.is_char_boundary(start) {
        start -= 1;
    }
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
        return rest_a.len().cmp(&rest_b.len());
    };
    match (first_a.is_alphabetic(), first_b.is_alphabetic()) {
        (true, true) => return first_a.cmp(&first_b),
        (true, false) => return letter_order(a[..start].chars().next_back()),
        (false, true) => return letter_order(a[..start].chars().next_back()).reverse(),
        (false, false) => {}
    }
    // After a digit other than 0, a 0 counts as a place of the number begun before.
    let mut base = 0;
    if first_a == '0' || first_b == '0' {
        for digit in a[..start].chars().rev().take_while(|c| is_digit(*c)) {
            if digit != '0' {
                base = 1;
                break;
            }
        }
    }
    let (number_a, length_a) = leading_number(rest_a, base);
    let (number_b, length_b) = leading_number(rest_b, base);
    number_a
        .cmp(&number_b)
        .then(length_a.cmp(&length_b))
        .then(first_a.cmp(&first_b))
}

/// Sorts entries by their keys as go-yaml v2 does.
///
/// Where [`key_order`] contradicts itself, Go's result depends on the order in which it goes over a
/// hash map; here it is the one that follows from keys sorted by bytes, the likeliest in Go.
///
/// ```
/// let mut keys = vec!["foo-10", "foo-2", "Foo", "_"];
/// gitops_core::yaml::sort_by_key_order(&mut keys, |key| *key);
/// assert_eq!(keys, ["_", "Foo", "foo-2", "foo-10"]);
/// ```
pub fn sort_by_key_order<T: Copy>(entries: &mut [T], key: impl for<'t> Fn(&'t T) -> &'t str) {
    sort_entries(entries, &key, key_order);
}

/// Sorts by an order that may contradict itself.
pub(super) fn sort_entries<T: Copy>(
    entries: &mut [T],
    key: &impl for<'t> Fn(&'t T) -> &'t str,
    order: fn(&str, &str) -> Ordering,
) {
    /// Up to this length Go sorts by insertion.
    const SHORT: usize = 12;
    entries.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    if entries.len() > SHORT {
        merge_sort(entries, key, order);
        return;
    }
    for from in 1..entries.len() {
        let mut at = from;
        while at > 0 && order(key(&entries[at]), key(&entries[at - 1])).is_lt() {
            entries.swap(at, at - 1);
            at -= 1;
        }
    }
}

fn merge_sort<T: Copy>(
    entries: &mut [T],
    key: &impl for<'t> Fn(&'t T) -> &'t str,
    order: fn(&str, &str) -> Ordering,
) {
    if entries.len() < 2 {
        return;
    }
    let (left, right) = entries.split_at_mut(entries.len() / 2);
    merge_sort(left, key, order);
    merge_sort(right, key, order);
    if order(key(&right[0]), key(left.last().expect("not empty"))).is_ge() {
        return;
    }
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut a, mut b) = (0, 0);
    while a < left.len() && b < right.len() {
        if order(key(&right[b]), key(&left[a])).is_lt() {
            merged.push(right[b]);
            b += 1;
        } else {
            merged.push(left[a]);
            a += 1;
        }
    }
    merged.extend_from_slice(&left[a..]);
    merged.extend_from_slice(&right[b..]);
    entries.copy_from_slice(&merged);
}

/// The number at the beginning of a text (wrapping, as in Go) and how many digits it has.
fn leading_number(text: &str, base: i64) -> (i64, usize) {
    text.chars()
        .take_while(|c| is_digit(*c))
        .fold((base, 0), |(number, length), digit| {
            let value = i64::from(u32::from(digit)) - i64::from(b'0');
            (number.wrapping_mul(10).wrapping_add(value), length + 1)
        })
}

/// Decimal digits of any script, as Go's `unicode.IsDigit`.
fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && is_other_digit(character))
}

/// Decimal digits (Unicode category Nd) outside of ASCII come in runs of ten.
fn is_other_digit(character: char) -> bool {
    const ZEROS: &[u32] = &[
        0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6,
        0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
        0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
        0xFF10,
    ];
    let code = u32::from(character);
    ZEROS.iter().any(|zero| (*zero..zero + 10).contains(&code))
}
