//! Scenarios, house rules and talks with peers that others wrote: one binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod demo;
mod house;
mod smpp_peer;
mod smpp_tls;
