//! Carebell: a multichannel notification and two-way SMS gateway daemon for hospitals.
//!
//! The modules stand in reading order; ARCHITECTURE.md says what may know about what.

pub mod model;
pub mod clock;
pub mod stage;
pub mod telemetry;
pub mod segments;
pub mod calendar;
pub mod store;
pub mod rules;
pub mod render;
pub mod gates;
pub mod intents;
pub mod channels;
pub mod intake;
pub mod planning;
pub mod scheduler;
pub mod delivery;
pub mod inbound;
pub mod outbox;
pub mod access;
pub mod api;
pub mod amqp;
pub mod pages;
pub mod console;
pub mod simulator;
pub mod config;
pub mod app;
pub mod cli;
