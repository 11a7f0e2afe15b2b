//! Scenarios, house rules and talks with peers that others wrote: one binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod amqp;
mod bookings;
mod campaigns;
mod clinic;
mod crash;
mod delivery;
mod demo;
mod history;
mod house;
mod packs;
mod privacy;
mod promises;
mod replies;
mod routing;
mod several;
mod smpp_peer;
mod smpp_tls;
mod staff;
mod verbs;
mod withdrawn;
