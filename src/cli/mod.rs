//! The verbs.

pub mod import;
