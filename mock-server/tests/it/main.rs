//! What the mock does, asked over HTTP as its users ask.

mod catalogs;
mod crm;
mod customers;
mod files;
mod generator;
mod oauth;
