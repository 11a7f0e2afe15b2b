//! Why a message was not taken in.

use std::sync::Arc;

use super::fields::Fault;
use crate::store::StoreError;

/// Why a message was not taken in. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request is wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Another request used this key before.
    #[error("another request used this idempotency key")]
    KeyReused,
    /// The first request with this key is not done yet.
    #[error("the first request with this idempotency key is not done yet")]
    InFlight,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database failed for a whole batch.
    #[error(transparent)]
    Unavailable(Arc<StoreError>),
}
