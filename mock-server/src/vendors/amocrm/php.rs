//! Bodies of the private routes: forms with bracketed names, or JSON. Both become one tree.

use serde_json::{Map, Value};

use super::validate::id_number;
use crate::query::Query;
use crate::request::Request;

/// The body as a tree; `json` says whether JSON is understood at all. What was declared does not matter: JSON with a
/// form's content type is seen in the wild.
pub fn body(request: &Request, json: bool) -> Value {
    let looks_like_json = request.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if looks_like_json {
        return request.json().filter(|_| json).unwrap_or_default();
    }
    tree(&request.form())
}

/// `request[x][delete][]=5` as `{"request": {"x": {"delete": {"0": "5"}}}}`. Lists stay objects with indexes for keys.
pub fn tree(form: &Query) -> Value {
    let mut root = Map::new();
    for (name, value) in form.pairs() {
        let (head, rest) = name.find('[').map_or((name.as_str(), ""), |at| name.split_at(at));
        let mut keys = vec![head];
        keys.extend(rest.split('[').skip(1).map(|key| key.trim_end_matches(']')));
        insert(&mut root, &keys, value);
    }
    Value::Object(root)
}

fn insert(into: &mut Map<String, Value>, keys: &[&str], value: &str) {
    let Some((key, rest)) = keys.split_first() else { return };
    let key = if key.is_empty() { into.len().to_string() } else { (*key).to_owned() };
    if rest.is_empty() {
        into.insert(key, Value::String(value.to_owned()));
        return;
    }
    let branch = into.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !branch.is_object() {
        *branch = Value::Object(Map::new());
    }
    if let Some(branch) = branch.as_object_mut() {
        insert(branch, rest, value);
    }
}

/// The value at a path of keys.
pub fn at<'a>(tree: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |branch, key| branch.get(*key))
}

/// Ids in every shape clients use: `5`, `"5"`, `[5, "6"]`, `[{"id": 5}]`, `{"0": "5"}`.
pub fn ids(value: Option<&Value>) -> Vec<u64> {
    let one = |item: &Value| id_number(item).or_else(|| item.get("id").and_then(id_number));
    let mut ids: Vec<u64> = match value {
        Some(Value::Array(items)) => items.iter().filter_map(one).collect(),
        Some(Value::Object(items)) if !items.contains_key("id") => items.values().filter_map(one).collect(),
        Some(item) => one(item).into_iter().collect(),
        None => Vec::new(),
    };
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

pub fn is_list(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_json_name_the_same_ids() {
        let form = |text: &str| tree(&Query::parse(text.as_bytes()));
        assert_eq!(ids(form("ID[]=5&ACTION=DELETE&ID[]=6").get("ID")), [5, 6]);
        assert_eq!(ids(form("ID=5").get("ID")), [5]);
        assert_eq!(ids(form("ID%5B0%5D=5").get("ID")), [5]);
        assert_eq!(ids(at(&form("request[x][delete][]=7"), &["request", "x", "delete"])), [7]);
        assert_eq!(ids(Some(&serde_json::json!([{"id": 5}, "6", 6]))), [5, 6]);
    }
}
