//! Scenarios.
#![expect(clippy::unwrap_used, reason = "tests")]

mod smpp_peer;
mod smpp_tls;
