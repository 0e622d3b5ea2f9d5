//! How a request gets to the CRM, and what can go wrong on the way. A trait, so that everything above it runs in a
//! simulated world too.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use http::{Request, Response};

use super::budget::Turn;
use super::flow::Flow;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not a byte of the request left.
    NotSent(String),
    /// Some of it may have arrived.
    Cut(String),
}

/// How a request gets there.
#[async_trait]
pub trait Transport: Send + Sync + Debug {
    /// Sends one request once, follows no redirect, decodes nothing, and returns when the head of the answer is there.
    /// MUST call [`Turn::sent`] when the request can leave on an open connection.
    async fn send(&self, request: Request<Flow>, turn: &Turn) -> Result<Response<Flow>, Failure>;

    /// The same with connections of its own, for another runtime.
    fn another(&self) -> Arc<dyn Transport>;
}
