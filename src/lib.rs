//! Carebell: a multichannel notification and two-way SMS gateway daemon for hospitals.
//!
//! The modules stand in reading order; ARCHITECTURE.md says what may know about what.

pub mod model;
pub mod calendar;
pub mod rules;
pub mod segments;
pub mod channels;
pub mod cli;
