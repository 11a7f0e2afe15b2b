//! Records and messages in: check, resolve, apply.

pub mod messages;
