//! PHP-style bracket parameters: `filter[id][]=1&filter[updated_at][from]=5`, in queries and in form bodies alike.

use std::borrow::Cow;

/// Decoded pairs in the order they came; repeats are kept.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

/// A filter such as `filter[updated_at][from]=1&filter[updated_at][to]=2`, or one exact value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub from: Option<i64>,
    pub to: Option<i64>,
}

impl Range {
    pub fn holds(self, value: i64) -> bool {
        self.from.is_none_or(|from| value >= from) && self.to.is_none_or(|to| value <= to)
    }
}

impl Query {
    pub fn parse(text: &[u8]) -> Self {
        let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
        Self { pairs: form_urlencoded::parse(text).map(owned).collect() }
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The last value of exactly this name, as PHP has it.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Values of `name`, `name[]` and `name[<index>]`, in order.
    pub fn many<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.pairs.iter().filter(move |(key, _)| list_member(key, name)).map(|(_, value)| value.as_str())
    }

    /// `None` if the parameter is absent. Values that are not numbers are dropped: they match nothing.
    pub fn numbers(&self, name: &str) -> Option<Vec<i64>> {
        let mut present = false;
        let mut numbers = Vec::new();
        for value in self.many(name) {
            present = true;
            numbers.extend(value.trim().parse::<i64>().ok());
        }
        present.then_some(numbers)
    }

    pub fn words<'a>(&'a self, name: &str) -> Option<Vec<&'a str>> {
        let words: Vec<&'a str> = self.many(name).collect();
        (!words.is_empty()).then_some(words)
    }

    pub fn range(&self, name: &str) -> Option<Range> {
        let number = |key: &str| self.one(key).and_then(|value| value.trim().parse().ok());
        if let Some(exact) = number(name) {
            return Some(Range { from: Some(exact), to: Some(exact) });
        }
        let range = Range { from: number(&format!("{name}[from]")), to: number(&format!("{name}[to]")) };
        (range != Range::default()).then_some(range)
    }

    /// The indexes used in `name[<index>]…`, each once, in order.
    pub fn indexes(&self, name: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (key, _) in &self.pairs {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('[')) else { continue };
            let Some((index, _)) = rest.split_once(']') else { continue };
            if !found.iter().any(|seen| seen == index) {
                found.push(index.to_owned());
            }
        }
        found
    }

    /// The comma list of `with`, also as `with[]`.
    pub fn with(&self) -> impl Iterator<Item = &str> {
        self.many("with").flat_map(|list| list.split(',')).map(str::trim)
    }

    pub fn asks_with(&self, word: &str) -> bool {
        self.with().any(|asked| asked == word)
    }

    /// `order[field]=asc|desc`: the first one given.
    pub fn order(&self) -> Option<(&str, bool)> {
        self.pairs.iter().find_map(|(key, value)| {
            let field = key.strip_prefix("order[")?.strip_suffix(']')?;
            Some((field, value.eq_ignore_ascii_case("desc")))
        })
    }
}

fn list_member(key: &str, name: &str) -> bool {
    let Some(rest) = key.strip_prefix(name) else { return false };
    if rest.is_empty() {
        return true;
    }
    let Some(index) = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    index.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_every_spelling_php_knows() {
        let query = Query::parse(b"ID%5B%5D=5&ID[1]=6&ID=7&ID[a]=8");
        assert_eq!(query.numbers("ID"), Some(vec![5, 6, 7]));
        assert_eq!(query.numbers("absent"), None);
    }

    #[test]
    fn ranges_may_be_open_or_exact() {
        let query = Query::parse(b"filter[updated_at][from]=5&filter[created_at]=7");
        assert_eq!(query.range("filter[updated_at]"), Some(Range { from: Some(5), to: None }));
        assert_eq!(query.range("filter[created_at]"), Some(Range { from: Some(7), to: Some(7) }));
        assert_eq!(query.range("filter[closed_at]"), None);
    }
}
