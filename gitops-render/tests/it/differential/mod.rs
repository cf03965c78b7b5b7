//! Generated expressions, flags and charts beside the real engines of Helm 3 and Helm 4.
//!
//! Build the peer and run as many comparisons as time allows; a seed gives the same cases everywhere:
//!
//! ```sh
//! (cd benches/peers/expressions && go build -o /tmp/expressions-peer .)
//! GITOPS_EXPRESSIONS_PEER=/tmp/expressions-peer GITOPS_COUNT=200000 GITOPS_SEED=1 \
//!     cargo test -p gitops-render --test it differential -- --ignored --nocapture
//! ```
//!
//! Where the answers differ, the real engine is asked again: it ranges over maps in random order, and what
//! is found must be one of its answers. Addresses that Go prints count as equal.
//!
//! `GITOPS_CASE=N` repeats case N of a seed alone and prints it; `GITOPS_EXPRESSIONS=FILE` compares the
//! expressions of a file instead, one a line, as a text of JSON where it needs more than one. Differences are written to
//! `target/corpus/helm-differential-seed-N.failures`.

mod chapters;
mod charts;
mod expressions;
mod flags;
mod formats;
mod manifests;
mod objects;
mod peer;
mod random;
mod syntax;
mod texts;

use std::collections::BTreeMap;

use gitops_render::helm::{Chart, Helm, Profile};
use serde_json::{Value as Json, json};

use self::{
    charts::ChartCase,
    expressions::Generator,
    peer::{Answer, Peer, exact},
    random::Random,
};
use crate::{
    corpus::Score,
    corpus_expressions::{Case, chart, helm, render_bytes},
};

/// One comparison, to be made with both Helms.
enum Question {
    Expression(String, Json),
    Chart(Box<ChartCase>),
}

impl Question {
    /// The question of an index: the index alone decides, so that each can be repeated.
    fn new(seed: u64, index: u64) -> (&'static str, Self) {
        let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ index);
        match random.below(100) {
            0..4 => ("charts", Self::Chart(Box::new(charts::chart(random)))),
            4..10 => ("flags", Self::Chart(Box::new(flags::chart(random)))),
            part => {
                let mut generator = Generator::new(random);
                let values = generator.values(0);
                let (kind, expression) = match part {
                    10..38 => ("chapters", generator.chapters()),
                    38..46 => ("syntax", syntax::template(&mut generator.random)),
                    46..52 => ("formats", formats::template(&mut generator.random)),
                    52..60 => ("objects", objects::template(&mut generator.random)),
                    _ => ("expressions", generator.expression()),
                };
                (kind, Self::Expression(expression, values))
            }
        }
    }
}

/// One of the two Helms, and the peer that has it.
struct Side {
    version: u8,
    helm: Helm,
    profile: Profile,
}

impl Side {
    fn new(version: u8, profile: Profile) -> Self {
        Self {
            version,
            helm: helm(profile.clone()),
            profile,
        }
    }

    /// What the two sides say to a question; `None` where the real engine came to an end.
    fn ask(
        &self,
        question: &Question,
        peer: &mut Peer,
        chart: &mut Chart,
    ) -> Option<(Answer, Answer)> {
        match question {
            Question::Expression(expression, values) => {
                let request = json!({"helm": self.version, "expr": expression, "values": values});
                let expected = peer.ask(&request)?;
                let case = Case::of(expression, values);
                let found = render_bytes(&self.helm, chart, &case).map(|bytes| exact(&bytes));
                Some((expected, found))
            }
            Question::Chart(case) => {
                let folder = tempfile::tempdir().unwrap();
                case.write(folder.path());
                let expected = peer.ask(&case.request(self.version, folder.path()))?;
                let found = case.render(&self.profile, folder.path());
                let place = folder.path().display().to_string();
                let shown = |answer: Answer| match answer {
                    Ok(text) => Ok(text.replace(&place, "{{PLACE}}")),
                    Err(text) => Err(text.replace(&place, "{{PLACE}}")),
                };
                Some((shown(expected), shown(found)))
            }
        }
    }
}

/// Addresses, which Go prints for some pointers, made equal.
fn without_addresses(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        shown.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        let digits = rest.chars().take_while(char::is_ascii_hexdigit).count();
        if digits >= 8 {
            shown.push_str("0xADDRESS");
            rest = &rest[digits..];
        } else {
            shown.push_str("0x");
        }
    }
    shown + rest
}

/// The address of the time zone UTC in the peer, which Go prints in every base.
fn address_of_utc(peer: &mut Peer) -> u64 {
    let asked = "{{ printf \"%d\" (toDate \"2006-01-02\" \"2024-05-06\") }}";
    let answer = peer.ask(&json!({"helm": 4, "expr": asked, "values": {}}));
    answer
        .and_then(Result::ok)
        .and_then(|text| text.trim_end_matches('}').rsplit(' ').next()?.parse().ok())
        .expect("the fields of a time")
}

/// The address that this side prints.
const OURS: u64 = 0xc0_0000_0000;

/// An address in all bases.
fn forms(address: u64) -> [String; 5] {
    [
        format!("{address:b}"),
        format!("{address:o}"),
        address.to_string(),
        format!("{address:x}"),
        format!("{address:X}"),
    ]
}

/// A text with that address as this side has it.
fn with_our_address(text: &str, address: u64) -> String {
    forms(address)
        .iter()
        .zip(forms(OURS))
        .fold(text.to_owned(), |text, (theirs, ours)| {
            text.replace(theirs, &ours)
        })
}

/// Whether a text is ours but for numbers in the places of our address, and what pads them.
fn has_addresses(mut expected: &str, found: &str) -> bool {
    const PADS: [char; 2] = [' ', '0'];
    let forms = forms(OURS);
    let next = |text: &str| {
        let places = forms.iter().filter_map(|form| text.find(form.as_str()));
        places.min()
    };
    let mut rest = found;
    while let Some(at) = next(rest) {
        let part = rest[..at].trim_matches(PADS);
        let Some(after) = expected.trim_start_matches(PADS).strip_prefix(part) else {
            return false;
        };
        expected = after
            .trim_start_matches(PADS)
            .trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let is_digit = |c: char| c.is_ascii_hexdigit();
        rest = rest[at..].trim_start_matches(is_digit);
    }
    rest.len() < found.len() && expected.trim_matches(PADS) == rest.trim_matches(PADS)
}

/// Whether two texts are one but for addresses.
fn is_same(expected: &str, found: &str, address: u64) -> bool {
    if expected == found || without_addresses(expected) == without_addresses(found) {
        return true;
    }
    if expected.contains("specifications of the schema") {
        // Go ranges over properties in random order.
        let lines = |text: &str| {
            let mut lines: Vec<Vec<String>> = text
                .lines()
                .map(|line| {
                    let mut parts: Vec<_> = line.split([' ', ',']).map(str::to_owned).collect();
                    parts.sort_unstable();
                    parts
                })
                .collect();
            lines.sort_unstable();
            lines
        };
        return lines(expected) == lines(found);
    }
    // An address that is longer leaves less to pad.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    if has_addresses(&words(expected), &words(found)) {
        return true;
    }
    let replaced = with_our_address(expected, address);
    replaced != expected && words(&without_addresses(&replaced)) == words(&without_addresses(found))
}

/// How often the real engine is asked again whether it always says what it said.
const AGAIN: usize = 16;

/// Whether the engine itself failed: such a text is Go's own, and no chart can count on it.
fn is_crash(expected: &Answer) -> bool {
    matches!(expected, Err(text) if text.starts_with("panic: "))
}

#[test]
#[ignore = "needs the peer, see above"]
fn differential() {
    let setting = |name: &str| std::env::var(name).ok();
    let number = |name: &str| setting(name).and_then(|text| text.parse::<u64>().ok());
    let program = setting("GITOPS_EXPRESSIONS_PEER").expect("GITOPS_EXPRESSIONS_PEER");
    let count = number("GITOPS_COUNT").unwrap_or(20_000);
    let seed = number("GITOPS_SEED").unwrap_or(1);
    let only = number("GITOPS_CASE");
    let family = setting("GITOPS_FAMILY");
    let mut peer = Peer::start(&program);
    let address = address_of_utc(&mut peer);
    let is_equal = |expected: &Answer, found: &Answer| match (expected, found) {
        (Ok(expected), Ok(found)) | (Err(expected), Err(found)) => {
            is_same(expected, found, address)
        }
        _ => false,
    };
    let mut chart = chart();
    let sides = [
        Side::new(3, Profile::helm_3_22()),
        Side::new(4, Profile::helm_4_3()),
    ];
    let mut score = Score::new(&format!("helm differential seed {seed}"));
    let mut families: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut compared, mut differences, mut crashes, mut varying) = (0, 0, 0, 0);
    let mut index = only.unwrap_or(0);
    let mut given = setting("GITOPS_EXPRESSIONS").map(|path| given(&path).into_iter());
    while compared < count {
        let (kind, question) = match &mut given {
            None => Question::new(seed, index),
            Some(given) => match given.next() {
                Some(question) => ("given", question),
                None => break,
            },
        };
        if family.as_deref().is_some_and(|family| family != kind) {
            index += 1;
            continue;
        }
        if only.is_some() {
            println!("{}", shown(&question));
        }
        for side in &sides {
            let Some((expected, found)) = side.ask(&question, &mut peer, &mut chart) else {
                crashes += 1;
                println!(
                    "the peer ended: {index:06} v{} {}",
                    side.version,
                    shown(&question)
                );
                continue;
            };
            if is_crash(&expected) {
                crashes += 1;
                continue;
            }
            compared += 1;
            let tally = families
                .entry(format!("{kind} v{}", side.version))
                .or_default();
            tally.0 += 1;
            let mut same = is_equal(&expected, &found);
            if !same {
                // Go ranges over maps in random order: one of its answers must be the one found.
                same = (0..AGAIN).any(|_| {
                    side.ask(&question, &mut peer, &mut chart)
                        .is_some_and(|(again, _)| is_equal(&again, &found))
                });
                varying += u64::from(same);
            }
            let result = if same {
                Ok(())
            } else {
                differences += 1;
                tally.1 += 1;
                Err(format!(
                    "{}\n  expected {expected:?}\n  found    {found:?}",
                    shown(&question)
                ))
            };
            score.record(&format!("{index:06} v{} {kind}", side.version), result);
        }
        index += 1;
        if only.is_some() {
            break;
        }
    }
    for (family, (compared, differences)) in families {
        println!("helm differential {family}: {compared} comparisons, {differences} differences");
    }
    println!("helm differential: the real engine gave several answers {varying} times");
    println!("helm differential: the real engine crashed {crashes} times");
    println!("helm differential: {compared} comparisons, {differences} differences, seed {seed}");
    assert!(score.report(), "some cases differ; see target/corpus");
}

/// The expressions of a file, over values of every kind.
fn given(path: &str) -> Vec<Question> {
    let values = json!({
        "a": 1, "b": "text", "c": [1, "x", null], "n": 2.5, "s": "Hello World", "l": ["a", "b"],
        "m": {"a": {"b": {"c": 1}}, "k": "v"}, "nul": null, "t": true, "e": "", "el": [], "em": {},
    });
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let expression = serde_json::from_str(line).unwrap_or_else(|_| line.to_owned());
            Question::Expression(expression, values.clone())
        })
        .collect()
}

fn shown(question: &Question) -> String {
    match question {
        Question::Expression(expression, values) => format!("{expression:?} {values}"),
        Question::Chart(case) => case.shown(),
    }
}
