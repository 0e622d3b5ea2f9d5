//! Writing and deleting notes and tasks.

use serde_json::json;

use super::World;
use super::kind::Ref;
use super::timeline::{Note, Task};
use crate::ledger::What;

impl World {
    pub fn create_note(&mut self, note: Note) -> u64 {
        let (id, of) = (self.notes.next_id(), note.of);
        let event_type = note_event(&note.note_type);
        self.put_note(id, note);
        self.did(What::Created, "notes", id);
        self.index_later("notes", id);
        self.event(event_type, of, json!([]), json!([{"note": {"id": id}}]));
        self.announce_note(of, id);
        id
    }

    /// Adds a row and its place in the index, and nothing else: for generated accounts.
    pub fn put_note(&mut self, id: u64, note: Note) {
        self.notes_of.entry(note.of).or_default().push(id);
        self.notes.put(id, note);
    }

    /// A deleted note is gone; there is no bin for it.
    pub fn delete_note(&mut self, id: u64) -> bool {
        let Some(note) = self.notes.remove(id) else { return false };
        if let Some(ids) = self.notes_of.get_mut(&note.of) {
            ids.retain(|have| *have != id);
        }
        self.did(What::Deleted, "notes", id);
        self.event("common_note_deleted", note.of, json!([{"note": {"id": id}}]), json!([]));
        true
    }

    /// The note, if its record is alive and of the kind asked for.
    pub fn living_note(&self, id: u64) -> Option<&Note> {
        self.notes.get(id).filter(|note| self.alive(note.of).is_some())
    }

    pub fn create_task(&mut self, task: Task) -> u64 {
        let id = self.tasks.next_id();
        self.put_task(id, task);
        self.did(What::Created, "tasks", id);
        self.index_later("tasks", id);
        self.event_on("task_added", "task", id, json!([]), json!([]));
        self.announce_task("add", id);
        id
    }

    /// Adds a row and its place in the index, and nothing else: for generated accounts.
    pub fn put_task(&mut self, id: u64, task: Task) {
        if let Some(of) = task.of {
            self.tasks_of.entry(of).or_default().push(id);
        }
        self.tasks.put(id, task);
    }

    pub fn change_task(&mut self, id: u64, task: &Task) {
        let Some(before) = self.tasks.get(id).cloned() else { return };
        if before.of != task.of {
            if let Some(ids) = before.of.and_then(|of| self.tasks_of.get_mut(&of)) {
                ids.retain(|have| *have != id);
            }
            if let Some(of) = task.of {
                self.tasks_of.entry(of).or_default().push(id);
            }
        }
        self.tasks.put(id, task.clone());
        self.did(What::Changed, "tasks", id);
        if task.completed && !before.completed {
            self.event_on("task_completed", "task", id, json!([]), json!([]));
        }
        if task.text != before.text {
            let text = |text: &str| json!([{"task": {"text": text}}]);
            self.event_on("task_text_changed", "task", id, text(&before.text), text(&task.text));
        }
        if task.complete_till != before.complete_till {
            let until = |at: i64| json!([{"task_deadline": {"timestamp": at}}]);
            self.event_on("task_deadline_changed", "task", id, until(before.complete_till), until(task.complete_till));
        }
        if task.type_id != before.type_id {
            let kind = |id: u64| json!([{"task_type": {"id": id}}]);
            self.event_on("task_type_changed", "task", id, kind(before.type_id), kind(task.type_id));
        }
        if task.responsible != before.responsible {
            let user = |id: u64| json!([{"responsible_user": {"id": id}}]);
            let (was, is) = (user(before.responsible), user(task.responsible));
            self.event_on("entity_responsible_changed", "task", id, was, is);
            self.announce_task("responsible", id);
        }
        self.announce_task("update", id);
    }

    /// Moves a task into the bin of tasks, which no API lists.
    pub fn delete_task(&mut self, id: u64) -> bool {
        if self.living_task(id).is_none() {
            return false;
        }
        self.announce_task("delete", id);
        if let Some(task) = self.tasks.get_mut(id) {
            task.deleted = true;
        }
        self.did(What::Deleted, "tasks", id);
        self.event_on("task_deleted", "task", id, json!([]), json!([]));
        true
    }

    pub fn restore_task(&mut self, id: u64) -> bool {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.deleted) else { return false };
        task.deleted = false;
        self.did(What::Restored, "tasks", id);
        self.announce_task("add", id);
        true
    }

    /// The task, if it is not deleted and its record, if it has one, is alive.
    pub fn living_task(&self, id: u64) -> Option<&Task> {
        let visible = |task: &&Task| !task.deleted && task.of.is_none_or(|of| self.alive(of).is_some());
        self.tasks.get(id).filter(visible)
    }

    /// Notes and tasks of a record go for good.
    pub(super) fn delete_timeline(&mut self, of: Ref) {
        for id in self.notes_of.remove(&of).unwrap_or_default() {
            if self.notes.remove(id).is_some() {
                self.did(What::Deleted, "notes", id);
            }
        }
        for id in self.tasks_of.remove(&of).unwrap_or_default() {
            if self.tasks.remove(id).is_some() {
                self.did(What::Deleted, "tasks", id);
            }
        }
    }
}

fn note_event(note_type: &str) -> &'static str {
    match note_type {
        "call_in" => "incoming_call",
        "call_out" => "outgoing_call",
        "sms_in" => "incoming_sms",
        "sms_out" => "outgoing_sms",
        "attachment" => "attachment_note_added",
        "geolocation" => "geo_note_added",
        "service_message" | "extended_service_message" => "service_note_added",
        _ => "common_note_added",
    }
}
