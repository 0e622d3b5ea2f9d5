//! Contacts, companies, leads, customers and catalog elements: one row type, because nine tenths of them is the same.

use super::kind::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Alive,
    /// Deleted, still in the recycle bin: invisible but for `with=only_deleted`.
    Bin,
    /// Belongs to an incoming lead nobody has accepted yet; not in the normal lists (§2.13).
    Unsorted,
}

#[derive(Clone, Debug)]
pub struct Card {
    pub name: String,
    pub standing: Standing,
    pub responsible: u64,
    pub created_by: u64,
    pub updated_by: u64,
    pub created_at: i64,
    pub updated_at: i64,
    pub fields: Vec<FieldValue>,
    /// Ids in the tag book of the card's kind.
    pub tags: Vec<u64>,
    pub own: Own,
}

/// The values of one custom field, as the JSON text of the array that reading shows. Kept as text because an account
/// has millions of them and one request reads a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue {
    pub field: u64,
    pub values: Box<str>,
}

#[derive(Clone, Debug)]
pub enum Own {
    Contact(Person),
    Company,
    Lead(Lead),
    Customer(Box<Customer>),
    Element { catalog: u64 },
}

#[derive(Clone, Debug, Default)]
pub struct Person {
    pub first_name: Box<str>,
    pub last_name: Box<str>,
}

#[derive(Clone, Debug, Default)]
pub struct Lead {
    pub price: i64,
    pub pipeline: u64,
    pub status: u64,
    pub loss_reason: Option<u64>,
    pub closed_at: Option<i64>,
    pub source: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Customer {
    pub next_price: i64,
    pub next_date: Option<i64>,
    pub status: u64,
    pub periodicity: i64,
    pub segments: Vec<u64>,
    pub bonus_points: i64,
}

impl Card {
    pub fn lead(&self) -> Option<&Lead> {
        match &self.own {
            Own::Lead(lead) => Some(lead),
            _ => None,
        }
    }

    pub fn lead_mut(&mut self) -> Option<&mut Lead> {
        match &mut self.own {
            Own::Lead(lead) => Some(lead),
            _ => None,
        }
    }

    pub fn customer(&self) -> Option<&Customer> {
        match &self.own {
            Own::Customer(customer) => Some(customer),
            _ => None,
        }
    }

    pub fn customer_mut(&mut self) -> Option<&mut Customer> {
        match &mut self.own {
            Own::Customer(customer) => Some(customer),
            _ => None,
        }
    }

    pub fn person_mut(&mut self) -> Option<&mut Person> {
        match &mut self.own {
            Own::Contact(person) => Some(person),
            _ => None,
        }
    }

    pub fn catalog(&self) -> Option<u64> {
        match self.own {
            Own::Element { catalog } => Some(catalog),
            _ => None,
        }
    }
}

impl Own {
    pub fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Contacts => Self::Contact(Person::default()),
            Kind::Companies => Self::Company,
            Kind::Leads => Self::Lead(Lead::default()),
            Kind::Customers => Self::Customer(Box::default()),
            Kind::CatalogElements => Self::Element { catalog: 0 },
        }
    }
}
