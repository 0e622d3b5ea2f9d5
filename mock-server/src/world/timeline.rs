//! Notes and tasks: what hangs on a record's timeline.

use super::kind::Ref;

#[derive(Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "`type` is a keyword, and amoCRM says `note_type`")]
pub struct Note {
    pub of: Ref,
    pub note_type: Box<str>,
    /// JSON text of the object.
    pub params: Box<str>,
    pub responsible: u64,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    pub pinned: bool,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub of: Option<Ref>,
    pub text: Box<str>,
    pub result: Option<Box<str>>,
    pub type_id: u64,
    pub complete_till: i64,
    pub duration: i64,
    pub completed: bool,
    /// In the bin of tasks, which the API does not list.
    pub deleted: bool,
    pub responsible: u64,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
}

/// The ten types that integrations may write (§2.7), then system ones that only amoCRM writes.
pub const WRITABLE_NOTES: [&str; 10] = [
    "common",
    "call_in",
    "call_out",
    "service_message",
    "extended_service_message",
    "message_cashier",
    "geolocation",
    "sms_in",
    "sms_out",
    "attachment",
];
