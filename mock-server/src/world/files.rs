//! Files of the drive (§2.15).

/// One file; its uuid is the key it is kept under.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub size: u64,
    pub content_type: String,
    pub version: String,
    pub created_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    /// In the trash since; purged after 30 days of the account's clock.
    pub deleted_at: Option<i64>,
}
