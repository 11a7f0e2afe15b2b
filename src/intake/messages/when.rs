//! When a message goes and until when it is of use.

use jiff::{SignedDuration, Timestamp};

use super::Site;
use super::fields::Fault;
use super::request::MessageRequest;
use crate::calendar::quiet::Shift;
use crate::calendar::wall;
use crate::model::occasion::Occasion;

/// How long a message is of use when nobody says.
const USEFUL: SignedDuration = SignedDuration::from_hours(24);
/// How long before its occasion a message is of use no more.
const BEFORE_OCCASION: SignedDuration = SignedDuration::from_hours(2);

/// The moments of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) send_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// Whether all of its time lies in quiet hours that bind it.
    pub(super) is_only_in_quiet_hours: bool,
}

/// The moments of `request`: quiet hours bind the capped classes, whose callers do not decide when.
pub(super) fn times(
    site: &Site,
    request: &MessageRequest,
    occasion: Option<&Occasion>,
    now: Timestamp,
) -> Result<Times, Fault> {
    let asked = request.send_at.unwrap_or(now).max(now);
    if request
        .expires_at
        .is_some_and(|expires_at| expires_at <= asked)
    {
        return Err(Fault::invalid(
            "expires_at",
            "a moment to come, after send_at",
        ));
    }
    let quiet = site
        .quiet
        .get(&request.class)
        .filter(|_| request.class.is_capped());
    let send_at = match quiet.map(|quiet| quiet.shift(&site.timezone, asked, None, now)) {
        Some(Shift::Pushed(end)) => end,
        Some(Shift::Stands | Shift::PulledBack(_) | Shift::Dropped { .. }) | None => asked,
    };
    let later = |by: SignedDuration| send_at.saturating_add(by).unwrap_or(Timestamp::MAX);
    let expires_at = request
        .expires_at
        .or_else(|| before(occasion?, send_at))
        .unwrap_or_else(|| later(USEFUL));
    Ok(Times {
        send_at,
        expires_at,
        is_only_in_quiet_hours: expires_at <= send_at,
    })
}

/// Two hours before `occasion`; its start for a message that comes later; none for one about what was.
fn before(occasion: &Occasion, send_at: Timestamp) -> Option<Timestamp> {
    let zone = wall::zone(&occasion.timezone)?;
    let start = occasion.when.instant(&zone).ok()?;
    let start = Timestamp::from_millisecond(start.as_millisecond()).ok()?;
    let in_time = start.saturating_sub(BEFORE_OCCASION).unwrap_or(start);
    [in_time, start].into_iter().find(|limit| *limit > send_at)
}
