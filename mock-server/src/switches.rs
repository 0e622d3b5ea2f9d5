//! The unverified behaviours of amoCRM, by name. A product must work with either value of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One switch: its default, what it may be, and the row of the fact sheet that leaves it open.
struct Switch {
    name: &'static str,
    default: Default,
    means: &'static str,
    row: &'static str,
}

#[derive(Clone, Copy)]
enum Default {
    Yes(bool),
    Number(u64),
    /// The first word is the default.
    Word(&'static [&'static str]),
}

const SWITCHES: &[Switch] = &[
    Switch {
        name: "mixed_batch",
        default: Default::Word(&["per_id", "all_or_nothing"]),
        means: "what a private multiple delete does when some of its ids are gone",
        row: "§3.2 details",
    },
    Switch {
        name: "bad_item_rejects_batch",
        default: Default::Yes(true),
        means: "one invalid item of a v4 batch: true creates nothing, false creates the others and still answers 400",
        row: "§1.6, §12.10",
    },
    Switch {
        name: "index_delay_ms",
        default: Default::Number(0),
        means: "for how long a record made through the API is missing in lists and filters (not by its id)",
        row: "reliability A6",
    },
    Switch {
        name: "json_on_private_routes",
        default: Default::Yes(true),
        means: "whether the private form routes understand JSON bodies",
        row: "§3.2 details, §12.3",
    },
    Switch {
        name: "require_x_requested_with",
        default: Default::Yes(false),
        means: "whether private routes answer 404 HTML without X-Requested-With: XMLHttpRequest",
        row: "§11, §12.3",
    },
    Switch {
        name: "paid_filters",
        default: Default::Yes(true),
        means: "false: filter[...] is ignored on leads, contacts, companies and customers",
        row: "§2.0, §12.12",
    },
    Switch {
        name: "create_lost_directly",
        default: Default::Word(&["allowed", "refused"]),
        means: "whether POST /leads takes status 143",
        row: "§2.1",
    },
    Switch {
        name: "cascade_bin",
        default: Default::Word(&["hide", "delete"]),
        means: "tasks and notes of a record in the bin: hidden with it and back with it, or deleted for good",
        row: "§3.7",
    },
    Switch {
        name: "duplicate_control",
        default: Default::Yes(true),
        means: "whether POST /leads/complex merges into what a contact with the same phone or e-mail has",
        row: "§2.1",
    },
    Switch {
        name: "second_company",
        default: Default::Word(&["replace", "refuse"]),
        means: "linking a second company to a lead, contact or customer",
        row: "§2.9",
    },
    Switch {
        name: "main_contact_after_delete",
        default: Default::Word(&["next", "none"]),
        means: "who is main when the main contact lies in the bin",
        row: "§3.7",
    },
    Switch {
        name: "legacy_routes",
        default: Default::Yes(true),
        means: "whether the deletes seen only in other people's code work: v2 bodies, multiactions, deals/delete.php",
        row: "§3.3",
    },
    Switch {
        name: "detail_route",
        default: Default::Word(&["deletes", "ignores"]),
        means: "what POST /contacts/detail/{id} with ACTION: DELETE does (ignores: 200 and no effect)",
        row: "§3.3, §12.2",
    },
    Switch {
        name: "patch_is_deleted",
        default: Default::Word(&["ignores", "deletes"]),
        means: "PATCH with is_deleted: true (ignores: 200 and no effect)",
        row: "§3.3",
    },
    Switch {
        name: "unknown_id",
        default: Default::Word(&["204", "404"]),
        means: "GET of one task, note, catalog or element that is not there",
        row: "§1.5",
    },
    Switch {
        name: "note_times",
        default: Default::Word(&["honored", "ignored"]),
        means: "created_at, created_by and the like on notes and catalog elements",
        row: "§2.5, §2.7, §12.8",
    },
    Switch {
        name: "updated_at_on_write",
        default: Default::Word(&["now", "honored"]),
        means: "updated_at and updated_by sent with a write",
        row: "§2.1, §12.8",
    },
    Switch {
        name: "private_language",
        default: Default::Word(&["ru", "en"]),
        means: "the language of the private routes' texts (the English ones are invented)",
        row: "§3.6, §12.14",
    },
    Switch {
        name: "repost_enables_webhook",
        default: Default::Yes(true),
        means: "whether POST /webhooks of a destination that was disabled enables it again",
        row: "§6.3",
    },
    Switch {
        name: "api_events_by",
        default: Default::Word(&["user", "zero"]),
        means: "created_by of events that integrations cause: the token's user, or 0",
        row: "§6.5",
    },
    Switch {
        name: "hooks_of_one_request",
        default: Default::Word(&["together", "apart"]),
        means: "whether what one request caused comes in one delivery, its items numbered, or in one each",
        row: "§6.2, §9.5",
    },
    Switch {
        name: "company_hook_root",
        default: Default::Word(&["contacts", "companies"]),
        means: "the root key of webhooks about companies",
        row: "§6.2",
    },
    Switch {
        name: "block_after_overruns",
        default: Default::Number(200),
        means: "how many 429 within a minute turn into HTML 403 for the whole account; 0: never",
        row: "§5",
    },
    Switch {
        name: "bin_retention_days",
        default: Default::Number(30),
        means: "after how many days of the account's clock the bin is purged; 0: never",
        row: "§4, §12.5",
    },
    Switch {
        name: "paging_fault",
        default: Default::Word(&["none", "repeat_page", "skip_row", "no_next", "endless_next", "foreign_next"]),
        means: "how lists betray the reader: every page is page 1; a row is lost; next missing; next never ends; next on another host",
        row: "§1.1, §2.0",
    },
    Switch {
        name: "old_access_after_refresh",
        default: Default::Word(&["revoked", "valid"]),
        means: "the access token that a refresh replaces",
        row: "§1.2",
    },
    Switch {
        name: "access_token_seconds",
        default: Default::Number(86_400),
        means: "for how long an access token is good that a code or a refresh token was exchanged for",
        row: "§1.2",
    },
    Switch {
        name: "lax",
        default: Default::Yes(false),
        means: "the most lenient server anybody could fear: paths, verbs, overrides and bodies read in every helpful way",
        row: "reliability F1-F4",
    },
    Switch {
        name: "unpaid",
        default: Default::Word(&["no", "writes", "all"]),
        means: "402 for writes, or for everything",
        row: "§1.5",
    },
];

#[derive(Clone, Debug)]
pub struct Switches {
    values: BTreeMap<&'static str, Value>,
}

impl std::default::Default for Switches {
    fn default() -> Self {
        Self { values: SWITCHES.iter().map(|switch| (switch.name, switch.default.value())).collect() }
    }
}

impl Default {
    fn value(self) -> Value {
        match self {
            Self::Yes(yes) => json!(yes),
            Self::Number(number) => json!(number),
            Self::Word(words) => json!(words.first()),
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Yes(_) => value.is_boolean(),
            Self::Number(_) => value.is_u64(),
            Self::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        }
    }

    fn choices(self) -> Value {
        match self {
            Self::Yes(_) => json!([true, false]),
            Self::Number(_) => json!("a number from 0"),
            Self::Word(words) => json!(words),
        }
    }
}

impl Switches {
    pub fn on(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn number(&self, name: &str) -> u64 {
        self.values.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether the switch stands at this word.
    pub fn is(&self, name: &str, word: &str) -> bool {
        self.values.get(name).and_then(Value::as_str) == Some(word)
    }

    /// Turns all that are named, or none; the error is one sentence for a person.
    pub fn turn(&mut self, wanted: &Value) -> Result<(), String> {
        let wanted = wanted.as_object().ok_or("the body is an object of switches by name")?;
        let mut turned = self.values.clone();
        for (name, value) in wanted {
            let switch = SWITCHES
                .iter()
                .find(|switch| switch.name == name)
                .ok_or_else(|| format!("there is no switch {name}; GET /_mock/switches lists them"))?;
            if !switch.default.accepts(value) {
                return Err(format!("{name} takes {}, not {value}", switch.default.choices()));
            }
            turned.insert(switch.name, value.clone());
        }
        self.values = turned;
        Ok(())
    }

    pub fn shown(&self) -> Value {
        let rows: Vec<Value> = SWITCHES
            .iter()
            .map(|switch| {
                json!({
                    "name": switch.name,
                    "value": self.values.get(switch.name),
                    "default": switch.default.value(),
                    "choices": switch.default.choices(),
                    "means": switch.means,
                    "row": switch.row,
                })
            })
            .collect();
        json!({"switches": rows})
    }
}
