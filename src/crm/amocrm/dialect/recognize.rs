//! Signature + body -> what would be destroyed. Anything odd about a delete is an error, in words that say what to do.

use http::header;

use super::super::wire::SetUpName;
use super::signatures::{self, Kind, Reads};
use super::tree::{self, Tree};
use super::{cards, form, ids, pattern, private, triage, words, writes};
use crate::crm::{Head, Triage};
use crate::domain::delete::{DeleteIntent, Effect, Recognised, Selection};
use crate::domain::record::RecordRef;

/// See [`Dialect::recognise`](crate::crm::Dialect::recognise).
pub fn recognize(head: &Head<'_>, body: &[u8]) -> Recognised {
    match read(head, body) {
        Ok(Some(intent)) => Recognised::Delete(intent),
        Ok(None) => Recognised::NotADelete,
        Err(reason) => Recognised::Unreadable(reason),
    }
}

fn read(head: &Head<'_>, body: &[u8]) -> Result<Option<DeleteIntent>, String> {
    match triage::triage(head) {
        Triage::Stream if head.method.is_safe() => return bare_read(head, body),
        Triage::Stream => return Ok(None),
        Triage::Refuse(reason) => return Err(reason),
        Triage::Buffer(most) if body.len() > most => return Err("the body is too large: send fewer records".to_owned()),
        Triage::Buffer(_) => {}
    }
    let codings = head.headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err("the body is compressed: send it without Content-Encoding".to_owned());
    }
    let path = pattern::words(head.path);
    match signatures::find(head.method, &path) {
        Some((signature, caught)) if head.path.starts_with("/api/v4/") || head.path.starts_with("/v1.0/") => {
            v4(signature, &caught, head, body)
        }
        Some((signature, caught)) => {
            if head.query.is_some_and(|query| !words::is_plain_query(query)) {
                let how = "the query names ids or an action, or is written oddly: send them in the body only";
                return Err(how.to_owned());
            }
            let tree = tree_of(head, body)?;
            private::read(signature, &caught, &tree)
        }
        None if writes::known(head.method, &path) => {
            if words::names_method(body) {
                return Err("the body names another method: send the request with the method it means".to_owned());
            }
            Ok(None)
        }
        None => unknown(head, &path, body),
    }
}

/// A read with a body: some clients send `{}`. It passes if no server could take the body for a delete.
fn bare_read(head: &Head<'_>, body: &[u8]) -> Result<Option<DeleteIntent>, String> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or("a read has a body that is no text: send it without")?;
    let tree = if text.trim_start().starts_with(['{', '[']) { tree::json(text) } else { form::form(text) };
    // Filters of the documented API may be called `id`; nothing in a body is an id to delete there.
    let names_ids = |tree: &Tree| !head.path.starts_with("/api/v4/") && words::has_reserved(tree);
    let says = tree.map_or(true, |tree| words::count(&tree) > 0 || names_ids(&tree));
    let says = says || words::in_bytes(body) || words::names_method(body) || words::reserved(text.split('&'));
    if says { Err("a read has a body that could be taken for a delete: send it without".to_owned()) } else { Ok(None) }
}

/// A body of the web pages' routes: a form or JSON, by its content, whatever was declared (§3.4). Two readings that
/// both name something are none.
fn tree_of(head: &Head<'_>, body: &[u8]) -> Result<Tree, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    if is_multipart(head) {
        return Err("a multipart body is not read here: send a form or JSON".to_owned());
    }
    if !text.trim_start().starts_with(['{', '[']) {
        return form::form(text.trim_end_matches(['\r', '\n']));
    }
    if words::reserved(text.split('&').skip(1)) {
        return Err("the body can be read both as JSON and as a form: send it as one of them".to_owned());
    }
    tree::json(text)
}

fn is_multipart(head: &Head<'_>) -> bool {
    let declared = head.headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    declared.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

/// A path that no table lists: it passes only if nothing in it says "delete".
fn unknown(head: &Head<'_>, path: &[&str], body: &[u8]) -> Result<Option<DeleteIntent>, String> {
    let stop = || Err("this looks like a delete that crm-undo does not know, so it cannot archive it first".to_owned());
    if words::in_path(path) || head.query.is_some_and(|query| words::in_bytes(query.as_bytes())) {
        return stop();
    }
    if body.is_empty() {
        return Ok(None);
    }
    if is_multipart(head) {
        // Anything else than parts may be read as what it is: packed, or in another alphabet.
        let in_parts = body.starts_with(b"--");
        return if !in_parts || words::in_bytes(body) { stop() } else { Ok(None) };
    }
    if words::count(&tree_of(head, body)?) > 0 { stop() } else { Ok(None) }
}

/// Routes of the API: JSON only.
fn v4(
    signature: &'static signatures::Signature,
    caught: &[&str],
    head: &Head<'_>,
    body: &[u8],
) -> Result<Option<DeleteIntent>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    let tree = if text.trim().is_empty() { None } else { Some(tree::json(text)?) };
    let path = head.path.strip_suffix('/').unwrap_or(head.path);
    let shown = |word, at: String| DeleteIntent {
        route: signature.route,
        effect: Effect::Unrestorable(word),
        selection: Selection::Ids(vec![SetUpName { word: word.to_owned(), path: at }.record()]),
    };
    let intent = match signature.reads {
        Reads::Cards => return cards::patch(caught, tree.as_ref()),
        Reads::Unlink => return cards::unlink(signature, caught, tree.as_ref()).map(Some),
        Reads::PathId(object) => {
            nothing_more(tree.as_ref())?;
            let id = caught.last().copied().unwrap_or_default();
            destroy(signature.route, vec![RecordRef::new(object, id)])
        }
        Reads::SetUp(word) => {
            nothing_more(tree.as_ref())?;
            shown(word, path.to_owned())
        }
        Reads::SetUpAbove(word) => shown(word, path.rsplit_once('/').map_or(path, |(above, _)| above).to_owned()),
        Reads::Listed(word, key) => DeleteIntent {
            route: signature.route,
            effect: Effect::Unrestorable(word),
            selection: Selection::Ids(listed(word, key, path, tree.as_ref())?),
        },
        // Nothing shows it alone, so there is no name for it.
        Reads::Nameless(word) => DeleteIntent {
            route: signature.route,
            effect: Effect::Unrestorable(word),
            selection: Selection::Ids(Vec::new()),
        },
        _ => return Err("crm-undo cannot read this route".to_owned()),
    };
    Ok(Some(intent))
}

/// A delete by path takes no body; one that names ids would be a second source.
fn nothing_more(tree: Option<&Tree>) -> Result<(), String> {
    if tree.is_none_or(Tree::is_empty) {
        return Ok(());
    }
    Err("this delete is named by its path and has a body too: send it without".to_owned())
}

fn listed(word: &str, key: &str, path: &str, tree: Option<&Tree>) -> Result<Vec<RecordRef>, String> {
    let how = || format!("the body is not a list like [{{\"{key}\":…}}]: send one");
    let items = tree.and_then(Tree::items).filter(|items| !items.is_empty()).ok_or_else(how)?;
    if items.len() > ids::V4 {
        return Err(format!("the request names {} things: send at most {} at a time", items.len(), ids::V4));
    }
    let mut records: Vec<RecordRef> = Vec::new();
    for item in items {
        let id = item.get(key).and_then(Tree::scalar).ok_or_else(how)?;
        let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !plain {
            return Err(how());
        }
        let record = SetUpName { word: word.to_owned(), path: format!("{path}/{id}") }.record();
        if !records.contains(&record) {
            records.push(record);
        }
    }
    Ok(records)
}

/// Records that go and can be brought back.
pub fn destroy(route: &'static str, records: Vec<RecordRef>) -> DeleteIntent {
    DeleteIntent { route, effect: Effect::Destroy, selection: Selection::Ids(records) }
}

/// What a list of ids of this kind means.
pub fn of_kind(route: &'static str, kind: Kind, ids: &[u64]) -> DeleteIntent {
    match kind {
        Kind::Record(object) => destroy(route, ids.iter().map(|id| RecordRef::new(object, id)).collect()),
        Kind::SetUp(word, below) => {
            let name = |id: &u64| SetUpName { word: word.to_owned(), path: format!("{below}{id}") }.record();
            let selection = Selection::Ids(ids.iter().map(name).collect());
            DeleteIntent { route, effect: Effect::Unrestorable(word), selection }
        }
    }
}
