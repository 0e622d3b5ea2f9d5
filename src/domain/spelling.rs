//! What a text may become on its way: a server may decode it once more than it was written for, and drop what it does
//! not like. Who looks for a word looks here first.

/// Times a text is decoded at most; more than any server does.
const ROUNDS: usize = 8;

/// Percent-decoded until nothing is left to decode, control characters dropped: what is dropped between two characters
/// may leave an escape behind (`%%0964` is `%64` then). Percent signs that remain are harmless. Nothing if there is no
/// end to it after 8 rounds.
pub fn decoded(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let next = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
        let next: String = next.chars().filter(|char| !char.is_control()).collect();
        if next == text {
            return Some(text);
        }
        text = next;
    }
    None
}

/// What is left of a name when everything is dropped that somebody might drop: ASCII letters, in lower case, digits and
/// underscores.
pub fn letters(name: &str) -> String {
    let kept = name.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_');
    kept.map(|char| char.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_to_its_end() {
        for (text, end) in [
            ("", ""),
            ("a b", "a b"),
            ("%64elete", "delete"),
            ("%2564elete", "delete"),
            ("%%0964elete", "delete"),
            ("del\u{85}ete\r\n", "delete"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%D0%B8", "и"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(end), "{text}");
        }
        assert_eq!(decoded(&format!("%{}64", "25".repeat(ROUNDS))), None);
    }

    #[test]
    fn only_letters_digits_and_underscores_are_left_of_a_name() {
        for (name, left) in [("ID", "id"), (" Request\n", "request"), ("_method\0", "_method"), ("i\u{a0}d.", "id")] {
            assert_eq!(letters(name), left);
        }
    }
}
