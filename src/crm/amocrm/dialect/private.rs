//! Bodies of the web pages' own routes and of v2. Every word that says "delete" must be one that was read.

use std::collections::HashSet;

use super::ids::{self, PRIVATE};
use super::recognize::{destroy, of_kind};
use super::signatures::{Kind, Reads, Signature};
use super::tree::{Node, Tree};
use super::words;
use crate::domain::delete::DeleteIntent;
use crate::domain::record::RecordRef;

/// Words of `edit2.php` that delete nothing (§3.2, a captured page).
const EDITS: [&str; 5] = ["ADD_NOTE", "EDIT_NOTE", "ADD_TASK", "EDIT_TASK", "COMPLETE_TASK"];

/// Beginnings of names by which lists on the web pages are narrowed or widened. Beside ids they might select more than
/// what was archived; nobody knows what the CRM makes of them here.
const SELECTS: [&str; 7] = ["filter", "select", "all", "query", "search", "except", "exclude"];
/// What can be asked of one kind of record on the `set` routes.
const ASKS: [&str; 3] = ["add", "update", "delete"];

type Read = Result<Option<DeleteIntent>, String>;

/// What a body means on a known route.
pub fn read(signature: &'static Signature, caught: &[&str], tree: &Tree) -> Read {
    plain_names(tree)?;
    match signature.reads {
        Reads::Multiple => {
            let object = caught.first().copied().unwrap_or_default();
            if tree.get("ACTION").is_some() {
                action(tree, "DELETE")?;
            }
            by_id(signature.route, object, tree, usize::from(tree.get("ACTION").is_some()))
        }
        Reads::Edit2 => edit2(tree),
        Reads::Set(key, kind) => listed(signature.route, kind, tree, &["request", key, "delete"]),
        Reads::V2(kind) => listed(signature.route, kind, tree, &["delete"]),
        Reads::PipelineForm => {
            let id = tree.at(&["request", "id"]).ok_or("the request names no pipeline: send request[id]")?;
            no_more(tree, 0)?;
            let pipelines = Kind::SetUp("pipelines", "/api/v4/leads/pipelines/");
            Ok(Some(of_kind(signature.route, pipelines, &ids::ids(id, 1)?)))
        }
        Reads::Multiactions => multiactions(signature.route, tree),
        Reads::Deals => {
            action(tree, "DELETE")?;
            by_id(signature.route, "leads", tree, 1)
        }
        Reads::Detail => detail(signature.route, caught, tree),
        _ => Err("crm-undo cannot read this route".to_owned()),
    }
}

/// Names that somebody may take for others of the body: two that differ in case, or with letters that may be dropped.
fn plain_names(tree: &Tree) -> Result<(), String> {
    let mut seen = HashSet::new();
    let odd = |name: &str| !words::is_plain(name) || !seen.insert(name.to_ascii_lowercase());
    if tree.entries().iter().map(|(name, _)| name.as_str()).any(odd) {
        let how = "a name in the body is written in a way that programs read differently: use plain letters";
        return Err(how.to_owned());
    }
    tree.entries().iter().try_for_each(|(_, value)| plain_names(value))?;
    if let Node::List(items) = &tree.node { items.iter().try_for_each(plain_names) } else { Ok(()) }
}

fn by_id(route: &'static str, object: &str, tree: &Tree, words: usize) -> Read {
    no_more(tree, words)?;
    let selects = |key: &str| SELECTS.iter().any(|word| key.to_ascii_lowercase().trim_start().starts_with(word));
    if tree.entries().iter().any(|(key, _)| selects(key)) {
        return Err("the body selects records by more than their ids: send the ids only".to_owned());
    }
    Ok(Some(destroy(route, named(object, tree)?)))
}

/// The ids under `ID`. Another spelling of it would be a second source.
fn named(object: &str, tree: &Tree) -> Result<Vec<RecordRef>, String> {
    let other = |key: &str| key != "ID" && (key.eq_ignore_ascii_case("id") || key.eq_ignore_ascii_case("ids"));
    if tree.entries().iter().any(|(key, _)| other(key)) {
        return Err("the ids stand under another name than ID: send them as ID[]".to_owned());
    }
    let ids = tree.get("ID").ok_or("the request deletes and names no record: send ID[]")?;
    Ok(ids::ids(ids, PRIVATE)?.iter().map(|id| RecordRef::new(object, id)).collect())
}

/// The `ACTION` of a body, which must be this one.
fn action(tree: &Tree, wanted: &str) -> Result<(), String> {
    match tree.get("ACTION").and_then(Tree::scalar) {
        Some(word) if word == wanted => Ok(()),
        _ => Err(format!("the ACTION on this route is not {wanted}, so what it does is not known: send {wanted}")),
    }
}

fn no_more(tree: &Tree, read: usize) -> Result<(), String> {
    let found = words::count(tree);
    let other_action = |(key, _): &&(String, Tree)| key != "ACTION" && key.eq_ignore_ascii_case("action");
    if found > read || tree.entries().iter().find(other_action).is_some() {
        return Err("the body says delete in more than one place: send one delete a request".to_owned());
    }
    Ok(())
}

fn edit2(tree: &Tree) -> Read {
    match tree.get("ACTION").and_then(Tree::scalar) {
        Some("TASK_DELETE") => by_id("amocrm.task_delete", "tasks", tree, 1),
        Some("NOTE_DELETE") => by_id("amocrm.note_delete", "notes", tree, 1),
        Some(word) if EDITS.contains(&word) => no_more(tree, 0).map(|()| None),
        _ => Err("the ACTION is missing or unknown: send TASK_DELETE or NOTE_DELETE to delete".to_owned()),
    }
}

fn listed(route: &'static str, kind: Kind, tree: &Tree, path: &[&str]) -> Read {
    if let ["request", kind, _] = path
        && tree
            .at(&["request", kind])
            .is_some_and(|asked| asked.entries().iter().any(|(key, _)| !ASKS.contains(&key.as_str())))
    {
        return Err("the request asks for something that is not known here: add, update and delete are".to_owned());
    }
    let Some(named) = tree.at(path) else { return no_more(tree, 0).map(|()| None) };
    no_more(tree, 1)?;
    Ok(Some(of_kind(route, kind, &ids::ids(named, PRIVATE)?)))
}

fn detail(route: &'static str, caught: &[&str], tree: &Tree) -> Read {
    if tree.get("ACTION").is_none() || words::count(tree) == 0 {
        return no_more(tree, 0).map(|()| None);
    }
    action(tree, "DELETE")?;
    no_more(tree, 1)?;
    let [object, id] = caught else { return Err("the path names no record".to_owned()) };
    let record = RecordRef::new(*object, id);
    if tree.get("ID").is_some() && named(object, tree)? != [record.clone()] {
        return Err("path and body name different records: send the same id in both".to_owned());
    }
    if tree.get("ID").is_none() && tree.entries().iter().any(|(key, _)| key.eq_ignore_ascii_case("id")) {
        return Err("the id stands under another name than ID: send it as ID".to_owned());
    }
    Ok(Some(destroy(route, vec![record])))
}

/// The object of a v1/v2 number (§3.3).
pub fn object_of(number: &str) -> Option<&'static str> {
    match number {
        "1" => Some("contacts"),
        "2" => Some("leads"),
        "3" => Some("companies"),
        "4" => Some("tasks"),
        "12" => Some("customers"),
        _ => None,
    }
}

/// Bulk jobs of the web pages. Type 4 deletes; 17 does with `ACTION=DELETE`, as one script sends it; nobody knows the
/// others.
fn multiactions(route: &'static str, tree: &Tree) -> Read {
    let jobs = tree.at(&["request", "multiactions", "add"]).and_then(Tree::items).unwrap_or_default();
    if jobs.is_empty() {
        return Err("the request holds no job that crm-undo knows: send request[multiactions][add][0]".to_owned());
    }
    let mut read = 0;
    let mut records = Vec::new();
    for job in jobs {
        let says = job.at(&["data", "data", "ACTION"]);
        let deletes = match says.map(Tree::scalar) {
            Some(Some("DELETE")) => true,
            None => false,
            Some(_) => return Err("the ACTION of this bulk job is not known".to_owned()),
        };
        match job.get("multiaction_type").and_then(Tree::scalar) {
            Some("4") => {}
            Some("17") if deletes => {}
            _ => return Err("the type of this bulk job is not known: 4 deletes, others are not read".to_owned()),
        }
        read += usize::from(deletes);
        let object = job.get("entity_type").and_then(Tree::scalar).and_then(object_of);
        let object = object.ok_or("the entity_type of this bulk job is not known")?;
        records.extend(job_ids(job)?.iter().map(|id| RecordRef::new(object, id)));
    }
    if records.len() > PRIVATE {
        return Err(format!("the request names {} records: send at most {PRIVATE} at a time", records.len()));
    }
    no_more(tree, read)?;
    let mut seen = HashSet::new();
    records.retain(|record| seen.insert(record.clone()));
    Ok(Some(destroy(route, records)))
}

fn job_ids(job: &Tree) -> Result<Vec<u64>, String> {
    let places = [job.get("ids"), job.at(&["data", "ids"]), job.at(&["data", "data", "ids"])];
    let mut lists = places.into_iter().flatten().map(|list| ids::ids(list, PRIVATE));
    let first = lists.next().ok_or("this bulk job names no ids: send [ids][]")??;
    for other in lists {
        if other? != first {
            return Err("this bulk job names different ids in two places: send one".to_owned());
        }
    }
    Ok(first)
}
