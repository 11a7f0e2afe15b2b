//! Scenarios and house rules: one binary, so that it links once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod house;
