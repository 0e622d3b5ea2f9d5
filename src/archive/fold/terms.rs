//! What an entry can be found by, and what a query asks for.
//!
//! Of every token the beginnings of a few lengths are indexed, as keyed hashes; a query takes the longest that fits
//! and the rest is compared with the snapshot itself.

use std::collections::BTreeSet;

use super::keys::Term;
use crate::domain::record::Snapshot;

/// What terms are hashed with, so that an index without the key tells no names.
pub type Secret = [u8; 32];

/// Beginnings of words that are indexed, in characters.
const WORDS: &[usize] = &[2, 3, 5, 8];
/// Ends of phone numbers that are indexed, in digits.
const PHONES: &[usize] = &[4, 7];
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

    /// What is indexed of them.
    pub fn terms(&self, secret: &Secret) -> BTreeSet<Term> {
        let mut terms = BTreeSet::new();
        for word in &self.words {
            terms.extend(WORDS.iter().filter_map(|length| beginning(word, *length)).map(|it| term(secret, b'w', it)));
        }
        for phone in &self.phones {
            terms.extend(PHONES.iter().filter_map(|length| beginning(phone, *length)).map(|it| term(secret, b'p', it)));
        }
        terms.insert(term(secret, b'i', &self.id));
        terms
    }
}

/// The first `length` characters, if there are so many.
fn beginning(word: &str, length: usize) -> Option<&str> {
    let mut ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.nth(length - 1).map(|end| &word[..end])
}

fn longest<'a>(word: &'a str, lengths: &[usize]) -> Option<&'a str> {
    lengths.iter().rev().find_map(|length| beginning(word, *length))
}

fn term(secret: &Secret, kind: u8, text: &str) -> Term {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(&[kind]).update(text.as_bytes());
    *hasher.finalize().as_bytes().first_chunk().expect("six of 32 bytes")
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

    /// For each word, the terms of which an entry that matches has at least one. Words too short for that are not in it.
    pub fn terms(&self, secret: &Secret) -> Vec<Vec<Term>> {
        let wanted = self.0.iter().filter_map(|Wanted { word, phone }| {
            let mut terms = vec![term(secret, b'w', longest(word, WORDS)?), term(secret, b'i', word)];
            terms.extend(longest(phone, PHONES).map(|phone| term(secret, b'p', phone)));
            Some(terms)
        });
        wanted.collect()
    }

    /// Whether they match.
    pub fn matches(&self, tokens: &Tokens) -> bool {
        self.0.iter().all(|Wanted { word, phone }| {
            tokens.id == *word
                || tokens.words.iter().any(|token| token.starts_with(word.as_str()))
                || (!phone.is_empty() && tokens.phones.iter().any(|token| token.starts_with(phone.as_str())))
        })
    }
}
