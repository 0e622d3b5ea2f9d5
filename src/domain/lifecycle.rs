//! Which state may follow which. What is not listed is an error with both names in it.

use std::fmt::Debug;

/// A state that changes only by events.
pub trait Lifecycle: Sized + Debug {
    /// What may happen to it.
    type Event: Debug;

    /// The state after `event`.
    fn next(&self, event: &Self::Event) -> Result<Self, Illegal>;
}

/// An event that may not happen in this state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} may not happen to something that is {state}")]
pub struct Illegal {
    /// The state's name.
    pub state: String,
    /// The event's name.
    pub event: String,
}

impl Illegal {
    /// From the two values.
    pub fn new(state: &impl Debug, event: &impl Debug) -> Self {
        Self { state: format!("{state:?}"), event: format!("{event:?}") }
    }
}
