//! Scenarios, house rules and talks with peers that others wrote: one binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bookings;
mod clinic;
mod crash;
mod delivery;
mod demo;
mod history;
mod house;
mod privacy;
mod promises;
mod replies;
mod smpp_peer;
mod smpp_tls;
