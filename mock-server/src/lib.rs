//! A stateful mock CRM.
