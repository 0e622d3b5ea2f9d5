//! Rows as of one commit: those in memory laid over those in sled.

use std::sync::Arc;

use super::overlay::{Overlay, Reader};
use super::page::Page;
use super::table::{Sheet, Table};
use crate::archive::ArchiveError;
use crate::archive::fold::filter::Filter;
use crate::archive::fold::rows::{Change, Row, Rows, Walk};

/// Rows as of one commit.
#[derive(Debug)]
pub(crate) struct View<'a> {
    overlay: &'a Overlay,
    table: &'a Table,
    reader: Reader,
}

impl<'a> View<'a> {
    /// As of the last commit.
    pub(crate) fn new(overlay: &'a Overlay, table: &'a Table) -> Self {
        Self { overlay, table, reader: overlay.reader() }
    }
}

impl Rows for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.overlay.get(key, self.reader.at) {
            Some(change) => Ok(change),
            None => self.table.get(key),
        }
    }
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(Merged::new(self, from, to, false, None))
    }
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        Box::new(Merged::new(self, from, to, true, None))
    }
    fn sift<'a>(&'a self, from: &[u8], to: &[u8], may: &'a dyn Fn(&Filter) -> bool) -> Walk<'a> {
        Box::new(Merged::new(self, from, to, true, Some(may)))
    }
}

/// Rows in sled alone.
impl Rows for Table {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ArchiveError> {
        Table::get(self, key)
    }
    fn up<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        let pages = Pages::new(self, from, to, false, None);
        Box::new(pages.map(|row| row.map(|at| at.row())))
    }
    fn down<'a>(&'a self, from: &[u8], to: &[u8]) -> Walk<'a> {
        let pages = Pages::new(self, from, to, true, None);
        Box::new(pages.map(|row| row.map(|at| at.row())))
    }
}

/// A row of a page.
struct At(Arc<Page>, usize);

impl At {
    fn key(&self) -> &[u8] {
        self.0.row(self.1).0
    }
    fn row(&self) -> Row {
        let (key, value) = self.0.row(self.1);
        (key.to_vec(), value.to_vec())
    }
}

/// A walk over pages.
struct Pages<'a> {
    table: &'a Table,
    from: Vec<u8>,
    to: Vec<u8>,
    down: bool,
    may: Option<&'a dyn Fn(&Filter) -> bool>,
    page: Arc<Page>,
    /// Rows of the page that are still to come.
    rows: std::ops::Range<usize>,
    end: bool,
}

impl<'a> Pages<'a> {
    fn new(table: &'a Table, from: &[u8], to: &[u8], down: bool, may: Option<&'a dyn Fn(&Filter) -> bool>) -> Self {
        let (from, to, end) = (from.to_vec(), to.to_vec(), from >= to);
        Self { table, from, to, down, may, page: Arc::default(), rows: 0..0, end }
    }

    /// The next page. What was walked over lies outside of `from..to` from then on.
    fn turn(&mut self) -> Result<(), ArchiveError> {
        let sheet = if self.down {
            self.table.last_before(&self.from, &self.to, self.may)?
        } else {
            self.table.first_from(&self.from, &self.to)?
        };
        let Some(Sheet { page, first, next }) = sheet else {
            self.end = true;
            return Ok(());
        };
        self.rows = page.before(&self.from)..page.before(&self.to);
        self.page = page;
        if self.down {
            self.end = first <= self.from;
            self.to = first;
        } else {
            match next.filter(|next| *next < self.to) {
                Some(next) => self.from = next,
                None => self.end = true,
            }
        }
        Ok(())
    }
}

impl Iterator for Pages<'_> {
    type Item = Result<At, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = if self.down { self.rows.next_back() } else { self.rows.next() };
            if let Some(row) = row {
                return Some(Ok(At(Arc::clone(&self.page), row)));
            }
            if self.end {
                return None;
            }
            if let Err(error) = self.turn() {
                self.end = true;
                return Some(Err(error));
            }
        }
    }
}

/// A walk over both.
struct Merged<'a> {
    view: &'a View<'a>,
    from: Vec<u8>,
    to: Vec<u8>,
    down: bool,
    /// Changes that come next, the next one last.
    over: Vec<(Vec<u8>, Change)>,
    over_end: bool,
    pages: Pages<'a>,
    below: Option<At>,
}

impl<'a> Merged<'a> {
    fn new(view: &'a View<'a>, from: &[u8], to: &[u8], down: bool, may: Option<&'a dyn Fn(&Filter) -> bool>) -> Self {
        let pages = Pages::new(view.table, from, to, down, may);
        Self { view, from: from.to_vec(), to: to.to_vec(), down, over: Vec::new(), over_end: false, pages, below: None }
    }

    fn refill(&mut self) {
        let overlay = self.view.overlay;
        let at = self.view.reader.at;
        if self.down {
            self.over_end = overlay.down(&self.from, &self.to, at, &mut self.over);
            if let Some((last, _)) = self.over.last() {
                self.to.clone_from(last);
            }
        } else {
            self.over_end = overlay.up(&self.from, &self.to, at, &mut self.over);
            if let Some((last, _)) = self.over.last() {
                self.from = [last, &[0][..]].concat();
            }
        }
        self.over.reverse();
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<Row, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.over.is_empty() && !self.over_end {
                self.refill();
            }
            if self.below.is_none() {
                match self.pages.next().transpose() {
                    Ok(row) => self.below = row,
                    Err(error) => return Some(Err(error)),
                }
            }
            let order = match (self.over.last(), &self.below) {
                (None, None) => return None,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((over, _)), Some(below)) if self.down => below.key().cmp(over),
                (Some((over, _)), Some(below)) => over.as_slice().cmp(below.key()),
            };
            if order.is_gt() {
                return self.below.take().map(|at| Ok(at.row()));
            }
            if order.is_eq() {
                self.below = None;
            }
            if let Some((key, Some(value))) = self.over.pop() {
                return Some(Ok((key, value)));
            }
        }
    }
}
