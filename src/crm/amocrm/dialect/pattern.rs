//! Path patterns: literal words; `{e}` a kind of card that has notes and links; `{card}` one with a trash; `{id}` a
//! decimal id; `{word}` anything. A slash at the end of a path is optional, as in the wild (§3.4).

use super::super::wire::numeric_id;

/// Kinds with notes, tags, files and links.
pub const ENTITIES: [&str; 4] = ["leads", "contacts", "companies", "customers"];
/// Kinds that the web pages delete through `multiple/delete`.
pub const CARDS: [&str; 3] = ["leads", "contacts", "companies"];

/// The words of a path; an optional last slash is no word.
pub fn words(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path).split('/').collect()
}

/// Whether the path has the pattern's shape; then what stood for its variables, in order.
pub fn captures<'a>(pattern: &str, path: &[&'a str]) -> Option<Vec<&'a str>> {
    let mut caught = Vec::new();
    let mut words = path.iter();
    for part in pattern.trim_start_matches('/').split('/') {
        let word = *words.next()?;
        let fits = match part {
            "{e}" => ENTITIES.contains(&word),
            "{card}" => CARDS.contains(&word),
            "{id}" => numeric_id(word).is_some(),
            "{word}" => !word.is_empty(),
            literal => {
                if literal != word {
                    return None;
                }
                continue;
            }
        };
        if !fits {
            return None;
        }
        caught.push(word);
    }
    words.next().is_none().then_some(caught)
}
