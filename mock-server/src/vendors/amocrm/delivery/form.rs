//! Bodies of webhooks: PHP's bracketed names, every value a string (§6.2).

use std::collections::HashMap;

use form_urlencoded::Serializer;
use serde_json::Value;

use crate::world::ACCOUNT_ID;
use crate::world::hooks::Hook;

/// One body for all these items: `leads[delete][0][id]=…&leads[delete][1][id]=…&account[…]=…`.
pub fn body<'a>(hooks: impl IntoIterator<Item = &'a Hook>) -> String {
    let mut form = Serializer::new(String::new());
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for hook in hooks {
        let count = counts.entry((hook.root, hook.action)).or_default();
        append(&mut form, &format!("{}[{}][{count}]", hook.root, hook.action), &hook.item);
        *count += 1;
    }
    form.append_pair("account[subdomain]", "acme");
    form.append_pair("account[id]", &ACCOUNT_ID.to_string());
    form.append_pair("account[_links][self]", "https://acme.amocrm.ru");
    form.finish()
}

fn append(form: &mut Serializer<'_, String>, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| append(form, &format!("{name}[{key}]"), value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| append(form, &format!("{name}[{index}]"), value));
        }
        Value::Null => _ = form.append_pair(name, ""),
        Value::Bool(yes) => _ = form.append_pair(name, if *yes { "1" } else { "0" }),
        Value::Number(number) => _ = form.append_pair(name, &number.to_string()),
        Value::String(text) => _ = form.append_pair(name, text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_of_one_kind_are_numbered() {
        let hook = |id: u64| Hook {
            setting: "delete_lead".to_owned(),
            root: "leads",
            action: "delete",
            item: json!({"id": id, "tags": [], "custom_fields": [{"values": [{"value": null}]}]}),
        };
        let text = body(&[hook(5), hook(6)]);
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("leads[delete][0][id]"), Some("5"));
        assert_eq!(value("leads[delete][1][id]"), Some("6"));
        assert_eq!(value("leads[delete][1][custom_fields][0][values][0][value]"), Some(""));
        assert_eq!(value("account[subdomain]"), Some("acme"));
    }
}
