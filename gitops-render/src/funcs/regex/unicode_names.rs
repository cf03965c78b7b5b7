//! The names that Go accepts in `\p{…}`: general categories, their long names, and those scripts whose
//! name is a single word.

/// The crate `regex`'s name for a name of Go without spaces, underscores and hyphens, in lower case but
/// for the first letter.
pub(super) fn resolve(canonical: &str) -> Option<&'static str> {
    if let Ok(index) = SAME.binary_search(&canonical) {
        return Some(SAME[index]);
    }
    OTHER
        .binary_search_by_key(&canonical, |&(name, _)| name)
        .ok()
        .map(|index| OTHER[index].1)
}

#[rustfmt::skip]
const SAME: &[&str] = &[
    "Adlam", "Ahom", "Any", "Arabic", "Armenian", "Assigned", "Avestan", "Balinese", "Bamum",
    "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "C",
    "Carian", "Cc", "Cf", "Chakma", "Cham", "Cherokee", "Chorasmian", "Cn", "Co", "Common",
    "Coptic", "Cs", "Cuneiform", "Cypriot", "Cyrillic", "Deseret", "Devanagari", "Dogra",
    "Duployan", "Elbasan", "Elymaic", "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha",
    "Greek", "Gujarati", "Gurmukhi", "Han", "Hangul", "Hanunoo", "Hatran", "Hebrew", "Hiragana",
    "Inherited", "Javanese", "Kaithi", "Kannada", "Katakana", "Kawi", "Kharoshthi", "Khmer",
    "Khojki", "Khudawadi", "L", "Lao", "Latin", "Lepcha", "Limbu", "Lisu", "Ll", "Lm", "Lo", "Lt",
    "Lu", "Lycian", "Lydian", "M", "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean",
    "Marchen", "Mc", "Me", "Medefaidrin", "Miao", "Mn", "Modi", "Mongolian", "Mro", "Multani",
    "Myanmar", "N", "Nabataean", "Nandinagari", "Nd", "Newa", "Nko", "Nl", "No", "Nushu", "Ogham",
    "Oriya", "Osage", "Osmanya", "P", "Palmyrene", "Pc", "Pd", "Pe", "Pf", "Phoenician", "Pi",
    "Po", "Ps", "Rejang", "Runic", "S", "Samaritan", "Saurashtra", "Sc", "Sharada", "Shavian",
    "Siddham", "Sinhala", "Sk", "Sm", "So", "Sogdian", "Soyombo", "Sundanese", "Syriac",
    "Tagalog", "Tagbanwa", "Takri", "Tamil", "Tangsa", "Tangut", "Telugu", "Thaana", "Thai",
    "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi", "Wancho", "Yezidi",
    "Yi", "Z", "Zl", "Zp", "Zs",
];

#[rustfmt::skip]
const OTHER: &[(&str, &str)] = &[
    ("Ascii", "ASCII"), ("Casedletter", "LC"), ("Closepunctuation", "Pe"), ("Cntrl", "Cc"),
    ("Combiningmark", "M"), ("Connectorpunctuation", "Pc"), ("Control", "Cc"),
    ("Currencysymbol", "Sc"), ("Dashpunctuation", "Pd"), ("Decimalnumber", "Nd"), ("Digit", "Nd"),
    ("Enclosingmark", "Me"), ("Finalpunctuation", "Pf"), ("Format", "Cf"),
    ("Initialpunctuation", "Pi"), ("Lc", "LC"), ("Letter", "L"), ("Letternumber", "Nl"),
    ("Lineseparator", "Zl"), ("Lowercaseletter", "Ll"), ("Mark", "M"), ("Mathsymbol", "Sm"),
    ("Modifierletter", "Lm"), ("Modifiersymbol", "Sk"), ("Nonspacingmark", "Mn"), ("Number", "N"),
    ("Openpunctuation", "Ps"), ("Other", "C"), ("Otherletter", "Lo"), ("Othernumber", "No"),
    ("Otherpunctuation", "Po"), ("Othersymbol", "So"), ("Paragraphseparator", "Zp"),
    ("Privateuse", "Co"), ("Punct", "P"), ("Punctuation", "P"), ("Separator", "Z"),
    ("Spaceseparator", "Zs"), ("Spacingmark", "Mc"), ("Surrogate", "Cs"), ("Symbol", "S"),
    ("Titlecaseletter", "Lt"), ("Unassigned", "Cn"), ("Uppercaseletter", "Lu"),
];
