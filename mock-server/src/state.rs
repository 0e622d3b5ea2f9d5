//! Everything the server's tasks share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Options;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::vendors::amocrm::auth::Tokens;
use crate::vendors::amocrm::delivery::Post;
use crate::world::World;

#[derive(Debug)]
pub struct State {
    pub options: Options,
    pub ledger: Ledger,
    limits: Mutex<Limits>,
    faults: Mutex<Faults>,
    account: Mutex<Account>,
    pub post: Post,
}

/// The CRM itself. One lock: every request sees a whole world and leaves one.
#[derive(Debug)]
pub struct Account {
    pub world: World,
    pub tokens: Tokens,
}

impl State {
    pub fn new(options: Options) -> Self {
        Self {
            ledger: Ledger::default(),
            limits: Mutex::new(Limits::new(options.requests_per_second, options.account_requests_per_second)),
            faults: Mutex::new(Faults::default()),
            account: Mutex::new(Account::new(&options, options.seed, options.contacts)),
            post: Post::new(options.seed),
            options,
        }
    }

    /// Back to the start with another account: ledger, limits, faults, switches, clock and tokens too.
    pub fn reset(&self, seed: u64, contacts: usize) {
        let account = Account::new(&self.options, seed, contacts);
        *self.account() = account;
        *self.limits() = Limits::new(self.options.requests_per_second, self.options.account_requests_per_second);
        *self.faults() = Faults::default();
        self.ledger.clear();
        self.post.clear(seed);
    }

    pub fn account(&self) -> MutexGuard<'_, Account> {
        open(&self.account)
    }

    pub fn limits(&self) -> MutexGuard<'_, Limits> {
        open(&self.limits)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        open(&self.faults)
    }

    /// Hands what just happened to the ledger and to the post. Call before the account's lock is let go, so that effects of two
    /// requests never change their order.
    pub fn settle(&self, account: &mut Account) {
        self.ledger.happened(account.world.effects.drain(..));
        self.post.collect(&mut account.world);
    }
}

impl Account {
    fn new(options: &Options, seed: u64, contacts: usize) -> Self {
        let mut world = World::new();
        crate::generate::fill(&mut world, seed, contacts);
        Self { world, tokens: Tokens::long_lived(&options.tokens) }
    }
}

/// A handler that panicked has failed its own request; the server goes on.
pub fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
