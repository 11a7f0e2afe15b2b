//! Inbound: what the network tells us is stored, then acknowledged, then acted upon.

pub mod accept;
mod act;
mod bind;
pub mod replies;
mod several;
mod titles;
mod which;

pub use replies::Settings;
