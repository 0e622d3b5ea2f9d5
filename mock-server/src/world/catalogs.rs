//! Catalogs, customer segments, customer stages and purchases.

use super::card::FieldValue;

#[derive(Clone, Debug)]
pub struct Catalog {
    pub name: String,
    /// `regular`, `products`, `invoices` or `suppliers`.
    pub purpose: String,
    pub sort: i64,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    pub can_add_elements: bool,
    pub can_link_multiple: bool,
    pub can_show_in_cards: bool,
}

#[derive(Clone, Debug)]
pub struct Segment {
    pub name: String,
    pub color: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub available_products_price_types: Vec<u64>,
    pub fields: Vec<FieldValue>,
}

#[derive(Clone, Debug)]
pub struct CustomerStatus {
    pub name: String,
    pub sort: i64,
    pub color: String,
    pub system: bool,
}

/// One purchase of a customer.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub customer: u64,
    pub price: i64,
    pub comment: String,
    pub completed_at: i64,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    /// `(element, catalog, quantity)`.
    pub elements: Vec<(u64, u64, f64)>,
}
