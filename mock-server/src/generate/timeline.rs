//! Notes of every type and tasks, open and done.

use serde_json::{Value, json};

use super::{Generator, LAST_AT, people, words};
use crate::world::channels::Talk;
use crate::world::kind::Ref;
use crate::world::timeline::{Note, Task, WRITABLE_NOTES};

/// What only amoCRM itself writes; it cannot be made again.
const SYSTEM_NOTE: &str = "amomail_message";

impl Generator<'_> {
    /// Up to `most` notes on a record that is there since `since`.
    pub fn notes(&mut self, of: Ref, since: i64, most: usize) {
        for _ in 0..self.dice.below(most + 1) {
            let note_type = match self.dice.below(24) {
                0..=11 => "common",
                index @ 12..=22 => WRITABLE_NOTES.get(index - 12).copied().unwrap_or("common"),
                _ => SYSTEM_NOTE,
            };
            let at = self.dice.between(since, LAST_AT);
            let params = self.params(note_type).to_string();
            let (created_by, responsible) = (self.user(), self.user());
            let id = self.world.notes.next_id();
            let note = Note {
                of,
                note_type: note_type.into(),
                params: params.into(),
                responsible,
                created_by,
                updated_by: created_by,
                created_at: at,
                updated_at: at,
                pinned: self.dice.chance(2),
            };
            self.world.put_note(id, note);
        }
    }

    fn params(&mut self, note_type: &str) -> Value {
        let text = *self.dice.pick(words::PHRASES);
        match note_type {
            "call_in" | "call_out" => json!({
                "uniq": self.dice.digits(12), "duration": self.dice.between(0, 900), "source": "Demo PBX",
                "link": format!("https://pbx.example/{}.mp3", self.dice.digits(8)),
                "phone": people::phone(&mut self.dice), "call_responsible": "Марина Котова", "call_status": 4,
            }),
            "service_message" | "extended_service_message" => json!({"service": "Demo Widget", "text": text}),
            "message_cashier" => json!({"status": self.dice.pick(&["created", "shown", "canceled"]), "text": text}),
            "geolocation" => json!({
                "text": text, "address": self.dice.pick(words::STREETS),
                "longitude": "56.2502", "latitude": "58.0105",
            }),
            "sms_in" | "sms_out" => json!({"text": text, "phone": people::phone(&mut self.dice)}),
            "attachment" => {
                let (uuid, version, name, _) = self.dice.pick(&self.files);
                json!({"file_uuid": uuid, "version_uuid": version, "file_name": name, "original_name": name,
                    "is_drive_attachment": true})
            }
            _ => json!({"text": text}),
        }
    }

    /// At times a lead came out of a messenger.
    pub fn talk(&mut self, lead: u64, contact: u64, since: i64) {
        if !self.dice.chance(5) {
            return;
        }
        let id = self.world.talks.next_id();
        let at = self.dice.between(since, LAST_AT);
        let talk = Talk {
            contact,
            lead: Some(lead),
            chat: self.world.new_uuid(),
            origin: self.dice.pick::<&str>(&["telegram", "waba", "vk"]),
            in_work: self.dice.chance(50),
            created_at: at,
            updated_at: at,
        };
        self.world.talks.put(id, talk);
    }

    /// A task with the given chance, and a second one at times.
    pub fn tasks(&mut self, of: Ref, since: i64, percent: u32) {
        let count = usize::from(self.dice.chance(percent)) + usize::from(self.dice.chance(percent / 4));
        for _ in 0..count {
            let at = self.dice.between(since, LAST_AT);
            let completed = self.dice.chance(60);
            let result = (completed && self.dice.chance(70)).then(|| (*self.dice.pick(words::PHRASES)).into());
            let (responsible, created_by) = (self.user(), self.user());
            let id = self.world.tasks.next_id();
            let task = Task {
                of: Some(of),
                text: (*self.dice.pick(words::PHRASES)).into(),
                result,
                type_id: 1 + self.dice.below(3) as u64,
                complete_till: at + self.dice.between(3_600, 3_000_000),
                duration: *self.dice.pick(&[0, 0, 1800, 3600]),
                completed,
                deleted: false,
                responsible,
                created_by,
                updated_by: responsible,
                created_at: at,
                updated_at: at,
            };
            self.world.put_task(id, task);
        }
    }
}
