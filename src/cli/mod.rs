//! The verbs of the command line.

pub mod replies;
pub mod templates;
