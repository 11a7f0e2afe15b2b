//! Requests of ours to other systems over HTTP: which hosts they may go to, TLS, and limits on all that comes back.
//!
//! What is sent, and what an answer means, is for the caller to know.

mod client;
mod guard;
mod target;

pub use client::{Answer, Failure, Limits, Outward, OutwardError};
pub use guard::{Allowed, Guard, Refused};
pub use target::{BadTarget, Target};
