//! All pages of a list: none twice, none missing, no row that was not asked for.
//!
//! Only our own addresses are asked, `_links` is never followed: it may show another host (§1.1).

use std::cmp::Ordering;
use std::collections::HashSet;

use bytes::Bytes;

use super::page::{Unread, page};
use super::row::Row;
use crate::crm::Reach;

/// §2.0: more is cut silently.
pub(super) const PAGE: usize = 250;
const MOST_PAGES: usize = 1_000;
/// Web servers usually take 8 KiB of request line.
const LONGEST_FILTER: usize = 7_700;

/// How a list comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    /// In pages, every row of it wanted: if there is more than one page, a second walk from the other end must show
    /// the same rows.
    Everything,
    /// In pages, until this many rows are there: those missing are asked for one by one anyway.
    Named(usize),
    /// In one piece (links).
    AtOnce,
}

/// A list to read.
pub(super) struct List<'a> {
    /// Path.
    pub path: String,
    /// Query without paging; may be empty.
    pub query: String,
    /// Where the rows lie, and what they are called.
    pub key: &'static str,
    /// How it comes.
    pub comes: Comes,
    /// Whether a row is one that was asked for.
    pub belongs: &'a (dyn Fn(&Row) -> bool + Sync),
}

/// All rows of a list, or why they cannot be had.
pub(super) async fn walk(reach: Reach<'_>, list: &List<'_>) -> Result<Vec<Row>, Unread> {
    let mut up = Way::new("asc");
    up.page(reach, list).await?;
    if list.comes != Comes::Everything || up.ended {
        while !up.ended {
            up.page(reach, list).await?;
        }
        return up.done(list);
    }
    let mut down = Way::new("desc");
    loop {
        if !down.ended {
            down.page(reach, list).await?;
        }
        // The smallest and the largest are the same rows, so there are no others; no empty page has to say it.
        if up.seen == down.seen && (up.runs(Ordering::Less) && down.runs(Ordering::Greater) || up.ended && down.ended) {
            return up.done(list);
        }
        if up.ended && down.ended {
            return Err(Unread::Hidden(format!("two readings of its {} show different rows", list.key)));
        }
        if !up.ended {
            up.page(reach, list).await?;
        }
    }
}

/// A list on its way from one of its ends.
struct Way {
    order: &'static str,
    rows: Vec<Row>,
    seen: HashSet<Bytes>,
    pages: usize,
    total: Option<u64>,
    ended: bool,
}

impl Way {
    fn new(order: &'static str) -> Self {
        Self { order, rows: Vec::new(), seen: HashSet::new(), pages: 0, total: None, ended: false }
    }

    /// Reads one more page.
    async fn page(&mut self, reach: Reach<'_>, list: &List<'_>) -> Result<(), Unread> {
        if self.pages == MOST_PAGES {
            return Err(Unread::Hidden(format!("there are more than {MOST_PAGES} pages of {}", list.key)));
        }
        self.pages += 1;
        let Some(page) = page(reach, target(list, self.order, self.pages), list.key).await? else {
            self.ended = true;
            return Ok(());
        };
        self.total = page.total.or(self.total);
        let held = page.rows.len();
        for row in page.rows {
            if !(list.belongs)(&row) {
                return Err(Unread::Ignored);
            }
            if !self.seen.insert(row.identity()) {
                return Err(Unread::Hidden(format!("the CRM's pages of {} repeat themselves", list.key)));
            }
            self.rows.push(row);
        }
        self.ended = !match list.comes {
            Comes::Named(wanted) => page.next && self.rows.len() < wanted,
            Comes::AtOnce => page.next,
            // A full page that names no next one is not believed.
            Comes::Everything => page.next || held >= PAGE,
        };
        Ok(())
    }

    /// Whether the ids run one way, so that nothing can lie between them: the CRM has not ignored the order.
    fn runs(&self, one_way: Ordering) -> bool {
        let ids = || self.rows.iter().map(Row::id);
        ids().zip(ids().skip(1)).all(|(id, next)| id.is_some() && id.cmp(&next) == one_way) && self.rows.len() > 1
    }

    fn done(self, list: &List<'_>) -> Result<Vec<Row>, Unread> {
        let rows = self.rows;
        match self.total {
            Some(total) if total != rows.len() as u64 && !matches!(list.comes, Comes::Named(_)) => {
                Err(Unread::Hidden(format!("the CRM counts {total} {} and shows {}", list.key, rows.len())))
            }
            _ => Ok(rows),
        }
    }
}

fn target(list: &List<'_>, order: &str, number: usize) -> String {
    let paging = match list.comes {
        Comes::AtOnce if number == 1 => String::new(),
        Comes::AtOnce => format!("page={number}"),
        _ => format!("order[id]={order}&limit={PAGE}&page={number}"),
    };
    let both = if list.query.is_empty() || paging.is_empty() { "" } else { "&" };
    let query = format!("{}{both}{paging}", list.query);
    if query.is_empty() { list.path.clone() } else { format!("{}?{query}", list.path) }
}

/// `filter[id][]=1&filter[id][]=2`.
pub(super) fn filter(name: &str, ids: &[u64]) -> String {
    ids.iter().map(|id| format!("filter[{name}][]={id}")).collect::<Vec<_>>().join("&")
}

/// Ids in as few requests as a page and a request line can hold.
pub(super) fn in_chunks<'a>(name: &str, ids: &'a [u64]) -> Vec<&'a [u64]> {
    let longest = ids.iter().max().map_or(1, |id| id.to_string().len());
    let each = "filter[][]=&".len() + name.len() + longest;
    ids.chunks((LONGEST_FILTER / each).clamp(1, PAGE)).collect()
}
