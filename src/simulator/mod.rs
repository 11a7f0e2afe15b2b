//! The built-in carrier: an SMSC with phones that answer, for the demo, for tests and for trying rules.
//!
//! `carrier` is the network itself (its inside is `network`) and knows no wire; `smsc` lets ESMEs bind to it over TCP; `pages` shows the
//! phones. Everything lives in memory and is bounded: what is old makes way for what is new.

pub mod carrier;
pub mod conduct;
pub mod dialect;
mod network;
mod outbox;
pub mod pages;
mod parts;
pub mod phones;
pub mod script;
pub mod smsc;
mod wire;
