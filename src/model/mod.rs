//! The words of the trade as types, and the state machines. Knows no database, no clock, no network.

pub mod class;
pub mod id;
pub mod phone;
pub mod private;
mod words;
