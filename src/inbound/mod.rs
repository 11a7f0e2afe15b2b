//! Inbound: what the network tells us is stored, then acknowledged, then acted upon.

pub mod accept;
