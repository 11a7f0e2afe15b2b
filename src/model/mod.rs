//! The words of the trade as types, and the state machines. Knows no database, no clock, no network.

pub mod campaign;
pub mod class;
pub mod id;
pub mod message;
pub mod occasion;
pub mod patient;
pub mod phone;
pub mod price;
pub mod private;
pub mod provider_id;
pub mod receipt;
pub mod reminder;
pub mod reply;
pub mod route;
pub mod staff;
pub(crate) mod words;

pub(crate) use words::words;
pub mod task;
pub mod webhook;
