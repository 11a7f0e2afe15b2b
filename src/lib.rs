//! Carebell: a multichannel notification and two-way SMS gateway daemon for hospitals.
//!
//! The modules stand in reading order; ARCHITECTURE.md says what may know about what.

pub mod model;
pub mod segments;
pub mod render;
pub mod intents;
pub mod channels;
pub mod cli;
