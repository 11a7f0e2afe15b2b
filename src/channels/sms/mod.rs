//! SMS: alphabets on the wire, receipts, parts put together, and the protocols that carry them.

pub mod coding;
pub mod reassembly;
pub mod receipt;
pub mod repeats;
pub mod smpp;

#[cfg(test)]
mod receipt_tests;
