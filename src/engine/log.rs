//! The record as the engine needs it.

use std::future::Future;

use crate::model::event::Event;

/// An append-only record of events.
pub trait Log: Send + 'static {
    /// Appends events; resolves once they are durable. After the first error nothing may be appended any more.
    fn append(&mut self, events: &[Event]) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// The record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written: {0}")]
pub struct LogError(pub String);
