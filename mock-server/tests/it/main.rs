//! What the mock does, asked over HTTP as its users ask.

mod catalogs;
mod crm;
mod customers;
mod deletes;
mod events;
mod faults;
mod files;
mod generator;
mod incoming;
mod limits;
mod lists;
mod oauth;
mod people;
mod program;
mod readme;
mod receiver;
mod schema;
mod small;
mod webhooks;
