//! SMPP 3.4, our own: codec and session, one code for both roles.
//!
//! We dial as ESME (`client`); the built-in carrier accepts as SMSC (`server`). `provider` is what delivery sees.
//! Why our own: `rusmppc` stalls under concurrent submits, and the codec of `rusmpp` refuses what real carriers send
//! and loses the stream. `rusmpp` and the npm package `smpp` are oracles in the tests.

pub mod client;
pub mod codec;
pub mod encode;
pub mod errors;
pub mod octets;
pub mod pdu;
pub mod provider;
pub mod server;
pub mod session;
pub mod status;
pub mod tls;
pub mod tlv;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod server_tests;
