//! Text for people: tables, and names that came from a CRM made harmless for a terminal.

use std::fmt::Write as _;

use serde_json::Value;

/// Text from a CRM without anything that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi(c) { '\u{fffd}' } else { c }).collect()
}

/// Characters that turn the direction of what follows.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// A field of a JSON row as a person reads it; empty for null.
pub(super) fn cell(row: &Value, key: &str) -> String {
    match &row[key] {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// A time without its fraction: `2026-11-25 02:24:52`.
pub(super) fn time(row: &Value, key: &str) -> String {
    cell(row, key).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// Columns as wide as they need to be, at most `MOST` characters each.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    const MOST: usize = 48;
    let cut = |text: &str| -> String {
        if text.chars().count() <= MOST {
            text.to_owned()
        } else {
            text.chars().take(MOST - 1).chain(['…']).collect()
        }
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|text| cut(text)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            // Formatting pads by characters, so Cyrillic lines up too.
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(head);
    for row in &rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}

/// `1 record`, `2 records`.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_do_nothing_to_a_terminal() {
        for hostile in ["\u{1b}[2J", "a\rb", "\u{9b}31m", "x\u{202e}y", "bell\u{7}", "line\nbreak"] {
            let shown = plain(hostile);
            assert!(!shown.chars().any(|c| c.is_control() || is_bidi(c)), "{shown:?}");
        }
        assert_eq!(plain("Анна Serova-Ли"), "Анна Serova-Ли");
    }

    #[test]
    fn columns_line_up_in_any_script() {
        let rows = [vec!["Анна".to_owned(), "1".to_owned()], vec!["Bo".to_owned(), "22".to_owned()]];
        let text = table(&["NAME", "N"], &rows);
        assert_eq!(text, "NAME  N\nАнна  1\nBo    22\n");
    }
}
