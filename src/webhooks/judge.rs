//! What follows from an answer, or from none: pure.

use jiff::{SignedDuration, Timestamp};

use crate::model::webhook::DisabledReason;
use crate::outward::{Answer, Failure};

/// Waits before the next try, in seconds: those that Standard Webhooks suggests, some three days in all.
const WAITS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(24);
/// After how many refusals an event that alone is refused is put aside.
const PATIENT: i64 = 3;
/// How many events one webhook may have put aside.
const MOST_ASIDE: i64 = 20;

/// Where the webhook stood before the try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// Refusals of this event so far.
    pub(super) tries: i64,
    /// The first failure since something was taken.
    pub(super) failing_since: Option<Timestamp>,
    /// How many events are put aside.
    pub(super) asides: i64,
}

/// What a try led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was taken.
    Taken,
    /// It is tried again then.
    Later(Timestamp),
    /// It alone is refused: it is tried again then, and what follows goes on.
    Aside(Timestamp),
    /// No more is sent.
    Disable(DisabledReason),
}

/// A word for what was wrong; `None` when it was taken.
pub(super) fn problem(result: &Result<Answer, Failure>) -> Option<&'static str> {
    match result {
        Ok(answer) => match answer.status {
            200..=299 => None,
            300..=399 => Some("redirect"),
            410 => Some("gone"),
            429 => Some("throttled"),
            _ => Some("status"),
        },
        Err(Failure::Refused(_)) => Some("host_refused"),
        Err(Failure::NoHost) => Some("no_host"),
        Err(Failure::Unreachable) => Some("unreachable"),
        Err(Failure::Tls) => Some("tls"),
        Err(Failure::TimedOut) => Some("timeout"),
        Err(Failure::Broken) => Some("broken"),
    }
}

/// Judges a try. `dice` spreads the waits, so that what failed together is not tried again together.
pub(super) fn judge(
    result: &Result<Answer, Failure>,
    before: Before,
    disable_after: SignedDuration,
    dice: u16,
    now: Timestamp,
) -> Verdict {
    if problem(result).is_none() {
        return Verdict::Taken;
    }
    let status = result.as_ref().map_or(0, |answer| answer.status);
    if status == 410 {
        return Verdict::Disable(DisabledReason::Gone);
    }
    if before
        .failing_since
        .is_some_and(|since| now.duration_since(since) >= disable_after)
    {
        return Verdict::Disable(DisabledReason::Failing);
    }
    let again = match asked_to_wait(result, now) {
        Some(wait) => after(now, wait),
        None => after(now, wait(before.tries, dice)),
    };
    if before.tries + 1 >= PATIENT && before.asides < MOST_ASIDE && is_about_this_event(status) {
        Verdict::Aside(again)
    } else {
        Verdict::Later(again)
    }
}

/// When an event that was put aside is tried again; `None` when it was tried for long enough.
pub(super) fn aside_again(
    result: &Result<Answer, Failure>,
    tries: i64,
    first_at: Timestamp,
    disable_after: SignedDuration,
    dice: u16,
    now: Timestamp,
) -> Option<Timestamp> {
    if now.duration_since(first_at) >= disable_after {
        return None;
    }
    let wait = asked_to_wait(result, now).unwrap_or_else(|| wait(tries, dice));
    Some(after(now, wait))
}

/// Whether an answer may be about this event rather than about the receiver: another one may well be taken.
const fn is_about_this_event(status: u16) -> bool {
    matches!(status, 400 | 409 | 411..=418 | 422 | 500)
}

/// The wait after refusal number `tries` (0 for the first), longer by up to a fifth.
fn wait(tries: i64, dice: u16) -> SignedDuration {
    let step = usize::try_from(tries).unwrap_or(0).min(WAITS.len() - 1);
    let ms = WAITS[step] * 1_000;
    SignedDuration::from_millis(ms + ms / 5 * i64::from(dice) / 65_535)
}

/// What `Retry-After` of a 429 or 503 asks for: seconds, or a date of HTTP.
fn asked_to_wait(result: &Result<Answer, Failure>, now: Timestamp) -> Option<SignedDuration> {
    let answer = result
        .as_ref()
        .ok()
        .filter(|answer| matches!(answer.status, 429 | 503))?;
    let text = answer.retry_after.as_deref()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        Err(_) => jiff::fmt::rfc2822::parse(text)
            .ok()?
            .timestamp()
            .duration_since(now),
    };
    // At once would be a loop.
    Some(wait.clamp(SignedDuration::from_secs(1), LONGEST_WAIT))
}

fn after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    let at = now.checked_add(wait).unwrap_or(Timestamp::MAX);
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Before, Verdict, aside_again, judge};
    use crate::model::webhook::DisabledReason;
    use crate::outward::{Answer, Failure};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const DAYS_3: SignedDuration = SignedDuration::from_hours(72);

    fn status(status: u16) -> Result<Answer, Failure> {
        Ok(Answer {
            status,
            retry_after: None,
        })
    }

    fn asks(status: u16, retry_after: &str) -> Result<Answer, Failure> {
        Ok(Answer {
            status,
            retry_after: Some(retry_after.to_owned()),
        })
    }

    fn before(tries: i64) -> Before {
        Before {
            tries,
            failing_since: None,
            asides: 0,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[track_caller]
    fn check(result: &Result<Answer, Failure>, before: Before, expected: Verdict) {
        assert_eq!(
            judge(result, before, DAYS_3, 0, NOW),
            expected,
            "{result:?} {before:?}"
        );
    }

    #[test]
    fn a_2xx_is_taken_and_nothing_else_is() {
        for good in [200, 201, 202, 204, 299] {
            check(&status(good), before(0), Verdict::Taken);
        }
        for bad in [301, 302, 307, 308, 400, 401, 403, 404, 429, 500, 502, 503] {
            check(&status(bad), before(0), Verdict::Later(at(5)));
        }
        for bad in [
            Failure::NoHost,
            Failure::Unreachable,
            Failure::Tls,
            Failure::TimedOut,
            Failure::Broken,
        ] {
            check(&Err(bad), before(0), Verdict::Later(at(5)));
        }
    }

    #[test]
    fn waits_grow_to_a_day_and_the_tenth_try_is_after_three_days() {
        let mut passed = 0;
        for (tries, wait) in [
            5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400,
        ]
        .into_iter()
        .enumerate()
        {
            check(
                &Err(Failure::Unreachable),
                before(i64::try_from(tries).unwrap()),
                Verdict::Later(at(wait)),
            );
            if tries < 9 {
                passed += wait;
            }
        }
        assert!(passed > 72 * 3_600 && passed - 86_400 < 72 * 3_600);
        let longest = judge(&Err(Failure::Unreachable), before(1), DAYS_3, u16::MAX, NOW);
        assert_eq!(longest, Verdict::Later(at(360)));
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it() {
        check(&asks(429, "120"), before(0), Verdict::Later(at(120)));
        check(&asks(503, " 7 "), before(5), Verdict::Later(at(7)));
        check(
            &asks(503, "Thu, 01 Jan 1970 00:10:00 GMT"),
            before(0),
            Verdict::Later(at(600)),
        );
        check(&asks(429, "0"), before(0), Verdict::Later(at(1)));
        check(
            &asks(429, "Wed, 31 Dec 1969 00:10:00 GMT"),
            before(0),
            Verdict::Later(at(1)),
        );
        check(
            &asks(429, "99999999"),
            before(0),
            Verdict::Later(at(86_400)),
        );
        check(&asks(429, "soon"), before(0), Verdict::Later(at(5)));
        // It is not for others to say.
        check(&asks(500, "120"), before(0), Verdict::Later(at(5)));
    }

    #[test]
    fn an_event_that_alone_is_refused_is_put_aside_in_the_end() {
        for tries in [0, 1] {
            check(
                &status(500),
                before(tries),
                Verdict::Later(at(if tries == 0 { 5 } else { 300 })),
            );
        }
        check(&status(500), before(2), Verdict::Aside(at(1_800)));
        check(&status(422), before(2), Verdict::Aside(at(1_800)));
        for receiver in [401, 403, 404, 429, 502, 503, 504, 302] {
            check(&status(receiver), before(2), Verdict::Later(at(1_800)));
        }
        check(
            &Err(Failure::TimedOut),
            before(2),
            Verdict::Later(at(1_800)),
        );
        check(
            &status(500),
            Before {
                asides: 20,
                ..before(2)
            },
            Verdict::Later(at(1_800)),
        );
    }

    #[test]
    fn who_is_gone_or_fails_for_days_is_told_no_more() {
        check(
            &status(410),
            before(0),
            Verdict::Disable(DisabledReason::Gone),
        );
        let since = |hours: i64| Some(NOW - SignedDuration::from_hours(hours));
        check(
            &status(500),
            Before {
                failing_since: since(72),
                ..before(9)
            },
            Verdict::Disable(DisabledReason::Failing),
        );
        check(
            &Err(Failure::NoHost),
            Before {
                failing_since: since(71),
                ..before(9)
            },
            Verdict::Later(at(86_400)),
        );
        // However often it asks for a little time.
        check(
            &asks(429, "1"),
            Before {
                failing_since: since(73),
                ..before(9_000)
            },
            Verdict::Disable(DisabledReason::Failing),
        );
    }

    #[test]
    fn an_event_that_was_put_aside_is_given_up_after_days() {
        let again = |hours: i64| {
            aside_again(
                &status(500),
                4,
                NOW - SignedDuration::from_hours(hours),
                DAYS_3,
                0,
                NOW,
            )
        };
        assert_eq!(again(1), Some(at(18_000)));
        assert_eq!(again(72), None);
    }
}
