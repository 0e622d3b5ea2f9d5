//! The drive: files with versions and a trash, uploaded in parts (§2.15). Really a host of its own; here the account's
//! `drive_url` is the mock itself.

use http::StatusCode;
use serde_json::{Value, json};

use super::Cx;
use super::hal::{no_method, not_found, nothing};
use super::validate::{id_number, missing, rejected, wrong_type};
use crate::answer::Answer;
use crate::world::files::{File, Upload, Version};

const LARGEST_FILE: usize = 314_572_800;
const LARGEST_PART: usize = 524_288;

pub fn route(cx: &mut Cx, path: &[&str]) -> Answer {
    match (cx.request.method.as_str(), path) {
        ("POST", ["sessions"]) => open(cx),
        ("POST", ["sessions", id, "parts", part]) => take_part(cx, id, part),
        ("GET", ["files"]) => list(cx),
        ("DELETE", ["files"]) => trash(cx),
        ("POST", ["files", "restore"]) => restore(cx),
        (_, ["sessions" | "files"] | ["files", "restore"] | ["sessions", _, "parts", _]) => no_method(),
        (_, ["files", uuid, ..]) if !cx.world.files.contains_key(*uuid) => not_found(),
        ("GET", ["files", uuid]) => shown(cx, uuid),
        ("PATCH", ["files", uuid]) => change(cx, uuid),
        ("GET", ["files", uuid, "versions"]) => versions(cx, uuid),
        ("GET", ["files", uuid, "download"]) => download(cx, uuid, None),
        ("GET", ["files", uuid, "versions", version, "download"]) => download(cx, uuid, Some(version)),
        (_, ["files", _] | ["files", _, "versions" | "download"]) => no_method(),
        _ => cx.no_route(),
    }
}

fn open(cx: &mut Cx) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let Some(name) = text("file_name").filter(|name| !name.is_empty()) else { return rejected(missing("file_name")) };
    let size = body.get("file_size").and_then(id_number).and_then(|size| usize::try_from(size).ok());
    let Some(size) = size.filter(|size| *size <= LARGEST_FILE) else { return rejected(wrong_type("file_size")) };
    let file_uuid = text("file_uuid").map(str::to_owned);
    if file_uuid.as_deref().is_some_and(|uuid| !cx.world.file_usable(uuid)) {
        return not_found();
    }
    let upload = Upload {
        file_name: name.to_owned(),
        file_size: size,
        content_type: text("content_type").unwrap_or("application/octet-stream").to_owned(),
        file_uuid,
        opened_at: cx.world.clock.now(),
        parts: 0,
        content: Vec::new(),
    };
    let id = cx.world.open_upload(upload);
    let body = json!({
        "session_id": id,
        "upload_url": part_url(cx, &id, 1),
        "max_file_size": LARGEST_FILE,
        "max_part_size": LARGEST_PART,
    });
    Answer::json(StatusCode::OK, &body)
}

fn part_url(cx: &Cx, session: &str, part: usize) -> String {
    format!("{}/v1.0/sessions/{session}/parts/{part}", cx.request.base())
}

/// Parts come in order, each to the address the one before it was answered with.
fn take_part(cx: &mut Cx, session: &str, part: &str) -> Answer {
    let bytes = cx.request.body.clone();
    let Some(upload) = cx.world.upload(session) else { return not_found() };
    if part.parse() != Ok(upload.parts + 1) {
        return not_found();
    }
    if bytes.len() > LARGEST_PART || upload.content.len() + bytes.len() > upload.file_size {
        return Answer::problem(StatusCode::BAD_REQUEST, "The part is too large");
    }
    upload.content.extend_from_slice(&bytes);
    upload.parts += 1;
    if upload.content.len() < upload.file_size {
        let next = upload.parts + 1;
        return Answer::json(StatusCode::OK, &json!({"session_id": session, "next_url": part_url(cx, session, next)}));
    }
    match cx.world.finish_upload(session) {
        Some(uuid) => shown(cx, &uuid),
        None => not_found(),
    }
}

fn shown(cx: &Cx, uuid: &str) -> Answer {
    match cx.world.files.get(uuid).and_then(|file| show(cx, uuid, file)) {
        Some(body) => Answer::hal(StatusCode::OK, &body),
        None => not_found(),
    }
}

fn show(cx: &Cx, uuid: &str, file: &File) -> Option<Value> {
    let version = file.versions.last()?;
    let path = format!("/v1.0/files/{uuid}");
    let mut links = cx.self_link(&path);
    links["download"] = cx.href(&format!("{path}/download"));
    links["download_version"] = cx.href(&format!("{path}/versions/{}/download", version.uuid));
    let user = |id: u64| json!({"id": id, "type": "user"});
    let extension = file.name.rsplit_once('.').map_or("", |(_, extension)| extension);
    Some(json!({
        "uuid": uuid,
        "type": type_of(&version.content_type),
        "is_trashed": file.deleted_at.is_some(),
        "name": file.name,
        "sanitized_name": file.name.replace(|c: char| !c.is_alphanumeric() && c != '.' && c != '-', "_"),
        "size": version.content.len(),
        "source_id": null,
        "version_uuid": version.uuid,
        "has_multiple_versions": file.versions.len() > 1,
        "created_at": file.created_at,
        "created_by": user(file.created_by),
        "updated_at": file.updated_at,
        "updated_by": user(file.updated_by),
        "deleted_at": file.deleted_at,
        "deleted_by": file.deleted_by.map(user),
        "metadata": {"extension": extension, "mime_type": version.content_type},
        "previews": [],
        "_links": links,
    }))
}

fn type_of(content_type: &str) -> &'static str {
    match content_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        Some("text") => "document",
        _ if content_type.ends_with("pdf") || content_type.contains("document") => "document",
        _ => "file",
    }
}

/// Without the trash, or with `filter[deleted]` the trash alone.
fn list(cx: &mut Cx) -> Answer {
    let query = &cx.request.query;
    let uuids: Option<Vec<String>> = query
        .words("filter[uuid]")
        .map(|lists| lists.iter().flat_map(|list| list.split(',')).map(|uuid| uuid.trim().to_owned()).collect());
    let name = query.one("filter[name]").map(str::to_lowercase);
    let deleted = query.one("filter[deleted]").is_some_and(|text| !matches!(text, "0" | "false"));
    let wanted = |uuid: &String, file: &File| {
        file.deleted_at.is_some() == deleted
            && uuids.as_ref().is_none_or(|uuids| uuids.contains(uuid))
            && name.as_ref().is_none_or(|name| file.name.to_lowercase().contains(name))
    };
    let found: Vec<String> =
        cx.world.files.iter().filter(|(uuid, file)| wanted(uuid, file)).map(|(uuid, _)| uuid.clone()).collect();
    let places: Vec<usize> = (0..found.len()).collect();
    cx.page_of("files", &places, super::paging::LARGEST_PAGE, |cx, place| {
        let uuid = found.get(place)?;
        show(cx, uuid, cx.world.files.get(uuid)?)
    })
}

fn uuids(cx: &Cx) -> Option<Vec<String>> {
    let body = cx.request.json()?;
    body.as_array()?.iter().map(|row| Some(row.get("uuid")?.as_str()?.to_owned())).collect()
}

fn trash(cx: &mut Cx) -> Answer {
    let Some(uuids) = uuids(cx) else { return rejected(wrong_type("")) };
    if uuids.is_empty() || uuids.iter().any(|uuid| !cx.world.file_usable(uuid)) {
        return not_found();
    }
    let happen = cx.portion.of(uuids.len());
    for uuid in uuids.iter().take(happen) {
        cx.world.trash_file(uuid);
    }
    nothing()
}

fn restore(cx: &mut Cx) -> Answer {
    let Some(uuids) = uuids(cx) else { return rejected(wrong_type("")) };
    if uuids.is_empty() || uuids.iter().any(|uuid| !cx.world.files.contains_key(uuid)) {
        return not_found();
    }
    let happen = cx.portion.of(uuids.len());
    let mut rows = Vec::new();
    for uuid in uuids.iter().take(happen) {
        cx.world.restore_file(uuid);
        rows.extend(cx.world.files.get(uuid).and_then(|file| show(cx, uuid, file)));
    }
    cx.written("files", &rows)
}

/// A new name, or an older version made the current one.
fn change(cx: &mut Cx, uuid: &str) -> Answer {
    let body = cx.request.json().unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let (name, version) = (text("name"), text("version_uuid"));
    let (now, user) = (cx.world.clock.now(), cx.world.actor.user);
    let Some(file) = cx.world.files.get_mut(uuid).filter(|file| file.deleted_at.is_none()) else { return not_found() };
    if let Some(wanted) = version {
        let Some(at) = file.versions.iter().position(|version| version.uuid == wanted) else { return not_found() };
        let version = file.versions.remove(at);
        file.versions.push(version);
    }
    file.name = name.unwrap_or(&file.name).to_owned();
    (file.updated_at, file.updated_by) = (now, user);
    cx.world.did(crate::ledger::What::Changed, "files", uuid);
    shown(cx, uuid)
}

fn versions(cx: &mut Cx, uuid: &str) -> Answer {
    let Some(file) = cx.world.files.get(uuid) else { return not_found() };
    let last = file.versions.len().saturating_sub(1);
    let show = |(index, version): (usize, &Version)| {
        let path = format!("/v1.0/files/{uuid}/versions/{}/download", version.uuid);
        json!({"uuid": version.uuid, "size": version.content.len(), "is_main": index == last,
            "created_at": version.created_at, "_links": {"download": cx.href(&path)}})
    };
    let rows: Vec<Value> = file.versions.iter().enumerate().map(show).collect();
    cx.whole("versions", &rows)
}

fn download(cx: &mut Cx, uuid: &str, version: Option<&str>) -> Answer {
    let file = cx.world.files.get(uuid).filter(|file| file.deleted_at.is_none());
    let found = file.and_then(|file| match version {
        Some(wanted) => file.versions.iter().find(|version| version.uuid == *wanted),
        None => file.versions.last(),
    });
    match found {
        Some(version) => Answer::bytes(&version.content_type, version.content.clone()),
        None => not_found(),
    }
}
