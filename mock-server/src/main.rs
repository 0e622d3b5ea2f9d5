//! `crm-mock`: the mock CRM as a program.

fn main() {}
