//! Bytes that are no text, marked so that what is made for text can go through them and give them back.

/// The mark of byte 0, among characters that no text has use for.
const FIRST: u32 = 0xf_0000;

/// The byte that a character stands for in a text of [`marked`].
pub(crate) fn marked_byte(mark: char) -> Option<u8> {
    let byte = u32::from(mark).checked_sub(FIRST)?;
    u8::try_from(byte).ok().filter(|byte| !byte.is_ascii())
}

/// The bytes as text, those that are none marked.
pub(crate) fn marked(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let marks = chunk.invalid().iter();
        text.extend(marks.filter_map(|byte| char::from_u32(FIRST + u32::from(*byte))));
    }
    text
}

/// The bytes of which [`marked`] made the text.
pub(crate) fn unmarked(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match marked_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
