//! Pages of a list: 50 unless asked, 250 at most, 204 past the end (§2.0), and the betrayals of `paging_fault`.

use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Cx;
use super::hal::nothing;
use crate::answer::Answer;

const DEFAULT_LIMIT: usize = 50;
pub const LARGEST_PAGE: usize = 250;

/// What a query value keeps unencoded.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b',');

impl Cx<'_> {
    /// The ids of this list in its order, computed once for all its pages while nothing changes.
    pub fn ordered(&mut self, compute: impl FnOnce(&Self) -> Vec<u64>) -> Arc<[u64]> {
        let behind = self.world.index_is_behind();
        let key = self.list_key();
        let version = self.world.version;
        if !behind && let Some(ids) = self.world.lists.get(version, &key) {
            return ids;
        }
        let ids: Arc<[u64]> = compute(self).into();
        // Small lists cost less than the room they would take from large ones.
        if !behind && ids.len() > LARGEST_PAGE {
            self.world.lists.put(version, key, Arc::clone(&ids));
        }
        ids
    }

    fn list_key(&self) -> String {
        let mut key = self.request.path.clone();
        for (name, value) in self.request.query.pairs() {
            if name != "page" && name != "limit" {
                key.push('\u{1f}');
                key.push_str(name);
                key.push('=');
                key.push_str(value);
            }
        }
        key
    }

    /// One page of `ids` under `_embedded.{key}`.
    pub fn page(&mut self, key: &str, ids: &[u64], render: impl FnMut(&mut Self, u64) -> Option<Value>) -> Answer {
        self.page_of(key, ids, LARGEST_PAGE, render)
    }

    pub fn page_of<T: Copy>(
        &mut self,
        key: &str,
        ids: &[T],
        largest: usize,
        mut render: impl FnMut(&mut Self, T) -> Option<Value>,
    ) -> Answer {
        let number = |name: &str| self.request.query.one(name).and_then(|text| text.parse::<usize>().ok());
        let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(DEFAULT_LIMIT).min(largest);
        let page = number("page").unwrap_or(1).max(1);
        let fault = |word| self.world.switches.is("paging_fault", word);
        let (repeats, skips, endless) = (fault("repeat_page"), fault("skip_row"), fault("endless_next"));
        let last = ids.len().div_ceil(limit).max(1);
        let shown = match (repeats, endless) {
            (true, _) => 1,
            (_, true) => page.min(last),
            _ => page,
        };
        let start = (shown - 1).saturating_mul(limit);
        let rows = ids.iter().skip(start).take(limit).skip(usize::from(skips && shown > 1)).copied();
        let rows: Vec<Value> = rows.filter_map(|id| render(self, id)).collect();
        if rows.is_empty() {
            return nothing();
        }
        let more = endless || page.saturating_mul(limit) < ids.len();
        let mut links = json!({"self": self.page_link(page, limit)});
        if more && !self.world.switches.is("paging_fault", "no_next") {
            links["next"] = self.page_link(page + 1, limit);
            if self.world.switches.is("paging_fault", "foreign_next") {
                let next = self.page_target(page + 1, limit);
                links["next"] = json!({"href": format!("http://shard151.amocrm.invalid{next}")});
            }
        }
        if page > 1 {
            links["first"] = self.page_link(1, limit);
            links["prev"] = self.page_link(page - 1, limit);
        }
        Answer::hal(StatusCode::OK, &json!({"_page": page, "_links": links, "_embedded": {key: rows}}))
    }

    fn page_link(&self, page: usize, limit: usize) -> Value {
        self.href(&self.page_target(page, limit))
    }

    fn page_target(&self, page: usize, limit: usize) -> String {
        let mut target = format!("{}?", self.request.path);
        for (name, value) in self.request.query.pairs() {
            if name != "page" && name != "limit" {
                let (name, value) = (utf8_percent_encode(name, &PLAIN), utf8_percent_encode(value, &PLAIN));
                // Writing to a string cannot fail.
                let _ = write!(target, "{name}={value}&");
            }
        }
        format!("{target}page={page}&limit={limit}")
    }
}
