//! Rules: when and to whom. Pure: a rule, a patient and the moment make a plan.
//!
//! What a message says is `render`'s, whether it may go at last is `gates`'.

pub mod audience;
pub mod candidates;
pub mod cases;
pub mod condition;
pub mod document;
mod draft;
pub mod error;
pub mod explain;
pub mod lead;
mod node;
mod note;
pub mod overrides;
pub mod plan;
mod planned;
#[cfg(test)]
mod properties;
pub(crate) mod reader;
#[cfg(test)]
mod second_reckoning;
mod recipient;
pub mod rule;
pub mod site;
mod steps;
mod timing;
pub mod trigger;
mod triggers;
mod written;
