//! What an entry can be found by, and what a query asks for.

use std::collections::BTreeSet;

use super::filter::{Filter, ID, PHONE, WORD, pairs, probe};
use crate::domain::record::Snapshot;

/// Fewer digits at its end than this do not tell a phone number.
const DIGITS: usize = 4;

/// What a snapshot can be found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    words: BTreeSet<String>,
    /// Last digit first: an end becomes a beginning.
    phones: BTreeSet<String>,
    id: String,
}

fn plain(text: &str) -> String {
    text.to_lowercase().replace('ё', "е")
}

fn digits_backwards(text: &str) -> String {
    text.chars().rev().filter(char::is_ascii_digit).collect()
}

/// The whole word without punctuation around it, and the words it is joined from.
fn words_of(text: &str) -> impl Iterator<Item = String> {
    let text = plain(text);
    let mut words = Vec::new();
    for whole in text.split_whitespace() {
        words.push(whole.trim_matches(|c: char| !c.is_alphanumeric()).to_owned());
        words.extend(whole.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
    }
    words.into_iter().filter(|word| !word.is_empty())
}

impl Tokens {
    /// Of a snapshot.
    pub fn of(snapshot: &Snapshot) -> Self {
        let keys = &snapshot.keys;
        let mut words: BTreeSet<String> = words_of(&snapshot.title).collect();
        words.extend(keys.names.iter().flat_map(|name| words_of(name)));
        for email in &keys.emails {
            let email = plain(email.trim());
            words.extend(email.split_once('@').map(|(_, domain)| domain.to_owned()));
            words.insert(email);
        }
        words.remove("");
        let phones = keys.phones.iter().map(|phone| digits_backwards(phone)).filter(|phone| phone.len() >= DIGITS);
        Self { words, phones: phones.collect(), id: plain(&snapshot.of.id) }
    }

    /// As one text, each token behind the letter of its kind.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(128);
        let kinds = [(WORD, &self.words), (PHONE, &self.phones)];
        let tokens = kinds.into_iter().flat_map(|(kind, tokens)| tokens.iter().map(move |token| (kind, token)));
        for (kind, token) in tokens.chain([(ID, &self.id)]) {
            text.push(kind);
            // Nobody searches for the letters that stand between tokens.
            text.extend(token.chars().filter(|c| *c > ID));
        }
        text
    }
}

/// What a person is looking for. Every word has to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<Wanted>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    word: String,
    /// Empty: it is no phone number.
    phone: String,
}

impl Query {
    /// From the text of a person.
    pub fn parse(text: &str) -> Self {
        let text = plain(text);
        let dialed = |text: &str| text.chars().all(|c| c.is_ascii_digit() || " \u{a0}+-().".contains(c));
        let phone = digits_backwards(&text);
        if dialed(&text) && phone.len() >= DIGITS {
            return Self(vec![Wanted { word: text.trim().to_owned(), phone }]);
        }
        let wanted = text.split_whitespace().map(|word| Wanted {
            word: word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned(),
            phone: Some(word)
                .filter(|word| dialed(word))
                .map(digits_backwards)
                .filter(|p| p.len() >= DIGITS)
                .unwrap_or_default(),
        });
        Self(wanted.filter(|wanted| !wanted.word.is_empty()).collect())
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What text to look for.
    pub fn needles(&self) -> Needles {
        let needles = self.0.iter().map(|Wanted { word, phone }| {
            let phone = (!phone.is_empty()).then(|| (format!("{PHONE}{phone}"), probe(PHONE, phone)));
            Needle {
                word: format!("{WORD}{word}"),
                id: format!("{ID}{word}"),
                // A word that is too short for the filter may be anywhere.
                probes: probe(WORD, word).into_iter().chain(probe(ID, word)).collect(),
                blind: probe(WORD, word).is_none() || phone.as_ref().is_some_and(|phone| phone.1.is_none()),
                phone,
            }
        });
        // What may also be a phone number need not be among the words.
        let words: Vec<&str> = self.0.iter().filter(|it| it.phone.is_empty()).map(|it| it.word.as_str()).collect();
        Needles { all: needles.collect(), pairs: pairs(&words) }
    }
}

/// A query, ready to be compared with many texts.
#[derive(Clone, Debug)]
pub struct Needles {
    all: Vec<Needle>,
    pairs: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Needle {
    word: String,
    id: String,
    phone: Option<(String, Option<u64>)>,
    probes: Vec<u64>,
    blind: bool,
}

impl Needles {
    /// Whether entries with this text match.
    pub fn matches(&self, text: &str) -> bool {
        self.all.iter().all(|needle| {
            text.ends_with(needle.id.as_str())
                || text.contains(needle.word.as_str())
                || needle.phone.as_ref().is_some_and(|(phone, _)| text.contains(phone.as_str()))
        })
    }

    /// Whether an entry among those of the filter may match.
    pub fn may(&self, filter: &Filter) -> bool {
        let each = self.all.iter().all(|needle| {
            let phone = needle.phone.as_ref().and_then(|(_, probe)| *probe);
            needle.blind || needle.probes.iter().copied().chain(phone).any(|probe| filter.may(probe))
        });
        each && self.pairs.iter().all(|pair| filter.may_both(*pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_lets_through_whatever_matches() {
        let tokens = Tokens {
            words: ["anna", "serova", "anna.serova@example.com", "артем"].map(str::to_owned).into(),
            phones: ["76543216197".to_owned()].into(),
            id: "2001".into(),
        };
        let text = tokens.text();
        let filter = Filter::of([text.as_bytes()].into_iter());
        for q in ["anna", "an", "serova", "anna.serova@exa", "1234567", "+7 916 123 45 67", "2001", "арт", "anna 4567"]
        {
            let needles = Query::parse(q).needles();
            assert!(needles.matches(&text) && needles.may(&filter), "{q}");
        }
        for q in ["boris", "200", "annas", "7654321", "anna boris"] {
            assert!(!Query::parse(q).needles().matches(&text), "{q}");
        }
        // Words that are there, but in different texts.
        let texts = ["\u{1}anna\u{1}serova\u{3}1", "\u{1}boris\u{1}kranova\u{3}2001"];
        let filter = Filter::of(texts.iter().map(|text| text.as_bytes()));
        for (q, may) in [("anna serova", true), ("anna kran", false), ("kran 2001", true), ("anna bor", true)] {
            assert_eq!(Query::parse(q).needles().may(&filter), may, "{q}");
        }
        let others = (0..1_000).filter(|n| Query::parse(&format!("other{n}")).needles().may(&filter)).count();
        assert!(others < 100, "{others}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_that_matches_is_passed_over(
            texts in proptest::collection::vec(("[ab]{3,6}( [abй1]{3,6}){0,9}", "[ab]{0,2}[0-9ab]{3,5}"), 1..6),
            q in "[abй1]{2,5}( [ab1й]{2,5}){0,3}",
        ) {
            let texts: Vec<String> = texts
                .into_iter()
                .map(|(words, id)| Tokens { words: words_of(&words).collect(), phones: BTreeSet::new(), id }.text())
                .collect();
            let filter = Filter::of(texts.iter().map(String::as_bytes));
            let needles = Query::parse(&q).needles();
            if texts.iter().any(|text| needles.matches(text)) {
                proptest::prop_assert!(needles.may(&filter));
            }
        }
    }
}
