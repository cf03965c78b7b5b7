//! Laws that hold for any input.

use gitops_core::go;
use proptest::prelude::*;

use super::{
    dates::Time,
    encoding::{Alphabet, decode_base, encode_base},
    regex,
};

proptest! {
    #[test]
    fn what_is_encoded_can_be_decoded(data: Vec<u8>) {
        for alphabet in [Alphabet::Base64, Alphabet::Base32] {
            let text = encode_base(alphabet, &data);
            prop_assert_eq!(decode_base(alphabet, text.as_bytes()), Ok(data.clone()));
        }
    }

    #[test]
    fn decoders_do_not_panic(data: Vec<u8>) {
        let _ = decode_base(Alphabet::Base64, &data);
        let _ = decode_base(Alphabet::Base32, &data);
    }

    #[test]
    fn patterns_are_compiled_or_refused(pattern in "\\PC*", text in "\\PC*") {
        regex::try_out(&pattern, &text);
    }

    #[test]
    fn patterns_of_odd_characters(pattern in r"[a-c\\\[\](){}|*+?.^$:<>P=!,0-9dwsbBzAQEpxi -]{0,24}") {
        regex::try_out(&pattern, "a1 b{2}\n\u{e9}");
    }

    #[test]
    fn quoted_text_is_matched(text in "\\PC*") {
        prop_assert!(regex::matches_itself(&text));
    }

    #[test]
    fn moments_survive_arithmetic(
        seconds in -60_000_000_000_i64..250_000_000_000,
        nanoseconds in 0_u32..1_000_000_000,
        by in any::<i64>(),
    ) {
        let time = Time::unix(seconds, nanoseconds);
        let moved = time.add(go::Duration(by));
        prop_assert_eq!(moved.since(&time), go::Duration(by));
        let civil = time.civil();
        prop_assert_eq!(Time::utc(civil, nanoseconds).unix_seconds(), seconds);
    }

    #[test]
    fn layouts_do_not_panic(layout in "\\PC*", text in "\\PC*", seconds: i32) {
        let formatted = Time::unix(i64::from(seconds), 1).format(&layout);
        let _ = super::dates::parsed_in(&layout, &formatted, None);
        let _ = super::dates::parsed_in(&layout, &text, None);
    }

    #[test]
    fn durations_survive_their_text(nanoseconds: i64) {
        let duration = go::Duration(nanoseconds);
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }
}
