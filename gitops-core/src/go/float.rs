//! The shortest text of a float.

/// The fewest digits that read as the number, as in `1.5e0`. Of two that are equally near, Go takes the
/// even one, and Rust the greater.
///
/// ```
/// use gitops_core::go::shortest;
///
/// assert_eq!(shortest(1.5), "1.5e0");
/// assert_eq!(shortest(900719925474099.25), "9.007199254740992e14");
/// ```
#[must_use]
pub fn shortest(value: f64) -> String {
    /// Texts of fewer digits are never equally near.
    const FEWEST: usize = 15;
    let text = format!("{value:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    if digits < FEWEST {
        return text;
    }
    let rounded = format!("{value:.*e}", digits - 1);
    if rounded.parse() == Ok(value) {
        rounded
    } else {
        text
    }
}
