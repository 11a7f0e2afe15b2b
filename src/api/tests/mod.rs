//! The API as a client sees it: over a real socket, on both databases.

mod bench;
mod campaigns;
mod desk;
mod look;
mod messages;
mod outline;
mod records;
mod webhooks;
