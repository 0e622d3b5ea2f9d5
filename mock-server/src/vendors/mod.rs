//! One folder a vendor. There is one so far.

pub mod amocrm;
