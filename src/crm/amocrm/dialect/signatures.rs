//! Every known way to delete, as one table. A row that is missing here is refused or read for words, never forwarded in
//! silence. `docs/delete-dialects.md` has the same rows for people.

use http::Method;

use super::pattern::captures;

/// How the ids of a signature are found, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// `ID` in the body, of the kind in the path; `ACTION` may be there and then says `DELETE`.
    Multiple,
    /// `ID` and `ACTION` = `TASK_DELETE` or `NOTE_DELETE`.
    Edit2,
    /// `request[key][delete]`.
    Set(&'static str, Kind),
    /// `request[id]` of a pipeline.
    PipelineForm,
    /// `request[multiactions][add]`, jobs of ids.
    Multiactions,
    /// `ID` of leads with `ACTION=DELETE`.
    Deals,
    /// The id in the path, with `ACTION=DELETE` in the body.
    Detail,
    /// `delete` at the top of a v2 body.
    V2(Kind),
    /// Cards of a v4 `PATCH`: `is_deleted`, `tags_to_delete`, `_embedded.tags`.
    Cards,
    /// Links in a list.
    Unlink,
    /// The last id of the path.
    PathId(&'static str),
    /// A `GET` of the same path shows what goes.
    SetUp(&'static str),
    /// A `GET` of the path without its last word shows what goes.
    SetUpAbove(&'static str),
    /// A list in the body; each item is shown below the path.
    Listed(&'static str, &'static str),
    /// Nothing shows what goes.
    Nameless(&'static str),
}

/// What a list of ids names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records that can be brought back.
    Record(&'static str),
    /// Parts of the set-up, shown below this path.
    SetUp(&'static str, &'static str),
}

/// One way to delete.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Stable name, the intent's `route`.
    pub route: &'static str,
    /// Verb.
    pub method: &'static str,
    /// See [`pattern`](super::pattern).
    pub path: &'static str,
    /// Where the ids are.
    pub reads: Reads,
}

const fn row(route: &'static str, method: &'static str, path: &'static str, reads: Reads) -> Signature {
    Signature { route, method, path, reads }
}

const CATALOGS: Kind = Kind::SetUp("catalogs", "/api/v4/catalogs/");
const USERS: Kind = Kind::SetUp("users", "/api/v4/users/");

/// The table. `edit2.php` and `PATCH` have one row for each name they can get.
#[rustfmt::skip]
pub const SIGNATURES: &[Signature] = &[
    // §3.2, probed
    row("amocrm.multiple_delete", "POST", "/ajax/{card}/multiple/delete", Reads::Multiple),
    row("amocrm.task_delete", "POST", "/private/notes/edit2.php", Reads::Edit2),
    row("amocrm.note_delete", "POST", "/private/notes/edit2.php", Reads::Edit2),
    row("amocrm.customers_set", "POST", "/ajax/v1/customers/set", Reads::Set("customers", Kind::Record("customers"))),
    row("amocrm.catalogs_set", "POST", "/ajax/v1/catalogs/set", Reads::Set("catalogs", CATALOGS)),
    row("amocrm.catalog_elements_set", "POST", "/ajax/v1/catalog_elements/set", Reads::Set("catalog_elements", Kind::Record("catalog_elements"))),
    row("amocrm.pipelines_delete", "POST", "/ajax/v1/pipelines/delete", Reads::PipelineForm),
    // §3.3, seen in code
    row("amocrm.multiactions", "POST", "/ajax/v1/multiactions/set", Reads::Multiactions),
    row("amocrm.deals_delete", "POST", "/private/deals/delete.php", Reads::Deals),
    row("amocrm.detail_delete", "POST", "/{card}/detail/{id}", Reads::Detail),
    row("amocrm.notes_set", "POST", "/ajax/v1/notes/set", Reads::Set("notes", Kind::Record("notes"))),
    row("amocrm.users_set", "POST", "/ajax/v1/users/set", Reads::Set("users", USERS)),
    row("amocrm.v2_customers", "POST", "/api/v2/customers", Reads::V2(Kind::Record("customers"))),
    row("amocrm.v2_catalogs", "POST", "/api/v2/catalogs", Reads::V2(CATALOGS)),
    row("amocrm.v2_catalog_elements", "POST", "/api/v2/catalog_elements", Reads::V2(Kind::Record("catalog_elements"))),
    row("amocrm.v2_transactions", "POST", "/api/v2/transactions", Reads::V2(Kind::Record("transactions"))),
    row("amocrm.v2_notes", "POST", "/api/v2/notes", Reads::V2(Kind::Record("notes"))),
    row("amocrm.patch_is_deleted", "PATCH", "/api/v4/{e}", Reads::Cards),
    row("amocrm.patch_is_deleted", "PATCH", "/api/v4/{e}/{id}", Reads::Cards),
    // §3.1, documented
    row("amocrm.patch_tags", "PATCH", "/api/v4/{e}", Reads::Cards),
    row("amocrm.patch_tags", "PATCH", "/api/v4/{e}/{id}", Reads::Cards),
    row("amocrm.unlink", "POST", "/api/v4/{e}/{id}/unlink", Reads::Unlink),
    row("amocrm.unlink_mass", "POST", "/api/v4/{e}/unlink", Reads::Unlink),
    row("amocrm.v4_transaction", "DELETE", "/api/v4/customers/transactions/{id}", Reads::PathId("transactions")),
    row("amocrm.v4_segment", "DELETE", "/api/v4/customers/segments/{id}", Reads::PathId("segments")),
    row("amocrm.v4_custom_field", "DELETE", "/api/v4/{e}/custom_fields/{id}", Reads::SetUp("custom_fields")),
    row("amocrm.v4_custom_field", "DELETE", "/api/v4/customers/segments/custom_fields/{id}", Reads::SetUp("custom_fields")),
    row("amocrm.v4_custom_field", "DELETE", "/api/v4/catalogs/{id}/custom_fields/{id}", Reads::SetUp("custom_fields")),
    row("amocrm.v4_field_group", "DELETE", "/api/v4/{e}/custom_fields/groups/{word}", Reads::SetUp("field_groups")),
    row("amocrm.v4_field_group", "DELETE", "/api/v4/customers/segments/custom_fields/groups/{word}", Reads::SetUp("field_groups")),
    row("amocrm.v4_field_group", "DELETE", "/api/v4/catalogs/{id}/custom_fields/groups/{word}", Reads::SetUp("field_groups")),
    row("amocrm.v4_pipeline", "DELETE", "/api/v4/leads/pipelines/{id}", Reads::SetUp("pipelines")),
    row("amocrm.v4_status", "DELETE", "/api/v4/leads/pipelines/{id}/statuses/{id}", Reads::SetUp("statuses")),
    row("amocrm.v4_loss_reason", "DELETE", "/api/v4/leads/loss_reasons/{id}", Reads::SetUp("loss_reasons")),
    row("amocrm.v4_customer_status", "DELETE", "/api/v4/customers/statuses/{id}", Reads::SetUp("customer_statuses")),
    row("amocrm.v4_unsorted", "DELETE", "/api/v4/leads/unsorted/{word}/decline", Reads::SetUpAbove("unsorted")),
    row("amocrm.v4_entity_files", "DELETE", "/api/v4/{e}/{id}/files", Reads::Nameless("entity_files")),
    row("amocrm.drive_files", "DELETE", "/v1.0/files", Reads::Listed("files", "uuid")),
    row("amocrm.v4_source", "DELETE", "/api/v4/sources/{id}", Reads::SetUp("sources")),
    row("amocrm.v4_sources", "DELETE", "/api/v4/sources", Reads::Listed("sources", "id")),
    row("amocrm.v4_webhook", "DELETE", "/api/v4/webhooks", Reads::Nameless("webhooks")),
    row("amocrm.v4_role", "DELETE", "/api/v4/roles/{id}", Reads::SetUp("roles")),
    row("amocrm.v4_widget", "DELETE", "/api/v4/widgets/{word}", Reads::SetUp("widgets")),
    row("amocrm.v4_chat_template", "DELETE", "/api/v4/chats/templates/{id}", Reads::SetUp("chat_templates")),
    row("amocrm.v4_chat_templates", "DELETE", "/api/v4/chats/templates", Reads::Nameless("chat_templates")),
];

/// The signature of a request, with what stood for the pattern's variables. The first row that fits; rows that share
/// method and path also share how they are read.
pub fn find<'a>(method: &Method, path: &[&'a str]) -> Option<(&'static Signature, Vec<&'a str>)> {
    SIGNATURES
        .iter()
        .filter(|signature| method.as_str() == signature.method)
        .find_map(|signature| captures(signature.path, path).map(|caught| (signature, caught)))
}

/// How a route is read, by its name.
pub fn reads(route: &str) -> Option<Reads> {
    SIGNATURES.iter().find(|signature| signature.route == route).map(|signature| signature.reads)
}
