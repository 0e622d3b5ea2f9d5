//! Purchases of customers; what a customer is worth follows from them.

use serde_json::json;

use super::World;
use super::catalogs::Transaction;
use super::kind::Kind;
use crate::ledger::What;

/// What amoCRM computes from a customer's purchases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    pub ltv: i64,
    pub count: i64,
}

impl Worth {
    pub fn average_check(self) -> i64 {
        if self.count == 0 { 0 } else { self.ltv / self.count }
    }
}

impl World {
    /// The purchases of a customer, oldest first.
    pub fn purchases_of(&self, customer: u64) -> impl Iterator<Item = (u64, &Transaction)> {
        let ids = self.transactions_of.get(&customer).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| Some((*id, self.transactions.get(*id)?)))
    }

    pub fn worth_of(&self, customer: u64) -> Worth {
        self.purchases_of(customer)
            .fold(Worth::default(), |sum, (_, row)| Worth { ltv: sum.ltv + row.price, count: sum.count + 1 })
    }

    /// The purchase, if its customer is alive.
    pub fn living_transaction(&self, id: u64) -> Option<&Transaction> {
        self.transactions.get(id).filter(|row| self.alive(Kind::Customers.of(row.customer)).is_some())
    }

    /// Adds a row and its place in the index, and nothing else: for generated accounts.
    pub fn put_transaction(&mut self, id: u64, row: Transaction) {
        self.transactions_of.entry(row.customer).or_default().push(id);
        self.transactions.put(id, row);
    }

    pub fn create_transaction(&mut self, row: Transaction) -> u64 {
        let (id, customer) = (self.transactions.next_id(), Kind::Customers.of(row.customer));
        let before = self.worth_of(customer.id).ltv;
        self.put_transaction(id, row);
        self.did(What::Created, "transactions", id);
        self.index_later("transactions", id);
        self.event("transaction_added", customer, json!([]), json!([{"transaction": {"id": id}}]));
        self.tell_worth(customer.id, before);
        id
    }

    /// A deleted purchase is gone.
    pub fn delete_transaction(&mut self, id: u64) -> bool {
        let Some(customer) = self.transactions.get(id).map(|row| row.customer) else { return false };
        let before = self.worth_of(customer).ltv;
        self.transactions.remove(id);
        if let Some(ids) = self.transactions_of.get_mut(&customer) {
            ids.retain(|have| *have != id);
        }
        self.did(What::Deleted, "transactions", id);
        self.tell_worth(customer, before);
        true
    }

    fn tell_worth(&mut self, customer: u64, before: i64) {
        let ltv = |ltv: i64| json!([{"ltv_field_value": {"ltv": ltv}}]);
        let after = self.worth_of(customer).ltv;
        if before != after {
            self.event("ltv_field_changed", Kind::Customers.of(customer), ltv(before), ltv(after));
        }
    }
}
