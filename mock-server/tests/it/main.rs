//! What the mock does, asked over HTTP as its users ask.

mod catalogs;
mod crm;
mod customers;
mod events;
mod files;
mod generator;
mod oauth;
mod receiver;
mod webhooks;
