<<<<<<< HEAD
//! Scenarios and house rules: one binary, so that it links once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod house;
=======
//! Scenarios.
#![expect(clippy::unwrap_used, reason = "tests")]

mod smpp_peer;
mod smpp_tls;
>>>>>>> smpp
