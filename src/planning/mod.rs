//! What a rule yields for whom and why: the one place that the scheduler, `plan`, `explain` and the previews share.
//!
//! Decides and writes nothing. The wording is `render`'s, the moment's last word `gates`'.

pub(crate) mod addressee;
pub mod book;
pub mod campaign;
pub(crate) mod company;
pub(crate) mod context;
pub mod decide;
pub(crate) mod earlier;
pub(crate) mod material;
pub mod explain;
mod fill;
pub mod lint;
pub mod own;
pub mod preview;
pub(crate) mod roster;
pub mod spread;
pub mod subject;
mod together;
pub mod totals;
pub mod walk;

/// The house, as far as plans and texts tell of it.
#[derive(Clone, Debug)]
pub struct House {
    /// What it is called.
    pub name: String,
    /// The number patients may call.
    pub phone: Option<String>,
    /// The language of its staff, and of patients who named none.
    pub language: String,
    /// Its wall clock.
    pub timezone: jiff::tz::TimeZone,
    /// The key of its address hashes.
    pub address_key: Vec<u8>,
}
