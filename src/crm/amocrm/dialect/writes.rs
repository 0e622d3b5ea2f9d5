//! Documented creates and edits that destroy nothing: they stream. What is not listed is read for words instead.

use http::Method;

use super::pattern::captures;

#[rustfmt::skip]
const WRITES: &[(&str, &str)] = &[
    ("POST", "/oauth2/{word}"),
    ("POST", "/api/v4/{e}"),
    ("POST", "/api/v4/leads/complex"),
    ("POST", "/api/v4/leads/unsorted/forms"),
    ("POST", "/api/v4/leads/unsorted/sip"),
    ("POST", "/api/v4/leads/unsorted/{word}/accept"),
    ("POST", "/api/v4/leads/unsorted/{word}/link"),
    ("POST", "/api/v4/leads/pipelines"),
    ("PATCH", "/api/v4/leads/pipelines/{id}"),
    ("POST", "/api/v4/leads/pipelines/{id}/statuses"),
    ("PATCH", "/api/v4/leads/pipelines/{id}/statuses/{id}"),
    ("POST", "/api/v4/leads/loss_reasons"),
    ("POST", "/api/v4/contacts/chats"),
    ("POST", "/api/v4/customers/{id}/transactions"),
    ("POST", "/api/v4/customers/{id}/bonus_points"),
    ("PATCH", "/api/v4/customers/mode"),
    ("POST", "/api/v4/customers/statuses"),
    ("PATCH", "/api/v4/customers/statuses"),
    ("PATCH", "/api/v4/customers/statuses/{id}"),
    ("POST", "/api/v4/customers/segments"),
    ("PATCH", "/api/v4/customers/segments"),
    ("PATCH", "/api/v4/customers/segments/{id}"),
    ("POST", "/api/v4/{e}/tags"),
    ("POST", "/api/v4/{e}/notes"),
    ("PATCH", "/api/v4/{e}/notes"),
    ("POST", "/api/v4/{e}/{id}/notes"),
    ("PATCH", "/api/v4/{e}/{id}/notes"),
    ("PATCH", "/api/v4/{e}/{id}/notes/{id}"),
    ("POST", "/api/v4/{e}/link"),
    ("POST", "/api/v4/{e}/{id}/link"),
    ("PUT", "/api/v4/{e}/{id}/files"),
    ("POST", "/api/v4/{e}/custom_fields"),
    ("POST", "/api/v4/{e}/custom_fields/groups"),
    ("POST", "/api/v4/catalogs"),
    ("PATCH", "/api/v4/catalogs"),
    ("PATCH", "/api/v4/catalogs/{id}"),
    ("POST", "/api/v4/catalogs/{id}/elements"),
    ("PATCH", "/api/v4/catalogs/{id}/elements"),
    ("PATCH", "/api/v4/catalogs/{id}/elements/{id}"),
    ("POST", "/api/v4/catalogs/{id}/custom_fields"),
    ("POST", "/api/v4/tasks"),
    ("PATCH", "/api/v4/tasks"),
    ("PATCH", "/api/v4/tasks/{id}"),
    ("POST", "/api/v4/calls"),
    ("POST", "/api/v4/users"),
    ("POST", "/api/v4/users/activate"),
    ("POST", "/api/v4/users/deactivate"),
    ("POST", "/api/v4/roles"),
    ("PATCH", "/api/v4/roles/{id}"),
    ("POST", "/api/v4/webhooks"),
    ("POST", "/api/v4/sources"),
    ("PATCH", "/api/v4/sources"),
    ("PATCH", "/api/v4/sources/{id}"),
    ("POST", "/api/v4/talks/{id}/close"),
    ("POST", "/api/v4/short_links"),
    ("POST", "/api/v4/widgets/{word}"),
    ("POST", "/api/v4/chats/templates"),
    ("PATCH", "/api/v4/chats/templates"),
    ("PATCH", "/api/v4/chats/templates/{id}"),
    // §3.2: reads and edits of the web pages
    ("POST", "/ajax/leads/multiple/add"),
    ("POST", "/ajax/leads/multiple/change_status"),
    ("POST", "/ajax/leads/multiple/loadmore"),
    // §2.15: of the drive, should it share the host
    ("POST", "/v1.0/sessions"),
    ("POST", "/v1.0/files/restore"),
];

/// Whether the request is a documented write.
pub fn known(method: &Method, path: &[&str]) -> bool {
    WRITES.iter().any(|(verb, pattern)| method.as_str() == *verb && captures(pattern, path).is_some())
}
