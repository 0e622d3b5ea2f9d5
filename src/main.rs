//! crm-undo
fn main() {}
